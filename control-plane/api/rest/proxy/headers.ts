import type { OutgoingHttpHeaders } from 'node:http';
import { tokenProtocol } from '../../auth/authenticator.ts';

/** Hop-by-hop fields (RFC 9110, section 7.6.1, and others in use); those that `Connection` names are added. */
const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

export interface Forwarded {
  /** The client's address. */
  readonly from: string;
  /** The path as the client sent it. Absent for upgrades, as in Kubernetes. */
  readonly uri?: string;
}

/**
 * The fields of a request to the backend: without credentials and impersonation, and without hop-by-hop fields but for an upgrade that
 * is passed on. `raw`: names and values in turn.
 */
export function requestHeaders(
  raw: readonly string[],
  { from, uri }: Forwarded,
  upgrade: boolean,
): OutgoingHttpHeaders {
  const headers = grouped(raw);
  const body = headers.get('transfer-encoding') !== undefined;
  if (upgrade) withoutToken(headers);
  else dropHopByHop(headers);
  headers.delete('authorization');
  for (const name of [...headers.keys()]) if (name.startsWith('impersonate-')) headers.delete(name);
  const before = headers.get('x-forwarded-for')?.values ?? [];
  headers.set('x-forwarded-for', { name: 'X-Forwarded-For', values: [[...before, from].join(', ')] });
  if (uri !== undefined) headers.set('x-forwarded-uri', { name: 'X-Forwarded-Uri', values: [uri] });
  if (body) headers.set('transfer-encoding', { name: 'Transfer-Encoding', values: ['chunked'] });
  return outgoing(headers);
}

/** The fields of an answer to the client. Names keep their case. */
export function responseHeaders(raw: readonly string[]): OutgoingHttpHeaders {
  const headers = grouped(raw);
  const trailers = headers.get('trailer');
  dropHopByHop(headers);
  if (trailers) headers.set('trailer', trailers);
  // The default of all answers of this server; the backend's value comes after it.
  const cache = headers.get('cache-control')?.values ?? [];
  headers.set('cache-control', { name: 'Cache-Control', values: ['no-cache, private', ...cache] });
  return outgoing(headers);
}

interface Field {
  readonly name: string;
  readonly values: readonly string[];
}

function grouped(raw: readonly string[]): Map<string, Field> {
  const headers = new Map<string, Field>();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = raw.slice(at, at + 2);
    const key = name.toLowerCase();
    const before = headers.get(key);
    headers.set(key, { name: before?.name ?? name, values: [...(before?.values ?? []), value] });
  }
  return headers;
}

function dropHopByHop(headers: Map<string, Field>): void {
  const named = headers.get('connection')?.values.flatMap((value) => value.split(',')) ?? [];
  for (const name of [...hopByHop, ...named]) headers.delete(name.trim().toLowerCase());
}

function withoutToken(headers: Map<string, Field>): void {
  const offered = headers.get('sec-websocket-protocol');
  if (!offered) return;
  const kept = offered.values
    .flatMap((value) => value.split(','))
    .map((protocol) => protocol.trim())
    .filter((protocol) => !protocol.startsWith(tokenProtocol));
  if (kept.length === 0) headers.delete('sec-websocket-protocol');
  else headers.set('sec-websocket-protocol', { ...offered, values: [kept.join(', ')] });
}

function outgoing(headers: ReadonlyMap<string, Field>): OutgoingHttpHeaders {
  return Object.fromEntries(
    [...headers.values()].map(({ name, values }) => [name, values.length === 1 ? values[0] : [...values]]),
  );
}
