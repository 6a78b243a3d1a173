import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { LevelLimits, LevelName } from './levels.ts';

/** The present figures of a priority level. */
export interface LevelFigures extends LevelLimits {
  readonly name: LevelName;
  /** Seats that are taken; requests that are carried out, and that wait. */
  taken: number;
  running: number;
  waiting: number;
  /** How many were admitted since the start. */
  dispatched: number;
}

/** Metrics of priority and fairness, under Kubernetes' names. Figures that change with every request are read at a scrape. */
export class GateMetrics {
  readonly #rejected: Counter<'priority_level' | 'reason'>;
  readonly #waited: Histogram<'priority_level'>;

  constructor(registry: Registry, levels: readonly LevelFigures[]) {
    const registers = [registry];
    const labelNames = ['priority_level'] as const;
    const gauge = (name: string, help: string, of: (level: LevelFigures) => number): void => {
      new Gauge({
        name,
        help,
        registers,
        labelNames,
        collect() {
          for (const level of levels) this.set({ priority_level: level.name }, of(level));
        },
      });
    };
    const p = 'apiserver_flowcontrol_';
    gauge(`${p}nominal_limit_seats`, 'Seats of a level.', ({ seats }) => seats);
    gauge(`${p}current_executing_seats`, 'Seats that are taken.', ({ taken }) => taken);
    gauge(`${p}current_executing_requests`, 'Requests that are carried out.', ({ running }) => running);
    gauge(`${p}current_inqueue_requests`, 'Requests that wait for a seat.', ({ waiting }) => waiting);
    const seen = new Map<string, number>();
    new Counter({
      name: `${p}dispatched_requests_total`,
      help: 'Requests that were let in.',
      registers,
      labelNames,
      collect() {
        for (const { name, dispatched } of levels) {
          this.inc({ priority_level: name }, dispatched - (seen.get(name) ?? 0));
          seen.set(name, dispatched);
        }
      },
    });
    this.#rejected = new Counter({
      name: `${p}rejected_requests_total`,
      help: 'Requests that were refused, for a full queue or a wait too long.',
      labelNames: ['priority_level', 'reason'],
      registers,
    });
    this.#waited = new Histogram({
      name: `${p}request_wait_duration_seconds`,
      help: 'How long requests waited that did not find a seat at once.',
      labelNames,
      buckets: [0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15],
      registers,
    });
  }

  rejected(level: LevelName, reason: 'queue-full' | 'time-out'): void {
    this.#rejected.inc({ priority_level: level, reason });
  }

  /** `ms`: milliseconds. */
  waited(level: LevelName, ms: number): void {
    this.#waited.observe({ priority_level: level }, ms / 1000);
  }
}
