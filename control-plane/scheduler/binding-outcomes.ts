import type { Clock } from '../../shared/clock.ts';
import type { EventRecorder } from '../../shared/event-recorder.ts';
import type { Log } from '../../shared/log.ts';
import type { NodeIndex } from '../../shared/scheduling/node-index.ts';
import type { PodInfo } from '../../shared/scheduling/node-info.ts';
import type { ClusterEvent } from '../../shared/scheduling/plugin.ts';
import type { BinderEvents, Placement } from './binder.ts';
import type { SchedulerMetrics } from './metrics.ts';
import type { SchedulingQueue } from './queue.ts';
import type { StatusWriter } from './status-writer.ts';

const podAdded: ReadonlySet<ClusterEvent> = new Set(['AssignedPodAdd']);
const podDeleted: ReadonlySet<ClusterEvent> = new Set(['AssignedPodDelete']);

export interface BindingOutcomesDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly index: NodeIndex;
  readonly queue: SchedulingQueue;
  readonly status: StatusWriter;
  readonly recorder: EventRecorder;
  readonly metrics: SchedulerMetrics | undefined;
}

/** What follows from the results of bindings, in the queue and in the index. */
export class BindingOutcomes implements Omit<BinderEvents, 'settled'> {
  readonly #deps: BindingOutcomesDeps;

  constructor(deps: BindingOutcomesDeps) {
    this.#deps = deps;
  }

  bound({ queued, node }: Placement): void {
    const { clock, queue, status, recorder, metrics } = this.#deps;
    const { info, pod } = queued;
    // Another pod of this name may be queued by now.
    if (queue.get(info.key) === queued) {
      queue.remove(info.key);
      status.cancel(info.key);
    }
    // The informers report no change of a pod that is assumed on this node already.
    queue.onEvents(podAdded);
    metrics?.bound((clock.monotonic() - queued.since) / 1000);
    recorder.event(pod, 'Normal', 'Scheduled', `Successfully assigned ${info.key} to ${node}`, { action: 'Binding' });
  }

  failed({ queued }: Placement, reason: string, message: string): void {
    const { log, queue, metrics } = this.#deps;
    const { info, pod } = queued;
    if (reason === 'Conflict') metrics?.conflict();
    log.debug({ key: info.key, rev: pod.metadata.resourceVersion, reason, err: message }, 'not bound');
    this.forget(info);
    queue.addBackoff(queued);
  }

  stale({ queued }: Placement): void {
    this.forget(queued.info);
    this.#deps.queue.requeue(queued);
  }

  /** Takes back that the pod is assumed on a node, which makes room for others. */
  forget(info: PodInfo): void {
    if (!info.assumed) return;
    this.#deps.index.forget(info);
    this.#deps.queue.onEvents(podDeleted);
  }
}
