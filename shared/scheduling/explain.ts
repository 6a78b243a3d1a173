import type { Pod } from '../generated/types.ts';
import { prepare } from './checks.ts';
import type { NodeIndex } from './node-index.ts';
import type { NodeInfo } from './node-info.ts';
import type { Check, Plugin } from './plugin.ts';
import type { PodShape } from './pod-shape.ts';

/** Why a pod can or cannot go to each node. */
export interface Explanation {
  readonly nodes: readonly NodeExplanation[];
  /** As in the pod's condition PodScheduled; absent when it fits on a node. */
  readonly message?: string;
}

export interface NodeExplanation {
  readonly node: string;
  readonly fits: boolean;
  /** Of all plugins that reject the node, not only of the first. */
  readonly reasons: readonly { readonly plugin: string; readonly reason: string }[];
  /** The same with the node's labels, taints and amounts, where a plugin gives them; each text once. */
  readonly details: readonly string[];
  /** Requests and free amounts: cpu in thousandths, memory in bytes, others in whole units. */
  readonly resources: readonly ResourceExplanation[];
  /** Weighted, by plugin. */
  readonly scores: Readonly<Record<string, number>>;
  readonly total: number;
}

export interface ResourceExplanation {
  readonly resource: string;
  readonly requested: number;
  readonly free: number;
  readonly allocatable: number;
}

/** Runs every plugin on every node. */
export function explain(pod: Pod, index: NodeIndex, plugins: readonly Plugin[]): Explanation {
  return index.withShape(pod, (shape) => {
    const nodes = index.slots.filter((node): node is NodeInfo => node?.node !== undefined);
    const checks = plugins.map((plugin) => ({ plugin, check: prepareOne(plugin, shape, index) }));
    const explained = nodes.sort((a, b) => (a.name < b.name ? -1 : 1)).map((node) => explainNode(node, shape, checks));
    const fitting = explained.flatMap((one, at) => (one.fits ? [{ at, node: nodes[at] as NodeInfo }] : []));
    const compared = new Map<number, Record<string, number>>(fitting.map(({ at }) => [at, {}]));
    for (const { plugin, check } of checks) {
      const scores = check?.scores?.(fitting.map(({ node }) => node));
      for (const [i, { at }] of fitting.entries()) {
        const into = compared.get(at);
        if (scores && into) into[plugin.name] = (check?.weight ?? 1) * (scores[i] ?? 0);
      }
    }
    const result = explained.map((one, at) => {
      const scores = { ...one.scores, ...compared.get(at) };
      return { ...one, scores, total: Object.values(scores).reduce((sum, score) => sum + score, 0) };
    });
    const message = unschedulableMessage(result.map(({ reasons }) => firstPlugin(reasons)));
    return result.some((one) => one.fits) ? { nodes: result } : { nodes: result, message };
  });
}

/** Kubernetes' message: `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had …`. One list of reasons for each node. */
export function unschedulableMessage(reasonsOfNodes: readonly (readonly string[])[]): string {
  if (reasonsOfNodes.length === 0) return 'no nodes available to schedule pods';
  const counts = new Map<string, number>();
  for (const reasons of reasonsOfNodes) for (const one of reasons) counts.set(one, (counts.get(one) ?? 0) + 1);
  const parts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${reasonsOfNodes.length} nodes are available: ${parts.join(', ')}.`;
}

function firstPlugin(reasons: NodeExplanation['reasons']): string[] {
  return reasons.filter(({ plugin }) => plugin === reasons[0]?.plugin).map(({ reason }) => reason);
}

function prepareOne(plugin: Plugin, shape: PodShape, index: NodeIndex): Check | undefined {
  return prepare([plugin], plugin.scope, shape, index)[0];
}

function explainNode(
  node: NodeInfo,
  shape: PodShape,
  checks: readonly { plugin: Plugin; check: Check | undefined }[],
): Omit<NodeExplanation, 'total'> {
  const reasons: { plugin: string; reason: string }[] = [];
  const details = new Set<string>();
  const scores: Record<string, number> = {};
  for (const { plugin, check } of checks) {
    const rejection = check?.filter?.(node);
    if (rejection) {
      for (const reason of rejection.reasons) reasons.push({ plugin: plugin.name, reason });
      for (const detail of check?.details?.(node) ?? rejection.reasons) details.add(detail);
    }
    if (check?.score) scores[plugin.name] = (check.weight ?? 1) * check.score(node);
  }
  const fits = reasons.length === 0;
  return {
    node: node.name,
    fits,
    reasons,
    details: [...details],
    resources: resourcesOf(shape, node),
    scores: fits ? scores : {},
  };
}

function resourcesOf(
  { requests }: PodShape,
  { allocatable, used, allocatablePods, pods }: NodeInfo,
): ResourceExplanation[] {
  const of = (resource: string, requested: number, has: number, taken: number): ResourceExplanation => ({
    resource,
    requested,
    free: has - taken,
    allocatable: has,
  });
  const ephemeral = of('ephemeral-storage', requests.ephemeralBytes, allocatable.ephemeralBytes, used.ephemeralBytes);
  return [
    of('cpu', requests.cpuMillis, allocatable.cpuMillis, used.cpuMillis),
    of('memory', requests.memoryBytes, allocatable.memoryBytes, used.memoryBytes),
    ...(requests.ephemeralBytes > 0 ? [ephemeral] : []),
    of('pods', 1, allocatablePods, pods.size),
    ...[...requests.other].map(([name, requested]) =>
      of(name, requested, allocatable.other.get(name) ?? 0, used.other.get(name) ?? 0),
    ),
  ];
}
