import type { NodeInfo } from './node-info.ts';
import type { Check, ClusterEvent, Plugin, Rejection, Rejections } from './plugin.ts';
import type { PodShape } from './pod-shape.ts';
import type { Snapshot } from './snapshot.ts';

/** The checks that the plugins of one scope make for pods of a shape. */
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

/** Adds to `totals` the scores of the checks that compare nodes with each other. */
export function addScores(totals: number[], checks: readonly Check[], nodes: readonly NodeInfo[]): void {
  for (const check of checks) {
    const scores = check.scores?.(nodes);
    if (!scores) continue;
    for (let at = 0; at < totals.length; at++) totals[at] = (totals[at] ?? 0) + (check.weight ?? 1) * (scores[at] ?? 0);
  }
}

/** The events after which a pod with these rejections may fit: those that the plugins that rejected it declare, and a new node. */
export function eventsThatHelp(plugins: readonly Plugin[], rejections: Rejections): ReadonlySet<ClusterEvent> {
  const rejecting = new Set<string>();
  for (const [, { plugin }] of rejections) rejecting.add(plugin);
  const events = new Set<ClusterEvent>(['NodeChange']);
  for (const { name, events: declared } of plugins) {
    if (rejecting.has(name)) for (const event of declared) events.add(event);
  }
  return events;
}
