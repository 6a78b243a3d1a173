import type { LabelSelector, Pod, PodAffinityTerm, TopologySpreadConstraint } from '../generated/types.ts';
import { controllerOf } from '../object.ts';
import { allContainers, podRequests, type Resources } from '../pod.ts';
import { matchesLabels, type Selector, selectorOf } from '../selector.ts';
import { type HostPort, hostPorts } from './host-ports.ts';

/**
 * What scheduling sees of a pod. Pods of one template have one shape between them, so that what is worked out for
 * one of them holds for all.
 */
export interface PodShape {
  /** Equal for pods that no plugin can tell apart. */
  readonly key: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: Pod['spec'];
  readonly requests: Resources;
  /** For scoring: a pod that asks for nothing still takes something (Kubernetes' 100m and 200 MB). */
  readonly likelyCpuMillis: number;
  readonly likelyMemoryBytes: number;
  readonly ports: readonly HostPort[];
  readonly images: readonly string[];
  /** Pods of one group are spread over the nodes: those of one controller, or else of the same labels. */
  readonly spreadGroup: string | undefined;
  readonly affinity: PodTerms;
  readonly antiAffinity: PodTerms;
  readonly spread: readonly SpreadTerm[];
}

/** Terms on other pods. */
export interface PodTerms {
  readonly required: readonly PodTerm[];
  readonly preferred: readonly WeightedTerm[];
}

export interface WeightedTerm {
  readonly weight: number;
  readonly term: PodTerm;
}

/** Pods by namespace and labels, looked for in the domains of a node label. */
export interface PodTerm {
  readonly key: string;
  readonly topologyKey: string;
  /** Names; a selector over the labels of namespaces adds to them. */
  readonly namespaces: ReadonlySet<string>;
  readonly namespaceSelector: Selector | undefined;
  readonly selector: Selector;
}

export interface SpreadTerm {
  readonly term: PodTerm;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly hard: boolean;
  /** Whether only nodes that the pod's node selector and affinity select are counted. */
  readonly honorAffinity: boolean;
  readonly honorTaints: boolean;
}

const likelyCpuMillis = 100;
const likelyMemoryBytes = 200 * 1024 * 1024;

/** The key alone: cheap, made for every pod that is seen. */
export function shapeKey(pod: Pod): string {
  const { metadata, spec } = pod;
  return JSON.stringify([
    metadata.namespace,
    metadata.labels,
    controllerOf(pod)?.uid,
    spec.nodeSelector,
    spec.affinity,
    spec.tolerations,
    spec.topologySpreadConstraints,
    spec.resources?.requests,
    spec.overhead,
    spec.containers.map((one) => [one.resources?.requests, one.image, one.ports?.filter((port) => port.hostPort)]),
    spec.initContainers?.map((one) => [one.resources?.requests, one.image, one.restartPolicy, one.ports]),
    spec.hostNetwork && spec.containers.map((one) => one.ports),
    spec.priority,
    spec.preemptionPolicy,
  ]);
}

export function shapeOf(pod: Pod, key = shapeKey(pod)): PodShape {
  const { metadata, spec } = pod;
  const namespace = metadata.namespace ?? '';
  const labels = metadata.labels ?? {};
  const requests = podRequests(spec);
  const owner = controllerOf(pod)?.uid;
  const labelled = Object.keys(labels).length > 0;
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  const compile = (term: PodAffinityTerm): PodTerm => compileTerm(term, namespace, labels);
  const terms = (affinity: typeof podAffinity): PodTerms => ({
    required: affinity?.requiredDuringSchedulingIgnoredDuringExecution?.map(compile) ?? [],
    preferred:
      affinity?.preferredDuringSchedulingIgnoredDuringExecution?.map(({ weight, podAffinityTerm }) => ({
        weight,
        term: compile(podAffinityTerm),
      })) ?? [],
  });
  return {
    key,
    namespace,
    labels,
    spec,
    requests,
    likelyCpuMillis: requests.cpuMillis || likelyCpuMillis,
    likelyMemoryBytes: requests.memoryBytes || likelyMemoryBytes,
    ports: hostPorts(spec),
    images: allContainers(spec).flatMap(({ image }) => (image ? [image] : [])),
    spreadGroup: owner ?? (labelled ? `${namespace}/${JSON.stringify(sorted(labels))}` : undefined),
    affinity: terms(podAffinity),
    antiAffinity: terms(podAntiAffinity),
    spread: (spec.topologySpreadConstraints ?? []).map((one) => compileSpread(one, namespace, labels)),
  };
}

/** Whether pods of `shape` are among those that the term speaks of. */
export function termMatches(
  term: PodTerm,
  shape: PodShape,
  namespaceLabels: (name: string) => Readonly<Record<string, string>> | undefined,
): boolean {
  const inNamespace =
    term.namespaces.has(shape.namespace) ||
    (term.namespaceSelector !== undefined && matchesLabels(term.namespaceSelector, namespaceLabels(shape.namespace)));
  return inNamespace && matchesLabels(term.selector, shape.labels);
}

function compileTerm(term: PodAffinityTerm, namespace: string, labels: Readonly<Record<string, string>>): PodTerm {
  const selector = withLabelKeys(term.labelSelector, labels, term.matchLabelKeys, term.mismatchLabelKeys);
  const own = !term.namespaces?.length && !term.namespaceSelector;
  const namespaces = own ? [namespace] : (term.namespaces ?? []);
  const namespaceSelector = term.namespaceSelector && selectorOf(term.namespaceSelector);
  return {
    key: JSON.stringify([namespaces, namespaceSelector, selector, term.topologyKey]),
    topologyKey: term.topologyKey,
    namespaces: new Set(namespaces),
    namespaceSelector,
    selector,
  };
}

function compileSpread(
  one: TopologySpreadConstraint,
  namespace: string,
  labels: Readonly<Record<string, string>>,
): SpreadTerm {
  const selector = withLabelKeys(one.labelSelector, labels, one.matchLabelKeys);
  return {
    term: {
      key: JSON.stringify([[namespace], undefined, selector, one.topologyKey]),
      topologyKey: one.topologyKey,
      namespaces: new Set([namespace]),
      namespaceSelector: undefined,
      selector,
    },
    maxSkew: one.maxSkew,
    minDomains: one.minDomains ?? 1,
    hard: one.whenUnsatisfiable === 'DoNotSchedule',
    honorAffinity: one.nodeAffinityPolicy !== 'Ignore',
    honorTaints: one.nodeTaintsPolicy === 'Honor',
  };
}

/** The selector, narrowed to (or away from) the pod's own values of some labels. */
function withLabelKeys(
  labelSelector: LabelSelector | undefined,
  labels: Readonly<Record<string, string>>,
  match: readonly string[] = [],
  mismatch: readonly string[] = [],
): Selector {
  const selector = selectorOf(labelSelector);
  if (selector.nothing || match.length + mismatch.length === 0) return selector;
  const more = (keys: readonly string[], operator: 'In' | 'NotIn') =>
    keys.flatMap((key) => {
      const value = labels[key];
      return value === undefined ? [] : [{ key, operator, values: [value] }];
    });
  return { requirements: [...selector.requirements, ...more(match, 'In'), ...more(mismatch, 'NotIn')] };
}

function sorted(labels: Readonly<Record<string, string>>): string[][] {
  return Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
