import { ApiError } from './errors.ts';

/** `host:port`, with an IPv6 host in brackets. Throws ApiError BadRequest when it is neither. */
export function splitAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  if (!match || !host || Number(match[3]) > 65_535) throw new ApiError('BadRequest', `"${address}" is not HOST:PORT`);
  return { host, port: Number(match[3]) };
}

/** The host of an address with a port; IPv6 in brackets. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
