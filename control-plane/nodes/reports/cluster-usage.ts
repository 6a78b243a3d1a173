import type { Clock } from '../../../shared/clock.ts';
import { ApiError, messageOf } from '../../../shared/errors.ts';
import type { Informers } from '../../../shared/informer.ts';
import type { Log } from '../../../shared/log.ts';
import type { NodeReport, PeerAddress, PeerTransport } from '../../../shared/peers.ts';
import type { LatestUsage } from '../../../shared/session.ts';
import { serverLeaseNamespace, serverOf } from '../../liveness/server-lease.ts';
import { boundedUsage } from './usage-check.ts';

/** How long another server may take to answer, in milliseconds. */
const answerMs = 1_500;

export interface ClusterUsageDeps {
  /** The reports that this server has received. */
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
 * The latest report of each of `nodes` (of all, when none are named) that any server has received. All servers are asked at the same
 * time. The reports of one that does not answer are missing.
 */
export async function clusterUsage(
  deps: ClusterUsageDeps,
  nodes: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, LatestUsage>> {
  const latest = new Map<string, LatestUsage>();
  const add = ({ node, report }: NodeReport): void => {
    if ((latest.get(node)?.at ?? Number.NEGATIVE_INFINITY) >= report.at) return;
    latest.set(node, { ...report, pods: new Map(report.pods.map((pod) => [pod.uid, pod])) });
  };
  for (const report of deps.own(nodes)) add(report);
  const { peers } = deps;
  if (peers) await Promise.all([...others(deps)].map((peer) => addReportsOf(peer, peers)));
  return latest;

  /** Never rejects. */
  async function addReportsOf(peer: PeerAddress, transport: PeerTransport): Promise<void> {
    const { clock, log } = deps;
    const stop = new AbortController();
    const deadline = clock.timer(answerMs, () =>
      stop.abort(new ApiError('Timeout', `no answer within ${answerMs} ms`)),
    );
    try {
      for await (const { node, report } of transport.usage(peer, nodes, AbortSignal.any([signal, stop.signal]))) {
        add({ node, report: boundedUsage(report, clock.now()) });
      }
      stop.signal.throwIfAborted();
    } catch (error) {
      if (!signal.aborted) log.warn({ server: peer.id, err: messageOf(error) }, 'no usage from another server');
    } finally {
      deadline.cancel();
    }
  }
}

function* others({ informers, self }: ClusterUsageDeps): Generator<PeerAddress> {
  for (const lease of informers.of('Lease').by('namespace', serverLeaseNamespace)) {
    const server = serverOf(lease);
    if (server?.grpc && server.id !== self) yield { id: server.id, address: server.grpc };
  }
}
