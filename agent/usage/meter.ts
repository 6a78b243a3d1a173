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
  /** The usage of the whole machine. Absent: the sum of its pods. */
  readonly machine?: () => Promise<MachineUsage>;
  /** The containers that run now. */
  readonly running: () => readonly ContainerState[];
  /** Milliseconds between two measurements; absent: 15 s, as in metrics-server. */
  readonly everyMs?: number;
  /** There is a report to take. */
  readonly ready: () => void;
}

const everyMs = 15_000;
/** The first measurement of a process comes soon: only the second gives rates. */
const firstMs = 2_000;

/** Measures regularly what the node and its pods use. Keeps the last measurement and its rates. */
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

  /** The last measurement: counters, for clients that compute rates themselves. */
  get last(): Sample | undefined {
    return this.#last;
  }

  /** The rates of the last measurement. */
  get report(): UsageReport | undefined {
    return this.#report;
  }

  /** Measures when that is due. To be called about once a second. */
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

  /** A new session has begun, whose server has no report: the last one is sent again. */
  resend(): void {
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
