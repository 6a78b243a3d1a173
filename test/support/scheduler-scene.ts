import type { SchedulerMetrics } from '../../control-plane/scheduler/metrics.ts';
import { createScheduler, type Scheduler, type SchedulerOptions } from '../../control-plane/scheduler/scheduler.ts';
import type { Binding, BindResult, Client, Patch } from '../../shared/client.ts';
import type { Clock } from '../../shared/clock.ts';
import type { EventAction, EventRecorder } from '../../shared/event-recorder.ts';
import type { Kind, KindMap } from '../../shared/generated/types.ts';
import type { Change, Informers, ObjectStore } from '../../shared/informer.ts';
import { silentLog } from '../../shared/log.ts';
import { type KubeObject, keyOf } from '../../shared/object.ts';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';

type Shown = KubeObject;

/** A scheduler without an API server: a test shows it objects, answers its bindings and reads what it writes. */
export class SchedulerScene {
  readonly clock = new VirtualClock();
  readonly bound: string[] = [];
  readonly deleted: string[] = [];
  readonly patches: { name: string; status: Record<string, unknown> }[] = [];
  /** Writes of other kinds than pods. */
  readonly writes: { kind: Kind; name: string; body: unknown }[] = [];
  readonly events: { name: string; reason: string; message: string; action: EventAction | undefined }[] = [];
  /** Answers the bindings while it is set. */
  answer: ((bindings: readonly Binding[]) => Promise<BindResult[]>) | undefined;
  /** The revision that the informers show. */
  revision = 1;
  decisions = 0;
  /** How long each decision takes by the scheduler's clock. */
  decisionMs = 0;
  readonly scheduler: Scheduler;
  readonly #objects = new Map<string, Map<string, Shown>>();
  readonly #stop = new AbortController();
  #changed: (changes: readonly Change[]) => void = () => undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: SchedulerOptions = {}) {
    const client = {
      bind: (bindings: readonly Binding[]) => this.#bind(bindings),
      patch: async (kind: Kind, name: string, { body }: Patch) => {
        if (kind !== 'Pod') this.writes.push({ kind, name, body });
        else this.patches.push({ name, status: (body as { status: Record<string, unknown> }).status });
      },
      delete: async (_: Kind, name: string) => void this.deleted.push(name),
    } as unknown as Client;
    const recorder = {
      event: (object: KubeObject, _: string, reason: string, message: string, action?: EventAction) =>
        void this.events.push({ name: object.metadata.name, reason, message, action }),
    } as unknown as EventRecorder;
    const metrics: SchedulerMetrics = {
      decided: () => void this.decisions++,
      bound: () => undefined,
      conflict: () => undefined,
    };
    const informers: Informers = {
      of: <K extends Kind>(kind: K) => this.#of(kind) as unknown as ObjectStore<KindMap[K]>,
      revision: 0,
      onChange: (handler) => {
        this.#changed = handler;
      },
      synced: async () => undefined,
      run: async () => undefined,
    };
    Object.defineProperty(informers, 'revision', { get: () => this.revision });
    const clock: Clock = {
      now: () => this.clock.now(),
      monotonic: () => this.clock.monotonic() + this.decisions * this.decisionMs,
      sleep: (ms, signal) => this.clock.sleep(ms, signal),
      timer: (ms, run) => this.clock.timer(ms, run),
    };
    const deps = { client, clock, random: seededRandom(1), log: silentLog, informers, recorder, metrics };
    this.scheduler = createScheduler(deps, options);
  }

  /** Runs the scheduler; rejects with what ends it. */
  run(): Promise<void> {
    this.#running = this.scheduler.run(this.#stop.signal);
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.clock.advance(20_000);
    await this.#running;
  }

  /** Puts objects where the informers hold them, without a change. */
  put(...objects: readonly Shown[]): Change[] {
    return objects.map((after) => {
      const kind = after.kind as Kind;
      const key = keyOf(after);
      const before = this.#of(kind).get(key);
      this.#of(kind).set(key, after);
      return { kind, key, ...(before ? { before } : {}), after } as unknown as Change;
    });
  }

  /** One batch of the informers. A node comes with its guard. */
  async show(...objects: readonly Shown[]): Promise<void> {
    const guards = objects.filter(({ kind }) => kind === 'Node').map(({ metadata: { name } }) => guardOf(name));
    this.#changed(this.put(...objects, ...guards));
    await this.clock.advance(0);
  }

  /** The object is no longer there. */
  async remove(kind: Kind, key: string): Promise<void> {
    const before = this.#of(kind).get(key);
    this.#of(kind).delete(key);
    this.#changed([{ kind, key, before } as unknown as Change]);
    await this.clock.advance(0);
  }

  #of(kind: string): Map<string, Shown> {
    const known = this.#objects.get(kind) ?? new Map<string, Shown>();
    this.#objects.set(kind, known);
    return known;
  }

  async #bind(bindings: readonly Binding[]): Promise<BindResult[]> {
    this.bound.push(...bindings.map(({ name }) => name));
    if (this.answer) return this.answer(bindings);
    return bindings.map(({ guardVersion }) => ({ ok: true, guardVersion }) as BindResult);
  }
}

const guardOf = (name: string): Shown =>
  ({
    apiVersion: 'coracle.dev/v1',
    kind: 'NodeGuard',
    metadata: { name, uid: `guard-${name}`, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  }) as unknown as Shown;
