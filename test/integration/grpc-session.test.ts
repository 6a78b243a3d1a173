import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import type { ConfigMap, Event, Node, PodStatus } from '../../shared/generated/types.ts';
import { createRpcChannel, type RpcChannel } from '../../shared/rpc/channel.ts';
import { grpcSessionTransport } from '../../shared/rpc/session-client.ts';
import type { Connection, FromNode, SessionServer, ToNode, TunnelFrame } from '../../shared/session.ts';
import { eventually } from '../support/eventually.ts';
import { startTestGrpc, type TestGrpc } from '../support/grpc-server.ts';

/** Keeps what it is given, and lets the test decide when a connection has been served. */
class RecordingServer implements SessionServer {
  readonly sessions: Array<{ connection: Connection<FromNode, ToNode>; user: string; done: () => void }> = [];
  readonly tunnels: Array<{ id: string; connection: Connection<TunnelFrame, TunnelFrame>; done: () => void }> = [];

  serve(connection: Connection<FromNode, ToNode>, { user }: { user: string }): Promise<void> {
    return new Promise((resolve) => this.sessions.push({ connection, user, done: resolve }));
  }

  tunnel(id: string, connection: Connection<TunnelFrame, TunnelFrame>): Promise<void> {
    return new Promise((resolve) => this.tunnels.push({ id, connection, done: resolve }));
  }
}

const sessions = new RecordingServer();
let grpc: TestGrpc;
let channel: RpcChannel;

beforeAll(async () => {
  grpc = await startTestGrpc({ sessions });
  const tls = await grpc.tls({ user: 'system:node:n1', groups: ['system:nodes'] });
  channel = createRpcChannel({ address: grpc.address, tls }, { clock: systemClock, schema: grpc.schema });
});
afterAll(async () => {
  channel.close();
  await grpc.stop();
});

const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels: { 'a/b': 'ü' } } } as unknown as Node;
const status = { phase: 'Running', podIP: '10.64.0.2' } as PodStatus;
const event = { apiVersion: 'v1', kind: 'Event', metadata: { name: 'e' }, reason: 'Started' } as unknown as Event;

const fromNode: FromNode[] = [
  { type: 'register', nodeName: 'n1', node, instance: 'i-1' },
  {
    type: 'podStatus',
    sequence: 7,
    updates: [
      { namespace: 'default', name: 'a', uid: 'u-a', status, terminated: false },
      { namespace: 'default', name: 'b', uid: 'u-b', terminated: true },
    ],
  },
  { type: 'podStatus', sequence: 8, updates: [] },
  { type: 'nodeStatus', status: { capacity: { cpu: '4' } } },
  { type: 'event', event },
];

const ranges = { clusterCIDR: '10.64.0.0/14', servers: ['192.168.0.1', '192.168.0.2'] };
const toNode: ToNode[] = [
  {
    type: 'registered',
    sessionId: 's-1',
    heartbeatMs: 1000,
    leaseMs: 5000,
    podCIDR: '10.64.3.0/24',
    ...ranges,
    heartbeats: { port: 6445 },
  },
  {
    ...{
      type: 'registered',
      sessionId: 's-2',
      heartbeatMs: 1000,
      leaseMs: 5000,
      podCIDR: '',
      clusterCIDR: '',
      servers: [],
    },
    heartbeats: { host: '192.0.2.9', port: 6445 },
    kubernetes: { host: '10.68.0.1', port: 443 },
  },
  {
    type: 'assignments',
    mode: 'COMPLETE',
    appliesTo: 0,
    resultsIn: 1,
    changes: [
      {
        kind: 'Pod',
        namespace: 'default',
        name: 'a',
        removed: false,
        object: { ...node, kind: 'Pod', apiVersion: 'v1' },
      },
      {
        kind: 'Peer',
        namespace: '',
        name: 'n2',
        removed: false,
        object: { name: 'n2', address: '10.0.0.2', podCIDR: '10.64.4.0/24' },
      },
      { kind: 'Secret', namespace: 'default', name: 'gone', removed: true },
    ],
  },
  { type: 'assignments', mode: 'INCREMENTAL', appliesTo: 1, resultsIn: 2, changes: [] },
  { type: 'statusAck', sequence: 7 },
  {
    type: 'openStream',
    id: 't-1',
    stream: 'logs',
    parameters: {
      namespace: 'default',
      pod: 'a',
      uid: 'u-a',
      container: 'c',
      follow: true,
      previous: false,
      timestamps: false,
      since: 1_700_000_000_000,
      tail: 0,
    },
  },
  {
    type: 'openStream',
    id: 't-2',
    stream: 'exec',
    parameters: {
      namespace: 'default',
      pod: 'a',
      uid: 'u-a',
      container: 'c',
      command: ['sh', '-c', 'ü'],
      stdin: true,
      stdout: true,
      stderr: false,
      tty: true,
    },
  },
  {
    type: 'openStream',
    id: 't-3',
    stream: 'portForward',
    parameters: { namespace: 'default', pod: 'a', uid: 'u-a', port: 80 },
  },
  { type: 'closeStream', id: 't-2' },
];

