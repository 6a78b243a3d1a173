import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import { systemDialers } from './system-dialers.ts';

const { http } = systemDialers({ clock: systemClock });
const never = new AbortController().signal;
let server: Server;
let other: Server;
let asked: IncomingMessage[];

beforeEach(async () => {
  asked = [];
  const listen = (): Server =>
    createServer((request, response) => {
      asked.push(request);
      const [, to] = /^\/to\?(.*)$/.exec(request.url ?? '') ?? [];
      if (to) response.writeHead(Number(request.headers['x-status'] ?? 302), { location: decodeURIComponent(to) });
      else if (request.url === '/round') response.writeHead(301, { location: '/round' });
      else if (request.url === '/nowhere') response.writeHead(302);
      else response.writeHead(request.url === '/bad' ? 500 : 200);
      response.end(request.url);
    });
  [server, other] = [listen(), listen()];
  await Promise.all([server, other].map((one) => new Promise<void>((done) => one.listen(0, '127.0.0.1', done))));
});
afterEach(() => Promise.all([server, other].map((one) => new Promise((done) => one.close(done)))));

const portOf = (one: Server): number => (one.address() as AddressInfo).port;

function get(path: string, headers: Array<{ name: string; value: string }> = []) {
  return http({ scheme: 'http', host: '127.0.0.1', port: portOf(server), path, headers }, 5_000, never);
}

const to = (location: string): string => `/to?${encodeURIComponent(location)}`;

describe('a redirect', () => {
  it('is followed on the same host, by whatever status, with the headers of the probe', async () => {
    const host = { name: 'Host', value: 'site.example' };
    for (const value of ['301', '302', '303', '307', '308']) {
      expect(await get(to('/well'), [{ name: 'X-Status', value }, host])).toEqual({ status: 200, body: '/well' });
      expect(asked.at(-1)?.headers).toMatchObject({ 'x-status': value, host: 'site.example' });
    }
    expect((await get(to('/bad'))).status).toBe(500);
  });

  it('is followed to another port of the host, which is then what the request is for', async () => {
    const location = `http://127.0.0.1:${portOf(other)}/there`;
    const host = { name: 'Host', value: 'site.example' };
    expect(await get(to(location), [host])).toEqual({ status: 200, body: '/there' });
    expect(asked.at(-1)?.headers.host).toBe(`127.0.0.1:${portOf(other)}`);
  });

  it('to another host is the answer, and so is one without a location', async () => {
    expect((await get(to(`http://localhost:${portOf(other)}/there`))).status).toBe(302);
    expect((await get('/nowhere')).status).toBe(302);
    expect(asked).toHaveLength(2);
  });

  it('that leads round fails after ten', async () => {
    await expect(get('/round')).rejects.toThrow('stopped after 10 redirects');
    expect(asked).toHaveLength(10);
  });
});
