import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { borne, groups, map, overlong, refused } from '../support/hostile-requests.ts';
import {
  type Answer,
  administrator,
  type Caller,
  type ServerProcess,
  startServerProcess,
} from '../support/server-process.ts';
import { json, maps, pods, typed } from '../support/worst/request.ts';

/** What the server may have on top of what it had when it was idle, after all of it: bytes. */
const maxGrowth = 400 * 1024 * 1024;

describe.skipIf(!hasEtcd())('hostile requests', () => {
  let server: ServerProcess;
  let admin: Caller;
  let idle: number;

  const messageOf = ({ text }: Answer): string => {
    try {
      return (JSON.parse(text) as { message?: string }).message ?? '';
    } catch {
      return text;
    }
  };
  const alive = async (): Promise<void> => {
    expect(server.exitCode(), server.log()).toBeNull();
    expect((await admin('GET', '/readyz')).status).toBe(200);
  };

  beforeAll(async () => {
    server = await startServerProcess({ logLevel: 'error' });
    admin = await server.caller(administrator);
    expect((await admin('POST', maps, typed(json, map('', 'seed')))).status).toBe(201);
    idle = await server.rss();
  });
  afterAll(() => server?.stop());

  it.each(Object.entries(refused))('refuses %s with a reason', async (_name, [method, path, options]) => {
    const answer = await admin(method, path, options);
    expect(answer.status, messageOf(answer).slice(0, 500)).toBeGreaterThanOrEqual(400);
    expect(answer.status, messageOf(answer).slice(0, 500)).toBeLessThan(500);
    expect(messageOf(answer)).not.toBe('');
    // As in Kubernetes, a wrong value is repeated, in the message and in its cause; nothing grows beyond that.
    const sent = options?.body === undefined ? 0 : Buffer.byteLength(options.body as string);
    expect(answer.text.length).toBeLessThan(100_000 + 4.1 * Math.min(sent, 1_100_000));
  });

  it.each(Object.entries(borne))('survives %s', async (_name, [method, path, options]) => {
    const answer = await admin(method, path, options);
    // 504: Kubernetes' answer to a version that is still to come.
    expect([...Array.from({ length: 300 }, (_, i) => 200 + i), 504], messageOf(answer).slice(0, 500)).toContain(
      answer.status,
    );
    const seed = await admin('GET', `${maps}/seed`);
    expect(JSON.parse(seed.text)).not.toHaveProperty('polluted');
  });

  it('survives connections that send no HTTP, half of it, or too slowly', async () => {
    const tls = await server.tls(administrator);
    const garbage = [
      'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
      `POST ${maps} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
      `GET / HTTP/1.1\r\nHost: x\r\n${'a: b\r\n'.repeat(20_000)}\r\n`,
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\0'.repeat(10_000),
      `GET ${pods}/x/exec?command=a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n${'\xff'.repeat(5_000)}`,
      `POST ${pods}/x/exec?command=a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n${'\x80\x03\0\x01\xff\xff\xff\xff'.repeat(500)}`,
      `POST ${pods}/x/portforward HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`,
    ];
    await Promise.all(
      garbage.map(
        (text) =>
          new Promise<void>((resolve, reject) => {
            const socket = connect({ host: '127.0.0.1', port: server.restPort, ...tls }, () =>
              socket.write(text, 'latin1'),
            );
            let answer = '';
            socket.on('data', (data: Buffer) => {
              answer += data;
              if (/^HTTP\/1.1 5/.test(answer)) reject(new Error(answer.slice(0, 300)));
              if (answer.includes('\r\n\r\n')) socket.destroy();
            });
            socket.on('error', () => resolve());
            socket.on('close', () => resolve());
            socket.setTimeout(12_000, () => socket.destroy());
          }),
      ),
    );
    await alive();
  });

  it('survives gRPC calls of garbage: each is refused with a status other than INTERNAL or UNKNOWN', async () => {
    const tls = await server.tls(administrator);
    const session = connectHttp2(`https://${server.grpc}`, { ...tls });
    const framed = (bytes: Uint8Array, length = bytes.length): Buffer => {
      const head = Buffer.alloc(5);
      head.writeUInt32BE(length, 1);
      return Buffer.concat([head, bytes]);
    };
    const bodies: readonly Buffer[] = [
      framed(overlong),
      framed(Buffer.alloc(10_000, 0xff)),
      framed(Buffer.alloc(100_000, 0x0b)),
      framed(groups(5_000)),
      framed(Buffer.from([0x0a, 2, 0xff, 0xfe])),
      framed(Buffer.alloc(5 * 1024 * 1024)),
      framed(Buffer.alloc(10), 0xffff_ffff),
      Buffer.from([1, 2, 3]),
      Buffer.concat([Buffer.from([1]), framed(Buffer.from('not gzip')).subarray(1)]),
    ];
    const paths = [
      '/coracle.v1.ConfigMaps/Create',
      '/coracle.v1.Pods/List',
      '/coracle.v1.Pods/Patch',
      '/coracle.v1.Nobody/Get',
      '/x',
      '/coracle.v1.Enrollment/Enroll',
      '/coracle.v1.NodeSession/Connect',
    ];
    for (const path of paths) {
      for (const [index, body] of bodies.entries()) {
        const status = await new Promise<string>((resolve) => {
          const stream = session.request({
            ':method': 'POST',
            ':path': path,
            'content-type': 'application/grpc',
            te: 'trailers',
            'grpc-timeout': '3S',
          });
          const tell = (headers: Record<string, unknown>): void => {
            if (headers['grpc-status'] !== undefined)
              resolve(`${headers['grpc-status']} ${headers['grpc-message'] ?? ''}`);
          };
          stream.on('response', tell);
          stream.on('trailers', tell);
          stream.on('error', (error) => resolve(`cut: ${error.message}`));
          stream.on('close', () => resolve('closed'));
          stream.resume();
          stream.end(body);
        });
        expect(status, `${path} with body ${index}`).not.toMatch(/^2 /);
        if (!/^13 .*(compress|decompress|gzip|Received message|message length|trailing)/i.test(status)) {
          expect(status, `${path} with body ${index}`).not.toMatch(/^13 /);
        }
      }
    }
    session.destroy();
    await alive();
  });

  it('has taken a bounded amount of memory for all that, and serves on', async () => {
    for (let round = 0; round < 2; round++) {
      await Promise.all(
        Object.values({ ...refused, ...borne }).map(([method, path, options]) =>
          admin(method, path, options).catch(() => undefined),
        ),
      );
    }
    await alive();
    await eventually(async () => (await server.rss()) - idle < maxGrowth, { timeoutMs: 20_000 });
    expect(server.log()).not.toContain('a request failed');
    expect(server.log()).not.toContain('a call failed');
  });
});
