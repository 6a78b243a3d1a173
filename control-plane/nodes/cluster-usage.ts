import type { Clock } from '../../shared/clock.ts';
import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Informers } from '../../shared/informer.ts';
import type { Log } from '../../shared/log.ts';
import type { NodeReport, PeerAddress, PeerTransport } from '../../shared/peers.ts';
import type { LatestUsage } from '../../shared/session.ts';
import { serverLeaseNamespace, serverOf } from '../liveness/server-lease.ts';
import { boundedUsage } from './usage-check.ts';

/** How long another server has for all that it knows. */
const askMs = 1_500;

export interface ClusterUsageDeps {
  /** What this server has heard itself. */
  readonly own: (nodes: readonly string[]) => Iterable<NodeReport>;
  /** Over Lease. */
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Log;
  readonly self: string;
  /** Absent: there are no other servers. */
  readonly peers?: PeerTransport;
}

/**
 * The newest that any server has heard of each of `nodes` (of all, when none are named): all servers are asked at the same time. One
 * that does not answer costs what only it knows.
 */
export async function clusterUsage(
  deps: ClusterUsageDeps,
  nodes: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, LatestUsage>> {
  const newest = new Map<string, LatestUsage>();
  const add = ({ node, report }: NodeReport): void => {
    if ((newest.get(node)?.at ?? Number.NEGATIVE_INFINITY) >= report.at) return;
    newest.set(node, { ...report, pods: new Map(report.pods.map((pod) => [pod.uid, pod])) });
  };
  for (const one of deps.own(nodes)) add(one);
  const { peers } = deps;
  if (peers) await Promise.all([...others(deps)].map((peer) => ask(deps, peers, peer, nodes, add, signal)));
  return newest;
}

function* others({ informers, self }: ClusterUsageDeps): Generator<PeerAddress> {
  for (const lease of informers.of('Lease').by('namespace', serverLeaseNamespace)) {
    const server = serverOf(lease);
    if (server?.grpc && server.id !== self) yield { id: server.id, address: server.grpc };
  }
}

/** Never rejects. */
async function ask(
  { clock, log }: ClusterUsageDeps,
  peers: PeerTransport,
  peer: PeerAddress,
  nodes: readonly string[],
  add: (report: NodeReport) => void,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const late = clock.timer(askMs, () => stop.abort(new ApiError('Timeout', `no answer within ${askMs} ms`)));
  const either = AbortSignal.any([signal, stop.signal]);
  try {
    for await (const { node, report } of peers.usage(peer, nodes, either)) {
      add({ node, report: boundedUsage(report, clock.now()) });
    }
    stop.signal.throwIfAborted();
  } catch (error) {
    if (!signal.aborted)
      log.warn({ server: peer.id, err: messageOf(error) }, 'a server did not say what its nodes use');
  } finally {
    late.cancel();
  }
}
