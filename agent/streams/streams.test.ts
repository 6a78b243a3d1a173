import { expect, test } from 'vitest';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import type { Connection, StreamRequest, TunnelFrame } from '../../shared/session.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { eventually } from '../../test/support/eventually.ts';
import { connectionPair } from '../../test/support/node-session.ts';
import { plainContainer, plainSandbox } from '../../test/support/runtime-specs.ts';
import { FakeEngine } from '../runtime/fake/engine.ts';
import { FakeRuntime } from '../runtime/fake/fake.ts';
import { Streams } from './streams.ts';

type Tunnel = Connection<TunnelFrame, TunnelFrame>;

const pod = { namespace: 'default', name: 'web', uid: 'u' };
const wanted = { namespace: 'default', pod: 'web', uid: 'u', container: 'app' };
const all = { stdin: true, stdout: true, stderr: true, tty: false };

async function setUp() {
  const clock = new VirtualClock();
  const engine = new FakeEngine({ clock, random: seededRandom(1) }, { images: 'all' });
  const runtime = new FakeRuntime(engine);
  const sandbox = await runtime.createSandbox({ ...plainSandbox, pod, hostname: 'web' });
  const id = await runtime.createContainer(sandbox.id, { ...plainContainer, pod, image: 'web' });
  await runtime.startContainer(id);
  const container = await runtime.inspectContainer(id);
  const tunnels = new Map<string, Tunnel>();
  const streams = new Streams({
    transport: {
      connect: () => ({ ...connectionPair<never, never>()[0], heartbeats: () => connectionPair<never, never>()[0] }),
      tunnel(name) {
        const [agent, server] = connectionPair<TunnelFrame, TunnelFrame>();
        tunnels.set(name, server);
        return agent;
      },
    },
    runtime,
    clock,
    log: silentLog,
    pods: {
      hasPod: (uid) => uid === 'u',
      statusOf: (uid) => (uid === 'u' ? { podIP: '10.64.1.2', podIPs: [{ ip: '10.64.1.2' }] } : undefined),
      runningContainer: ({ container: name }) => (name === 'app' ? container : undefined),
      sandboxOf: (uid) => (uid === 'u' ? sandbox.id : undefined),
    },
    kubelet: () => Promise.reject(new Error('no kubelet')),
  });
  const stop = new AbortController();
  let count = 0;
  const open = (request: StreamRequest): { name: string; tunnel: Tunnel } => {
    const name = `t${count++}`;
    streams.open(name, request, stop.signal);
    const tunnel = tunnels.get(name);
    if (!tunnel) throw new Error('no tunnel was dialled');
    return { name, tunnel };
  };
  return { clock, streams, stop, open };
}

/** All frames until the last, which is a Status. */
async function framesOf(tunnel: Tunnel): Promise<{ stdout: string; status: unknown }> {
  let stdout = '';
  for await (const { channel, data } of tunnel.incoming) {
    const text = Buffer.from(data).toString();
    if (channel === 1) stdout += text;
    if (channel === 3) return { stdout, status: JSON.parse(text) };
  }
  return { stdout, status: undefined };
}

test('a command’s frames end with its Status; what came before it was opened was not lost', async () => {
  const { open } = await setUp();
  const { tunnel } = open({ stream: 'exec', parameters: { ...wanted, ...all, command: ['cat'] } });
  await tunnel.send({ channel: 0, data: Buffer.from('early'), end: true });
  expect(await framesOf(tunnel)).toMatchObject({ stdout: 'early', status: { kind: 'Status', status: 'Success' } });
  const failing = open({ stream: 'exec', parameters: { ...wanted, ...all, command: ['fake.exit=3'] } });
  expect((await framesOf(failing.tunnel)).status).toMatchObject({
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: '3' }] },
  });
});

test.each([
  ['another pod', { uid: 'x' }, 'pod does not exist'],
  ['no such running container', { container: 'x' }, 'container not found ("x")'],
])('%s is reported in the last frame', async (_what, other, message) => {
  const { open } = await setUp();
  const { tunnel } = open({ stream: 'attach', parameters: { ...wanted, ...all, ...other } });
  expect((await framesOf(tunnel)).status).toMatchObject({ status: 'Failure', reason: 'NotFound', message });
});

test.each(['the request is closed', 'its tunnel ends', 'the session ends', 'nothing travels for four hours'])(
  'a command ends when %s',
  async (how) => {
    const { clock, streams, stop, open } = await setUp();
    const { name, tunnel } = open({ stream: 'exec', parameters: { ...wanted, ...all, command: ['sleep', '9'] } });
    const frames = framesOf(tunnel);
    await clock.advance(3 * 3_600_000);
    await tunnel.send({ channel: 0, data: Buffer.from('x'), end: false });
    await clock.advance(2 * 3_600_000);
    if (how === 'the request is closed') streams.close(name);
    else if (how === 'its tunnel ends') tunnel.close();
    else if (how === 'the session ends') stop.abort();
    else await clock.advance(2 * 3_600_000);
    expect(await frames).toMatchObject({ stdout: '' });
    await eventually(() => streams.size === 0);
  },
);

test('a node serves so many streams and no more', async () => {
  const { open } = await setUp();
  const hang: StreamRequest = { stream: 'exec', parameters: { ...wanted, ...all, command: ['sleep', '9'] } };
  for (let i = 0; i < 1_000; i++) open(hang);
  expect((await framesOf(open(hang).tunnel)).status).toMatchObject({ reason: 'TooManyRequests' });
});

test('a node connects to a pod at the pod’s own address, and at no other', async () => {
  const { open } = await setUp();
  const to = (address: string) =>
    open({ stream: 'portForward', parameters: { namespace: 'default', pod: 'web', uid: 'u', port: 80, address } })
      .tunnel;
  for (const address of ['169.254.169.254', '127.0.0.1', '192.168.0.1', '10.64.1.3', '10.64.1.2\n']) {
    expect((await framesOf(to(address))).status).toMatchObject({
      message: expect.stringContaining('not an address of pod web'),
    });
  }
  const own = (await framesOf(to('10.64.1.2'))).status as { message?: string };
  expect(own.message ?? '').not.toContain('not an address');
});
