import type { Client } from '../../shared/client.ts';
import type { Clock } from '../../shared/clock.ts';
import { isApiError, messageOf } from '../../shared/errors.ts';
import type { EventRecorder } from '../../shared/event-recorder.ts';
import type { Kind } from '../../shared/generated/types.ts';
import type { Change, Informers } from '../../shared/informer.ts';
import type { Log } from '../../shared/log.ts';
import { WorkQueue } from '../../shared/queue.ts';
import type { Random } from '../../shared/random.ts';
import type { QueueMetrics } from './queue-metrics.ts';

/** What every controller is made with. */
export interface ControllerDeps {
  readonly client: Client;
  readonly informers: Informers;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Absent: nothing is told of the queues. */
  readonly metrics?: QueueMetrics;
}

/**
 * Level-based: `reconcile` looks at the state as it is now and does what is missing, whatever happened before. It may be called
 * at any time for any key, and is never called twice at once for one key.
 */
export interface Controller {
  readonly name: string;
  /** The kinds it decides on. */
  readonly kinds: readonly Kind[];
  /** How many keys are worked on at the same time. */
  readonly workers: number;
  /** The keys that a change concerns. */
  keysOf(change: Change): Iterable<string>;
  /** Resolves with the milliseconds after which to look again, if time alone can change something. Throws to be called again. */
  reconcile(key: string, signal: AbortSignal): Promise<number | undefined>;
}

/** Runs a controller until aborted. The informers must be run by someone. */
export async function runController(controller: Controller, deps: ControllerDeps, signal: AbortSignal): Promise<void> {
  const { informers, clock, metrics } = deps;
  const { name } = controller;
  const log = deps.log.child({ component: controller.name });
  const queue = new WorkQueue(deps);
  metrics?.queue(name, () => queue.depth);
  const kinds = new Set(controller.kinds);
  informers.onChange((changes) => {
    for (const change of changes) {
      if (!kinds.has(change.kind)) continue;
      for (const key of controller.keysOf(change)) {
        queue.add(key);
        metrics?.added(name);
      }
    }
  });
  const close = (): void => queue.close();
  signal.addEventListener('abort', close, { once: true });
  if (signal.aborted) queue.close();

  const work = async (): Promise<void> => {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      const started = clock.monotonic();
      try {
        const again = await controller.reconcile(key, signal);
        if (again !== undefined) queue.addAfter(key, Math.max(0, again));
        queue.done(key);
        log.debug({ key, rev: informers.revision, ms: Math.round(clock.monotonic() - started) }, 'reconciled');
      } catch (error) {
        if (signal.aborted) return;
        // Someone else was faster: the informers are about to tell.
        const level = isApiError(error, 'Conflict', 'NotFound', 'AlreadyExists') ? 'debug' : 'warn';
        log[level]({ key, err: messageOf(error) }, 'reconcile failed, will be tried again');
        queue.retry(key);
        metrics?.retried(name);
      }
      metrics?.worked(name, (clock.monotonic() - started) / 1000);
    }
  };
  await Promise.all(Array.from({ length: controller.workers }, work));
}
