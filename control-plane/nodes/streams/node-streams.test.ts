import { beforeEach, describe, expect, it } from 'vitest';
import type { Lease, Node } from '../../../shared/generated/types.ts';
import type { Informers } from '../../../shared/informer.ts';
import { silentLog } from '../../../shared/log.ts';
import type { NodeReport, PeerAddress, PeerTransport } from '../../../shared/peers.ts';
import { seededRandom } from '../../../shared/random.ts';
import type { StreamRequest, UsageReport } from '../../../shared/session.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { connectionPair } from '../../../test/support/node-session.ts';
import { clusterUsage } from '../reports/cluster-usage.ts';
import { NodeStreams } from './node-streams.ts';
import type { Tunnel } from './tunnels.ts';

const request: StreamRequest = { stream: 'portForward', parameters: { namespace: 'd', pod: 'p', uid: 'u', port: 80 } };
const [tunnel] = connectionPair() as [Tunnel, Tunnel, () => void];

let clock: VirtualClock;
let nodes: Map<string, Node>;
let leases: Map<string, Lease>;
/** Whose session this server has. */
let here: Set<string>;
/** The answer of another server: a stream, no session, or an error. */
let answer: Tunnel | undefined | Error;
let asked: Array<PeerAddress & { node: string }>;

beforeEach(() => {
  clock = new VirtualClock();
  nodes = new Map([['n', nodeOf('True')]]);
  leases = new Map();
  here = new Set();
  answer = tunnel;
  asked = [];
});

function nodeOf(ready: string): Node {
  return { metadata: { name: 'n' }, status: { conditions: [{ type: 'Ready', status: ready }] } } as Node;
}

/** The node has a session with that server, whose address is known. */
function heldBy(server: string, address?: string): void {
  leases.set('kube-node-lease/n', { metadata: { annotations: { 'coracle.io/server': server } } } as never);
  if (address) leases.set(`kube-system/apiserver-${server}`, serverLease(server, address));
}

function serverLease(id: string, address: string): Lease {
  const labels = { 'apiserver.kubernetes.io/identity': 'kube-apiserver' };
  const annotations = { 'coracle.io/grpc-address': address };
  return { metadata: { name: `apiserver-${id}`, namespace: 'kube-system', labels, annotations } } as never;
}

const informers = {
  of: (kind: string) => ({
    get: (key: string) => (kind === 'Node' ? nodes.get(key) : leases.get(key)),
    by: () => leases.values(),
  }),
} as unknown as Informers;

const peers: Pick<PeerTransport, 'open'> = {
  async open(peer, node) {
    asked.push({ ...peer, node });
    if (answer instanceof Error) throw answer;
    return answer;
  },
};

/** Opens a stream at this server, called `me`; returns the result and the milliseconds until then. */
async function open(signal = new AbortController().signal): Promise<{ ms: number; got: unknown }> {
  const streams = new NodeStreams({
    sessions: {
      open: (node) => (here.has(node) ? Promise.resolve(tunnel) : undefined),
      serves: (node) => here.has(node),
    },
    informers,
    clock,
    random: seededRandom(1),
    self: 'me',
    peers: peers as PeerTransport,
  });
  const begun = clock.monotonic();
  let done: { ms: number; got: unknown } | undefined;
  const note = (got: unknown): void => {
    done = { ms: clock.monotonic() - begun, got };
  };
  streams.open('n', request, signal).then(note, note);
  await clock.advanceUntil(() => done !== undefined, 20_000, 10);
  return done ?? { ms: Number.NaN, got: 'nothing' };
}

const refused = { reason: 'Unknown', message: 'error dialing backend: node n is not connected' };

describe('a stream of a node', () => {
  it('is opened at once by the server that has its session', async () => {
    here.add('n');
    heldBy('me');
    expect(await open()).toEqual({ ms: expect.closeTo(0, -2), got: tunnel });
    expect(asked).toEqual([]);
    heldBy('other', '192.0.2.7:6444');
    expect((await open()).got).toBe(tunnel);
    expect(asked).toEqual([{ id: 'other', address: '192.0.2.7:6444', node: 'n' }]);
  });

  it('waits for a session that is about to come, here or there', async () => {
    clock.timer(2_000, () => here.add('n'));
    const waited = await open();
    expect(waited.got).toBe(tunnel);
    expect(waited.ms).toBeGreaterThanOrEqual(2_000);
    expect(waited.ms).toBeLessThan(2_500);
    here.clear();
    heldBy('dead', '192.0.2.6:6444');
    answer = undefined;
    clock.timer(1_000, () => {
      heldBy('other', '192.0.2.7:6444');
      answer = tunnel;
    });
    expect((await open()).got).toBe(tunnel);
    expect(asked.at(-1)?.id).toBe('other');
    expect(asked.length).toBeLessThan(30);
  });

  it('is not waited for longer than five seconds, nor than the request lives', async () => {
    expect(await open()).toEqual({ ms: expect.closeTo(5_000, -2), got: expect.objectContaining(refused) });
    const stop = new AbortController();
    clock.timer(1_000, () => stop.abort(new Error('the client has gone')));
    expect(await open(stop.signal)).toEqual({ ms: expect.closeTo(1_000, -2), got: new Error('the client has gone') });
  });

  it('is refused at once when the node is lost or deleted', async () => {
    nodes.set('n', nodeOf('Unknown'));
    expect(await open()).toEqual({ ms: expect.closeTo(0, -2), got: expect.objectContaining(refused) });
    nodes.delete('n');
    const { ms, got } = await open();
    expect(ms).toBeLessThan(100);
    expect(got).toMatchObject({ reason: 'NotFound', message: 'nodes "n" not found' });
  });

  it('is requested once only when a process may have started', async () => {
    heldBy('other', '192.0.2.7:6444');
    answer = new Error('the connection was closed');
    expect((await open()).got).toBe(answer);
    expect(asked).toHaveLength(1);
  });
});

describe('the usage of nodes', () => {
  const report = (at: number): UsageReport => ({
    at,
    node: { cpuNanoCores: 1, memoryBytes: 1, windowMs: 1 },
    pods: [],
  });

  it('is the latest that any server has received; only the nodes of a server that does not answer are missing', async () => {
    leases = new Map(['a', 'b', 'me'].map((id) => [id, serverLease(id, `${id}:1`)]));
    const heard: Record<string, NodeReport[]> = {
      a: [
        { node: 'one', report: report(5) },
        { node: 'two', report: report(1) },
      ],
    };
    let ended = false;
    async function* usage({ id }: PeerAddress, _nodes: readonly string[], signal: AbortSignal) {
      yield* heard[id] ?? [];
      if (id !== 'b') return;
      await clock.sleep(1_000_000, signal).catch(() => undefined);
      ended = true;
    }
    const found = clusterUsage(
      {
        own: () => [{ node: 'two', report: report(2) }],
        informers,
        clock,
        log: silentLog,
        self: 'me',
        peers: { usage } as unknown as PeerTransport,
      },
      [],
      new AbortController().signal,
    );
    await clock.advance(2_000);
    expect([...(await found)].map(([node, { at }]) => [node, at])).toEqual([
      ['two', 2],
      ['one', 5],
    ]);
    expect(ended).toBe(true);
  });
});
