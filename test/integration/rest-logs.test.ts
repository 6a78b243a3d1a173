import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { NodeStreams } from '../../control-plane/api/api.ts';
import { groups } from '../../control-plane/api/auth/identity.ts';
import { ApiError } from '../../shared/errors.ts';
import type { LogStreamParameters } from '../../shared/session.ts';
import { eventually } from '../support/eventually.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

let server: TestRest;
let tls: { ca: string; cert: string; key: string };
/** The log that the node has; its begin is the refusal of a node. */
let log: (parameters: LogStreamParameters, signal: AbortSignal) => AsyncIterable<Uint8Array>;
let asked: LogStreamParameters | undefined;
let ended: boolean;

const nodeStreams: NodeStreams = {
  open: () => Promise.reject(new Error('not here')),
  reach: async () => undefined,
  async logs(_node, parameters, signal) {
    asked = parameters;
    return (async function* () {
      try {
        yield* log(parameters, signal);
      } finally {
        ended = true;
      }
    })();
  },
};

async function* silent(_: unknown, signal: AbortSignal): AsyncIterable<Uint8Array> {
  if (!signal.aborted) await once(signal, 'abort');
  yield* [];
}

beforeAll(async () => {
  server = await startTestRest({ nodeStreams });
  const admin = await server.authority.issueClient({ user: 'admin', groups: [groups.masters] });
  tls = { ca: server.authority.certificate, cert: admin.certificate, key: admin.key };
  const spec = { nodeName: 'n1', containers: [{ name: 'app', image: 'x' }] };
  await server.client.create('Pod', { metadata: { name: 'web', namespace: 'default' }, spec });
});
afterAll(() => server.stop());
beforeEach(() => {
  ended = false;
  log = async function* () {
    yield Buffer.from('one\n');
    yield Buffer.from('two \u00e9\n');
  };
});

interface Seen {
  readonly messages: Array<{ readonly text: string; readonly binary: boolean }>;
  readonly protocol: string;
  readonly code: number;
}

function dial(query = '', protocols: string[] = []): WebSocket {
  const url = `wss://127.0.0.1:${server.port}/api/v1/namespaces/default/pods/web/log${query}`;
  return new WebSocket(url, protocols, tls);
}

/** Everything until the server closes. */
async function all(socket: WebSocket): Promise<Seen> {
  const messages: Array<{ text: string; binary: boolean }> = [];
  socket.on('message', (data: Buffer, binary) => messages.push({ text: data.toString(), binary }));
  const [code] = await once(socket, 'close');
  return { messages, protocol: socket.protocol, code };
}

describe('a log over WebSocket', () => {
  it('comes as binary messages after an empty one, and is closed at its end', async () => {
    for (const protocols of [[], ['binary.k8s.io'], ['other', 'binary.k8s.io']]) {
      const seen = await all(dial('?tailLines=2&timestamps=true', protocols));
      expect(seen.messages.map(({ text }) => text)).toEqual(['', 'one\n', 'two \u00e9\n']);
      expect(seen.messages.every(({ binary }) => binary)).toBe(true);
      expect([seen.code, seen.protocol]).toEqual([1000, protocols.length > 0 ? 'binary.k8s.io' : '']);
      expect(asked).toMatchObject({ pod: 'web', container: 'app', tail: 2, timestamps: true });
    }
  });

  it('comes as base64 for clients that cannot receive bytes', async () => {
    const { messages, protocol } = await all(dial('', ['base64.binary.k8s.io']));
    expect(protocol).toBe('base64.binary.k8s.io');
    expect(messages.map(({ text }) => Buffer.from(text, 'base64').toString())).toEqual(['', 'one\n', 'two \u00e9\n']);
    expect(messages.some(({ binary }) => binary)).toBe(false);
  });

  it('is refused as any request when the node has none, or no protocol is known', async () => {
    // biome-ignore lint/correctness/useYield: it refuses
    log = async function* () {
      throw new ApiError('BadRequest', 'container "app" in pod "web" is waiting to start: ContainerCreating');
    };
    const refusal = async (protocols: string[]): Promise<[number | undefined, unknown]> => {
      const socket = dial('', protocols);
      socket.on('error', () => undefined);
      const [, response]: [unknown, IncomingMessage] = (await once(socket, 'unexpected-response')) as never;
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      return [response.statusCode, JSON.parse(Buffer.concat(chunks).toString()).message];
    };
    expect(await refusal([])).toEqual([400, expect.stringContaining('waiting to start: ContainerCreating')]);
    log = silent;
    ended = false;
    expect((await refusal(['v4.channel.k8s.io']))[0]).toBe(403);
    await eventually(() => ended);
  });

  it('opens while the container writes nothing, and ends with its client', async () => {
    log = silent;
    const socket = dial('?follow=true');
    const [first] = (await once(socket, 'message')) as [Buffer];
    expect(first.length).toBe(0);
    expect(ended).toBe(false);
    socket.close();
    await eventually(() => ended);
  });

  it('goes no faster than its client takes it', async () => {
    let given = 0;
    log = async function* () {
      for (; given < 400; given++) yield Buffer.alloc(65_536);
    };
    const socket = dial();
    await once(socket, 'open');
    socket.pause();
    await eventually(() => given > 10);
    let before = -1;
    await eventually(
      () => {
        const rests = given === before;
        before = given;
        return rests;
      },
      { everyMs: 300 },
    );
    expect(given).toBeLessThan(400);
    socket.resume();
    const { messages } = await all(socket);
    expect(messages.reduce((sum, { text }) => sum + text.length, 0)).toBe(400 * 65_536);
  });
});

it('an empty log gets its response headers immediately', async () => {
  log = silent;
  const path = '/api/v1/namespaces/default/pods/web/log?follow=true';
  const asking = request({ host: '127.0.0.1', port: server.port, path, ...tls });
  asking.on('error', () => undefined).end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  asking.destroy();
  await eventually(() => ended);
});
