import type { NodeInfo } from '../node-info.ts';
import type { Check, Plugin, Rejection } from '../plugin.ts';
import type { PodShape, PodTerm } from '../pod-shape.ts';
import type { ExistingTerm, Snapshot } from '../snapshot.ts';

const name = 'InterPodAffinity';
const reject = (reason: string): Rejection => ({ plugin: name, reasons: [reason], resolvable: true });
const noAffinity: Rejection = { ...reject("node(s) didn't match pod affinity rules"), resolvable: false };
const antiAffinity = reject("node(s) didn't match pod anti-affinity rules");
const existingAntiAffinity = reject("node(s) didn't satisfy existing pods anti-affinity rules");

/** Affinity and anti-affinity to pods in the same topology domain, and the terms of existing pods that select the new pod. */
export const interPodAffinity: Plugin = {
  name,
  scope: 'cluster',
  events: ['NodeChange', 'NamespaceChange', 'AssignedPodAdd', 'AssignedPodDelete'],
  prepare(shape, snapshot) {
    const { affinity, antiAffinity: anti } = shape;
    const existing = snapshot.existingTerms(shape);
    const own = affinity.required.length + affinity.preferred.length + anti.required.length + anti.preferred.length;
    if (own + existing.length === 0) return undefined;
    const filter = filterOf(shape, snapshot, existing);
    return { weight: 2, filter, ...scorerOf(shape, snapshot, existing) } satisfies Check;
  },
};

/** The number of pods in the node's domain that match a term; -1 for a node without the label. */
type InDomain = (node: NodeInfo) => number;

function filterOf(
  shape: PodShape,
  snapshot: Snapshot,
  existing: readonly ExistingTerm[],
): (node: NodeInfo) => Rejection | undefined {
  const { required } = shape.affinity;
  const near = required.length > 0 ? snapshot.count(required, shape) : undefined;
  const nearTerms = near ? required.map((term) => inDomain(snapshot, term, near.perNode)) : [];
  // The first pod of a group with affinity to itself may go anywhere.
  const first = near?.total === 0 && required.every((term) => snapshot.matches(term, shape));
  const away = shape.antiAffinity.required.map((term) =>
    inDomain(snapshot, term, snapshot.count([term], shape).perNode),
  );
  const rejecting = existing.flatMap(({ term, weight, perNode }) =>
    weight === 'required' ? [inDomain(snapshot, term, perNode)] : [],
  );
  return (node) => {
    for (const term of nearTerms) {
      const pods = term(node);
      if (pods < 0 || (pods === 0 && !first)) return noAffinity;
    }
    for (const term of away) if (term(node) > 0) return antiAffinity;
    for (const term of rejecting) if (term(node) > 0) return existingAntiAffinity;
    return undefined;
  };
}

function scorerOf(shape: PodShape, snapshot: Snapshot, existing: readonly ExistingTerm[]): Pick<Check, 'scores'> {
  const parts: { weight: number; pods: InDomain }[] = [];
  const add = (term: PodTerm, weight: number): void => {
    parts.push({ weight, pods: inDomain(snapshot, term, snapshot.count([term], shape).perNode) });
  };
  for (const { term, weight } of shape.affinity.preferred) add(term, weight);
  for (const { term, weight } of shape.antiAffinity.preferred) add(term, -weight);
  for (const { term, weight, perNode } of existing) {
    if (weight !== 'required') parts.push({ weight, pods: inDomain(snapshot, term, perNode) });
  }
  if (parts.length === 0) return {};
  return {
    scores(nodes) {
      const raw = nodes.map((node) =>
        parts.reduce((sum, { weight, pods }) => sum + weight * Math.max(0, pods(node)), 0),
      );
      return normalized(raw);
    },
  };
}

function inDomain(snapshot: Snapshot, term: PodTerm, perNode: Int32Array): InDomain {
  const { of, count } = snapshot.domains(term.topologyKey);
  const sums = new Float64Array(count);
  for (const node of snapshot.slots) {
    const domain = node ? (of[node.slot] ?? -1) : -1;
    if (node && domain >= 0) sums[domain] = (sums[domain] ?? 0) + (perNode[node.slot] ?? 0);
  }
  return (node) => {
    const domain = of[node.slot] ?? -1;
    return domain < 0 ? -1 : (sums[domain] ?? 0);
  };
}

/** Scaled to 0 … 100, from the lowest to the highest. */
function normalized(raw: readonly number[]): number[] {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const value of raw) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return raw.map((value) => (most > least ? (100 * (value - least)) / (most - least) : 0));
}
