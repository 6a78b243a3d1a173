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
  /** Absent: the queues are not measured. */
  readonly metrics?: QueueMetrics;
}

/**
 * Level-based: `reconcile` reads the present state and does what is missing, whatever happened before. It may be called
 * at any time for any key, and never twice at once for one key.
 */
export interface Controller {
  readonly name: string;
  /** The kinds whose changes are passed to `keysOf`. */
  readonly kinds: readonly Kind[];
  /** How many keys are reconciled at the same time. */
  readonly workers: number;
  /** The keys that a change affects. */
  keysOf(change: Change): Iterable<string>;
  /** Resolves with the milliseconds after which the key is queued again, undefined for never. Throws to be retried with a backoff. */
  reconcile(key: string, signal: AbortSignal): Promise<number | undefined>;
}

/** Runs a controller until aborted. The caller runs the informers. */
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
        const requeueAfterMs = await controller.reconcile(key, signal);
        if (requeueAfterMs !== undefined) queue.addAfter(key, Math.max(0, requeueAfterMs));
        queue.done(key);
        log.debug({ key, rev: informers.revision, ms: Math.round(clock.monotonic() - started) }, 'reconciled');
      } catch (error) {
        if (signal.aborted) return;
        // Another client wrote first: the informers are about to show it.
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
