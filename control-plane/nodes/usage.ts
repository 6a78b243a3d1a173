import type { Clock } from '../../shared/clock.ts';
import type { NodeReport } from '../../shared/peers.ts';
import type { UsageReport } from '../../shared/session.ts';

/** Milliseconds after which a report says nothing of the present: some of them were lost. */
const freshMs = 60_000;

/** The newest report of each node that has its session with this server. In memory only: another one comes soon. */
export class NodeUsage {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #newest = new Map<string, { readonly report: UsageReport; readonly heard: number }>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  put(node: string, report: UsageReport): void {
    this.#newest.set(node, { report, heard: this.#clock.monotonic() });
  }

  /** Of all nodes, when none are named. */
  *of(nodes: readonly string[]): Generator<NodeReport> {
    for (const node of nodes.length > 0 ? nodes : this.#newest.keys()) {
      const found = this.#newest.get(node);
      if (found && this.#clock.monotonic() - found.heard <= freshMs) yield { node, report: found.report };
    }
  }

  forget(node: string): void {
    this.#newest.delete(node);
  }
}
