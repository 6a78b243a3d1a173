import { aside } from '../../shared/aside.ts';
import type { Clock } from '../../shared/clock.ts';
import type { EventRecorder } from '../../shared/event-recorder.ts';
import type { Log } from '../../shared/log.ts';
import { eventsThatHelp } from '../../shared/scheduling/checks.ts';
import type { Decider, Decision } from '../../shared/scheduling/decide.ts';
import { unschedulableMessage } from '../../shared/scheduling/explain.ts';
import type { NodeIndex } from '../../shared/scheduling/node-index.ts';
import { type NodeInfo, nominatedNodeName } from '../../shared/scheduling/node-info.ts';
import type { Plugin, Rejections } from '../../shared/scheduling/plugin.ts';
import type { Binder } from './binder.ts';
import type { ClaimBinder } from './claim-binder.ts';
import type { SchedulerMetrics } from './metrics.ts';
import type { Preemptor } from './preemptor.ts';
import type { QueuedPod, SchedulingQueue } from './queue.ts';
import type { StatusWriter } from './status-writer.ts';

/** After this time the other work of the process gets its turn. */
const turnMs = 4;
/** Decisions between two readings of the clock. */
const decisionsPerReading = 16;

export interface SchedulingCycleDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly index: NodeIndex;
  readonly plugins: readonly Plugin[];
  readonly decider: Decider;
  readonly queue: SchedulingQueue;
  readonly binder: Binder;
  readonly claims: ClaimBinder;
  readonly preemptor: Preemptor;
  readonly status: StatusWriter;
  readonly recorder: EventRecorder;
  readonly metrics: SchedulerMetrics | undefined;
}

/** The scheduling cycle: takes one pod after another from the active queue, decides on it and assumes it on its node. */
export class SchedulingCycle {
  readonly #deps: SchedulingCycleDeps;

  constructor(deps: SchedulingCycleDeps) {
    this.#deps = deps;
  }

  /** Decides on all active pods, in turns between which the process does its other work. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, binder } = this.#deps;
    while (!signal.aborted) {
      const started = clock.monotonic();
      let more = true;
      while (more && clock.monotonic() - started < turnMs) {
        for (let i = 0; more && i < decisionsPerReading; i++) more = this.#scheduleOne();
      }
      binder.flush();
      if (!more) return;
      await aside();
    }
  }

  /** Returns whether there may be more to do. */
  #scheduleOne(): boolean {
    const { metrics, clock, index, decider, queue, binder, claims } = this.#deps;
    if (binder.full) return false;
    const queued = queue.pop();
    if (!queued) return false;
    const { info } = queued;
    const started = clock.monotonic();
    const nominated = info.nominated ? info.node : undefined;
    if (nominated) index.forget(info);
    const decision: Decision =
      nominated && decider.fits(info.shape, nominated) ? { node: nominated, score: 0 } : decider.decide(info.shape);
    metrics?.decided(decision.node ? 'scheduled' : 'unschedulable', (clock.monotonic() - started) / 1000);
    if (decision.node) {
      if (claims.holds(queued, decision.node)) return true;
      index.assume(info, decision.node);
      queue.scheduled(queued);
      binder.enqueue({ queued, node: decision.node.name });
    } else {
      this.#unschedulable(queued, decision.rejections, nominated);
    }
    return true;
  }

  /** `nominated`: the node that the pod was nominated to before. */
  #unschedulable(queued: QueuedPod, rejections: Rejections, nominated: NodeInfo | undefined): void {
    const { preemptor, queue, status, recorder, log, plugins } = this.#deps;
    const preemption = preemptor.preempt(queued, rejections, nominated);
    if (preemption.fits) {
      queue.requeue(queued);
      return;
    }
    const message = unschedulableMessage(rejections.map(([, { reasons }]) => reasons)) + preemption.message;
    const repeated = queued.message === message;
    queued.message = message;
    queue.addUnschedulable(queued, eventsThatHelp(plugins, rejections));
    status.unschedulable(queued.pod, message, nominatedNodeName(queued.info));
    recorder.event(queued.pod, 'Warning', 'FailedScheduling', message, { action: 'Scheduling', again: repeated });
    if (!repeated) log.debug({ key: queued.info.key, rev: queued.pod.metadata.resourceVersion }, message);
  }
}
