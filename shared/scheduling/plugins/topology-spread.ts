import { untolerated } from '../../pod.ts';
import { nodeFilter } from '../node-affinity.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Check, Plugin, Rejection } from '../plugin.ts';
import type { PodShape, SpreadTerm } from '../pod-shape.ts';
import type { Snapshot } from '../snapshot.ts';

const name = 'PodTopologySpread';
const skewed: Rejection = {
  plugin: name,
  reasons: ["node(s) didn't match pod topology spread constraints"],
  resolvable: true,
};
const unlabelled: Rejection = {
  plugin: name,
  reasons: ["node(s) didn't match pod topology spread constraints (missing required label)"],
  resolvable: false,
};

/** Topology spread constraints: the selected pods are spread evenly over the domains of a node label. */
export const topologySpread: Plugin = {
  name,
  scope: 'cluster',
  events: ['NodeChange', 'NamespaceChange', 'AssignedPodAdd', 'AssignedPodTerminating', 'AssignedPodDelete'],
  prepare(shape, snapshot) {
    if (shape.spread.length === 0) return undefined;
    const hard = shape.spread.filter((one) => one.hard);
    const soft = shape.spread.filter((one) => !one.hard);
    return {
      weight: 2,
      ...(hard.length > 0 ? { filter: filterOf(hard, shape, snapshot) } : {}),
      ...(soft.length > 0 ? { scores: (nodes) => scores(soft, nodes, shape, snapshot) } : {}),
    } satisfies Check;
  },
};

function filterOf(
  hard: readonly SpreadTerm[],
  shape: PodShape,
  snapshot: Snapshot,
): (node: NodeInfo) => Rejection | undefined {
  const keys = hard.map(({ term }) => term.topologyKey);
  const constraints = hard.map((one) => {
    const { of, sums, eligible } = domainSums(one, keys, shape, snapshot);
    let least = Number.POSITIVE_INFINITY;
    let domains = 0;
    for (let domain = 0; domain < sums.length; domain++) {
      if (eligible[domain] === 0) continue;
      domains++;
      least = Math.min(least, sums[domain] ?? 0);
    }
    if (domains < one.minDomains || domains === 0) least = 0;
    return { of, sums, least, maxSkew: one.maxSkew, self: snapshot.matches(one.term, shape) ? 1 : 0 };
  });
  return (node) => {
    for (const { of, sums, least, maxSkew, self } of constraints) {
      const domain = of[node.slot] ?? -1;
      if (domain < 0) return unlabelled;
      if ((sums[domain] ?? 0) + self - least > maxSkew) return skewed;
    }
    return undefined;
  };
}

/** Domains with fewer selected pods are better; a constraint with fewer domains has less weight, as in Kubernetes. */
function scores(
  soft: readonly SpreadTerm[],
  nodes: readonly NodeInfo[],
  shape: PodShape,
  snapshot: Snapshot,
): number[] {
  const keys = soft.map(({ term }) => term.topologyKey);
  const raw = new Array<number>(nodes.length).fill(0);
  const labelled = nodes.map((node) => keys.every((key) => node.labels[key] !== undefined));
  for (const one of soft) {
    const { of, sums, eligible } = domainSums(one, keys, shape, snapshot);
    let domains = 0;
    for (const some of eligible) domains += some;
    const weight = Math.log(domains + 2);
    for (const [at, node] of nodes.entries()) {
      if (labelled[at]) raw[at] = (raw[at] ?? 0) + (sums[of[node.slot] ?? 0] ?? 0) * weight + one.maxSkew - 1;
    }
  }
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (const [at, value] of raw.entries()) {
    if (!labelled[at]) continue;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return raw.map((value, at) => (!labelled[at] ? 0 : most === 0 ? 100 : (100 * (most + least - value)) / most));
}

/** The selected pods that are not terminating, by domain, on eligible nodes; `eligible` is 1 for a domain with such a node. */
function domainSums(one: SpreadTerm, keys: readonly string[], shape: PodShape, snapshot: Snapshot) {
  const { of, count } = snapshot.domains(one.term.topologyKey);
  const { perNode } = snapshot.count([one.term], shape, 'staying');
  const sums = new Float64Array(count);
  const eligible = new Uint8Array(count);
  const selects = one.honorAffinity ? nodeFilter(shape.spec) : undefined;
  for (const node of snapshot.slots) {
    if (!node?.node) continue;
    const domain = of[node.slot] ?? -1;
    if (domain < 0 || (keys.length > 1 && !keys.every((key) => node.labels[key] !== undefined))) continue;
    if (selects && !selects(node)) continue;
    if (one.honorTaints && untolerated(node.taints, shape.spec.tolerations)) continue;
    eligible[domain] = 1;
    sums[domain] = (sums[domain] ?? 0) + (perNode[node.slot] ?? 0);
  }
  return { of, sums, eligible };
}