describe('a session', () => {
  test('carries every message both ways unchanged, in order', async () => {
    const stop = new AbortController();
    const agent = grpcSessionTransport(channel).connect(stop.signal);
    for (const message of fromNode) await agent.send(message);
    const served = await eventually(() => sessions.sessions.at(-1));
    expect(served.user).toBe('system:node:n1');
    expect(await take(served.connection.incoming, fromNode.length)).toEqual(fromNode);
    for (const message of toNode) await served.connection.send(message);
    expect(await take(agent.incoming, toNode.length)).toEqual(toNode);
    served.done();
    stop.abort();
  });

  test('carries assignments that are larger than any message may be', async () => {
    const stop = new AbortController();
    const agent = grpcSessionTransport(channel).connect(stop.signal);
    const count = sessions.sessions.length;
    await agent.send({ type: 'podStatus', sequence: 1, updates: [] });
    const served = await eventually(() => sessions.sessions[count]);
    const data = { text: 'x'.repeat(1024 * 1024) };
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data } as unknown as ConfigMap;
    const changes = Array.from({ length: 70 }, (_, i) => ({
      kind: 'ConfigMap' as const,
      namespace: 'default',
      name: `c-${i}`,
      removed: false,
      object,
    }));
    const large = { type: 'assignments', mode: 'COMPLETE', appliesTo: 0, resultsIn: 1, changes } as const;
    const sent = Promise.all([
      served.connection.send(large),
      served.connection.send({ type: 'statusAck', sequence: 1 }),
    ]);
    const received = await take(agent.incoming, 2);
    await sent;
    expect(received.map(({ type }) => type).sort()).toEqual(['assignments', 'statusAck']);
    expect(received.find(({ type }) => type === 'assignments')).toEqual(large);
    served.done();
    stop.abort();
  });

  test('ends for the agent when the server is done with it, and for the server when the agent closes its end', async () => {
    const stop = new AbortController();
    const agent = grpcSessionTransport(channel).connect(stop.signal);
    const count = sessions.sessions.length;
    await agent.send({ type: 'podStatus', sequence: 1, updates: [] });
    const served = await eventually(() => sessions.sessions[count]);
    agent.close();
    expect(await take(served.connection.incoming, 10)).toHaveLength(1);
    served.done();
    expect(await take(agent.incoming, 10)).toEqual([]);
  });

  test('ends when the agent sends more than 1 MiB at a time, or JSON that is no object', async () => {
    const wrong: FromNode[] = [
      { type: 'nodeStatus', status: { images: [{ names: ['x'.repeat(2 ** 20)] }] } },
      { type: 'nodeStatus', status: null as never },
      { type: 'event', event: [] as never },
    ];
    for (const message of wrong) {
      const stop = new AbortController();
      const agent = grpcSessionTransport(channel).connect(stop.signal);
      const count = sessions.sessions.length;
      await agent.send({ type: 'podStatus', sequence: 1, updates: [] });
      const served = await eventually(() => sessions.sessions[count]);
      await agent.send(message);
      await expect(take(served.connection.incoming, 10)).rejects.toThrow();
      served.done();
      stop.abort();
    }
  });

  test('breaks for the server when the agent vanishes, and for the agent when the server does', async () => {
    const stop = new AbortController();
    const agent = grpcSessionTransport(channel).connect(stop.signal);
    const count = sessions.sessions.length;
    await agent.send({ type: 'podStatus', sequence: 1, updates: [] });
    const served = await eventually(() => sessions.sessions[count]);
    stop.abort();
    await expect(take(served.connection.incoming, 10)).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    await expect(served.connection.send({ type: 'statusAck', sequence: 1 })).rejects.toThrow();
    served.done();

    const other = await startTestGrpc({ sessions });
    const tls = await other.tls({ user: 'system:node:n1', groups: ['system:nodes'] });
    const own = createRpcChannel({ address: other.address, tls }, { clock: systemClock, schema: grpc.schema });
    const orphan = grpcSessionTransport(own).connect(new AbortController().signal);
    await orphan.send({ type: 'podStatus', sequence: 1, updates: [] });
    await eventually(() => sessions.sessions[count + 1]);
    await other.server.close(0);
    await expect(take(orphan.incoming, 10)).rejects.toMatchObject({ name: 'ApiError' });
    own.close();
    await other.stop();
  });

  test('is refused to users other than nodes, an administrator included', async () => {
    const transport = grpcSessionTransport(grpc.remote.channel);
    await expect(take(transport.connect(AbortSignal.timeout(5000)).incoming, 1)).rejects.toMatchObject({
      reason: 'Forbidden',
    });
    await expect(take(transport.tunnel('t', AbortSignal.timeout(5000)).incoming, 1)).rejects.toMatchObject({
      reason: 'Forbidden',
    });
  });

  test('a sender is held back while the other side does not read', async () => {
    const stop = new AbortController();
    const agent = grpcSessionTransport(channel).tunnel('slow', stop.signal);
    const served = await eventually(() => sessions.tunnels.find(({ id }) => id === 'slow'));
    const frame = { data: Buffer.alloc(64 * 1024), channel: 1, end: false };
    let sent = 0;
    const sending = (async () => {
      while (sent < 400) {
        await agent.send(frame);
        sent++;
      }
      agent.close();
    })();
    // 400 frames are 25 MiB: far more than any buffer on the way holds.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(sent).toBeLessThan(200);
    let received = 0;
    for await (const { data } of served.connection.incoming) received += data.length;
    await sending;
    expect(received).toBe(400 * 64 * 1024);
    served.done();
  });
});

