import type { IncomingHttpHeaders } from 'node:http';
import type { ConnectQuery } from '../../api.ts';
import { badRequest } from '../../requests/refusals.ts';
import { flag } from '../request-info/parameters.ts';
import type { Wanted } from './exec-websocket.ts';

/** The protocol after the upgrade. */
export type Way = 'websocket' | 'spdy';

/** Undefined: the request asks for neither protocol. */
export function wayOf(headers: IncomingHttpHeaders): Way | undefined {
  if (!/(^|,)\s*upgrade\s*($|,)/i.test(headers.connection ?? '')) return undefined;
  const upgrade = (headers.upgrade ?? '').toLowerCase();
  if (upgrade === 'websocket') return 'websocket';
  return upgrade.includes('spdy/3.1') ? 'spdy' : undefined;
}

/** The query of exec or attach. A terminal has one output: stderr is part of stdout then. */
export function execQuery(type: 'exec' | 'attach', query: URLSearchParams): ConnectQuery & Wanted {
  const tty = flag(query, 'tty');
  return {
    type,
    container: query.get('container') || undefined,
    ...(type === 'exec' ? { command: query.getAll('command') } : {}),
    stdin: flag(query, 'stdin'),
    stdout: flag(query, 'stdout'),
    stderr: flag(query, 'stderr') && !tty,
    tty,
  };
}

/** The most ports of one request: each is a connection. */
const maxPorts = 128;

/** The ports of a WebSocket's channels. Throws BadRequest with the kubelet's messages. */
export function forwardPorts(query: URLSearchParams): number[] {
  const given = [...query.getAll('ports'), ...query.getAll('port')];
  if (given.length === 0) throw badRequest('query parameter "port" is required');
  const ports = given
    .flatMap((text) => text.split(','))
    .map((text) => {
      if (text === '') throw badRequest('query parameter "port" cannot be empty');
      const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
      if (!(port <= 65_535)) throw badRequest(`unable to parse ${JSON.stringify(text)} as a port`);
      if (port < 1) throw badRequest(`port ${JSON.stringify(text)} must be > 0`);
      return port;
    });
  if (ports.length > maxPorts) throw badRequest(`no more than ${maxPorts} ports can be forwarded at once`);
  return ports;
}

/** The values of a header that is a list. */
export function words(header: string | string[] | undefined): string[] {
  return [header ?? []]
    .flat()
    .flatMap((line) => line.split(','))
    .map((word) => word.trim())
    .filter((word) => word !== '');
}
