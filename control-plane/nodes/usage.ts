import type { Clock } from '../../shared/clock.ts';
import type { KnownUsage, UsageReport } from '../../shared/session.ts';

/** Milliseconds after which a report says nothing of the present: some of them were lost. */
const freshMs = 60_000;

/** The newest report of each node that has its session with this server. In memory only: another one comes soon. */
export class NodeUsage {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #newest = new Map<string, KnownUsage & { readonly heard: number }>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  put(node: string, report: UsageReport): void {
    const pods = new Map(report.pods.map((pod) => [pod.uid, pod]));
    this.#newest.set(node, { at: report.at, node: report.node, pods, heard: this.#clock.monotonic() });
  }

  of(node: string): KnownUsage | undefined {
    const found = this.#newest.get(node);
    return found && this.#clock.monotonic() - found.heard <= freshMs ? found : undefined;
  }

  forget(node: string): void {
    this.#newest.delete(node);
  }
}