test('a tunnel is identified by the requested id, and carries frames both ways', async () => {
  const stop = new AbortController();
  const agent = grpcSessionTransport(channel).tunnel('t-42', stop.signal);
  const served = await eventually(() => sessions.tunnels.find(({ id }) => id === 't-42'));
  await agent.send({ data: Buffer.from('hello'), channel: 1, end: false });
  await agent.send({ data: Buffer.alloc(0), channel: 1, end: true });
  const frames = await take(served.connection.incoming, 2);
  expect(frames.map(({ data, channel: on, end }) => [Buffer.from(data).toString(), on, end])).toEqual([
    ['hello', 1, false],
    ['', 1, true],
  ]);
  await served.connection.send({ data: Buffer.from('in'), channel: 0, end: false });
  const [back] = await take(agent.incoming, 1);
  expect(Buffer.from(back?.data ?? []).toString()).toBe('in');
  served.done();
  agent.close();
});

test('what was sent before an orderly end arrives, although the sender leaves at once', async () => {
  const stop = new AbortController();
  const agent = grpcSessionTransport(channel).tunnel('hasty', stop.signal);
  await agent.send({ data: Buffer.from('all of it'), channel: 1, end: true });
  agent.close();
  stop.abort();
  const served = await eventually(() => sessions.tunnels.find(({ id }) => id === 'hasty'));
  const frames = await take(served.connection.incoming, 2);
  expect(frames.map(({ data }) => Buffer.from(data).toString())).toEqual(['all of it']);
  served.done();
});

/** The first `count` messages; fewer when it ends before. Leaves the rest to be read by the next. */
async function take<T>(source: AsyncIterable<T>, count: number): Promise<T[]> {
  const iterator = source[Symbol.asyncIterator]();
  const taken: T[] = [];
  while (taken.length < count) {
    const next = await iterator.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}
