import type { Clock } from '../../../shared/clock.ts';
import type { NodeReport } from '../../../shared/peers.ts';
import type { UsageReport } from '../../../shared/session.ts';

/** How long a report is used, in milliseconds: later reports were lost. */
const maxAgeMs = 60_000;

/** The latest usage report of each node that has its session with this server, in memory only. */
export class NodeUsage {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #latest = new Map<string, { readonly report: UsageReport; readonly receivedAt: number }>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  put(node: string, report: UsageReport): void {
    this.#latest.set(node, { report, receivedAt: this.#clock.monotonic() });
  }

  /** The reports of `nodes`; of all, when none are named. */
  *of(nodes: readonly string[]): Generator<NodeReport> {
    for (const node of nodes.length > 0 ? nodes : this.#latest.keys()) {
      const found = this.#latest.get(node);
      if (found && this.#clock.monotonic() - found.receivedAt <= maxAgeMs) yield { node, report: found.report };
    }
  }

  delete(node: string): void {
    this.#latest.delete(node);
  }
}
