import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { UsageReport } from '../../shared/session.ts';
import type { ContainerState, ContainerStats, Runtime } from '../runtime/runtime.ts';
import { type MachineUsage, type Measured, reportOf, type Sample } from './report.ts';

export interface MeterDeps {
  readonly runtime: Pick<Runtime, 'stats'>;
  readonly clock: Clock;
  readonly log: Log;
  /** What the machine uses as a whole. Absent: what its pods do. */
  readonly machine?: () => Promise<MachineUsage>;
  /** The containers that run now. */
  readonly running: () => readonly ContainerState[];
  /** Milliseconds between two looks; absent: 15 s, as in metrics-server. */
  readonly everyMs?: number;
  /** There is something to take. */
  readonly ready: () => void;
}

const everyMs = 15_000;
/** The first look of a process comes soon, so that the second, which gives the first rates, does not come late. */
const firstMs = 2_000;

/** Measures what the node and its pods use, now and then, and has the newest at hand. Remembers one look. */
export class UsageMeter {
  readonly #deps: MeterDeps;
  readonly #log: Log;
  #dueAt: number | undefined;
  #measuring = false;
  #last: Sample | undefined;
  #report: UsageReport | undefined;
  #unsent = false;

  constructor(deps: MeterDeps) {
    this.#deps = deps;
    this.#log = deps.log.child({ component: 'usage' });
  }

  /** What was last read, for those who keep counters themselves. */
  get last(): Sample | undefined {
    return this.#last;
  }

  /** The rates of the last look. */
  get report(): UsageReport | undefined {
    return this.#report;
  }

  /** Called about once a second. */
  tick(): void {
    const now = this.#deps.clock.monotonic();
    this.#dueAt ??= now + Math.min(firstMs, this.#deps.everyMs ?? firstMs);
    if (now < this.#dueAt || this.#measuring) return;
    this.#dueAt = now + (this.#deps.everyMs ?? everyMs);
    void this.#measure();
  }

  /** The newest report, once. */
  take(): UsageReport | undefined {
    if (!this.#unsent) return undefined;
    this.#unsent = false;
    return this.#report;
  }

  /** Somebody else listens now, who knows nothing of what was told before. */
  again(): void {
    this.#unsent = this.#report !== undefined;
  }

  async #measure(): Promise<void> {
    this.#measuring = true;
    const { clock, machine, ready } = this.#deps;
    try {
      const sample: Sample = {
        at: clock.now(),
        monotonic: clock.monotonic(),
        containers: await this.#containers(),
        machine: await machine?.(),
      };
      this.#report = reportOf(sample, this.#last);
      this.#last = sample;
      this.#unsent = this.#report !== undefined;
      if (this.#unsent) ready();
    } catch (error) {
      this.#log.debug({ err: messageOf(error) }, 'usage not measured');
    } finally {
      this.#measuring = false;
    }
  }

  async #containers(): Promise<Map<string, Measured>> {
    const states = new Map(this.#deps.running().map((state) => [state.id, state]));
    const stats: ReadonlyMap<string, ContainerStats> =
      states.size > 0 ? await this.#deps.runtime.stats([...states.keys()]) : new Map();
    const measured = new Map<string, Measured>();
    for (const [id, state] of states) measured.set(id, { state, stats: stats.get(id) });
    return measured;
  }
}
