import { backoffMs } from '../../shared/backoff.ts';
import { type Clock, pause } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { Random } from '../../shared/random.ts';
import type { ObservedPod } from '../pod/model.ts';
import type { ContainerState, Runtime, RuntimeEvent, SandboxState } from '../runtime/runtime.ts';

/** What the runtime has, by the pod's uid. */
export type RuntimePods = ReadonlyMap<string, ObservedPod>;

export interface PlegDeps {
  readonly runtime: Pick<Runtime, 'events' | 'list' | 'prepare'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface PlegHandlers {
  /** Called before a list is requested. Takes the list; resolves when it is applied. */
  relisting(): (pods: RuntimePods) => Promise<void>;
  event(event: RuntimeEvent): void;
  /** The runtime sends events, and has been listed. */
  up(): void;
  /** The runtime does not answer. */
  down(): void;
}

/** Milliseconds. */
const relistEveryMs = 45_000;
/** After the stream of events has begun, in case something happened meanwhile. */
const relistAfterConnectMs = 1_000;
const relistSoonMs = 500;
const reconnect = { firstMs: 200, capMs: 5_000 };

/**
 * Generates the events in the life of pods (the kubelet's PLEG): follows the runtime's events, lists everything now and then because
 * events can be lost, and connects again with a backoff when the runtime does not answer.
 */
export class Pleg {
  readonly #deps: PlegDeps;
  readonly #handlers: PlegHandlers;
  readonly #log: Log;
  #relistAt = 0;
  #relisting = false;

  constructor(deps: PlegDeps, handlers: PlegHandlers) {
    this.#deps = deps;
    this.#handlers = handlers;
    this.#log = deps.log.child({ component: 'pleg' });
  }

  /** Follows the runtime until aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await this.#follow(signal, () => {
          attempt = 0;
        });
      } catch (error) {
        if (signal.aborted) return;
        this.#handlers.down();
        this.#log.warn({ err: messageOf(error) }, 'the container engine does not answer');
      }
      await pause(clock, backoffMs(attempt, reconnect, random), signal);
    }
  }

  /** Asks for a list soon: what is known of the runtime may be wrong. */
  relistSoon(): void {
    this.#relistAt = Math.min(this.#relistAt, this.#deps.clock.monotonic() + relistSoonMs);
  }

  /** Lists what the runtime has when that is due; to be called regularly while the runtime is up. */
  async relistIfDue(signal: AbortSignal): Promise<void> {
    if (this.#relisting || this.#deps.clock.monotonic() < this.#relistAt) return;
    this.#relisting = true;
    this.#relistAt = this.#deps.clock.monotonic() + relistEveryMs;
    try {
      await this.#relist(signal);
    } catch (error) {
      if (!signal.aborted) this.#log.warn({ err: messageOf(error) }, 'the containers could not be listed');
    } finally {
      this.#relisting = false;
    }
  }

  async #follow(signal: AbortSignal, connected: () => void): Promise<void> {
    const ended = new AbortController();
    const events = this.#deps.runtime.events(AbortSignal.any([signal, ended.signal]))[Symbol.asyncIterator]();
    try {
      // The stream before the list: what happens meanwhile is in one of the two.
      let next = events.next();
      next.catch(() => undefined);
      await this.#relist(signal);
      this.#handlers.up();
      connected();
      void this.#prepare(signal);
      this.#relistAt = this.#deps.clock.monotonic() + relistAfterConnectMs;
      for (;;) {
        const { done, value } = await next;
        if (done) throw new Error('the stream of events has ended');
        this.#handlers.event(value);
        next = events.next();
      }
    } finally {
      ended.abort();
    }
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const apply = this.#handlers.relisting();
    const { sandboxes, containers } = await this.#deps.runtime.list(signal);
    await apply(byPod(sandboxes, containers));
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.runtime.prepare(signal);
    } catch (error) {
      // The first sandbox fails for the same reason, with an event of its pod.
      if (!signal.aborted) this.#log.warn({ err: messageOf(error) }, 'the engine could not be prepared for pods');
    }
  }
}

function byPod(sandboxes: ObservedPod['sandboxes'], containers: ObservedPod['containers']): RuntimePods {
  const pods = new Map<string, { sandboxes: SandboxState[]; containers: ContainerState[] }>();
  const podOf = (uid: string) => {
    const pod = pods.get(uid) ?? { sandboxes: [], containers: [] };
    pods.set(uid, pod);
    return pod;
  };
  for (const sandbox of sandboxes) podOf(sandbox.pod.uid).sandboxes.push(sandbox);
  for (const container of containers) podOf(container.pod.uid).containers.push(container);
  return pods;
}
