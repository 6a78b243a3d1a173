import type { NodeInfo } from './node-info.ts';
import type { Check, Plugin, Rejection, Snapshot } from './plugin.ts';
import type { PodShape } from './pod-shape.ts';

/** The checks that plugins of one scope make for pods of a shape. */
export function prepare(
  plugins: readonly Plugin[],
  scope: Plugin['scope'],
  shape: PodShape,
  snapshot: Snapshot,
): readonly Check[] {
  let checks: Check[] | undefined;
  for (const plugin of plugins) {
    if (plugin.scope !== scope) continue;
    const check = plugin.prepare(shape, snapshot);
    if (!check) continue;
    checks ??= [];
    checks.push(check);
  }
  return checks ?? none;
}

const none: readonly Check[] = [];

export function firstRejection(checks: readonly Check[], node: NodeInfo): Rejection | undefined {
  for (const check of checks) {
    const rejection = check.filter?.(node);
    if (rejection) return rejection;
  }
  return undefined;
}

export function sumScores(checks: readonly Check[], node: NodeInfo): number {
  let sum = 0;
  for (const check of checks) if (check.score) sum += (check.weight ?? 1) * check.score(node);
  return sum;
}

/** Adds to `totals` what checks that compare nodes say of them. */
export function addScores(totals: number[], checks: readonly Check[], nodes: readonly NodeInfo[]): void {
  for (const check of checks) {
    const scores = check.scores?.(nodes);
    if (!scores) continue;
    for (let at = 0; at < totals.length; at++) totals[at] = (totals[at] ?? 0) + (check.weight ?? 1) * (scores[at] ?? 0);
  }
}
