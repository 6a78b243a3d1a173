import type {
  Container,
  ContainerPort,
  LabelSelector,
  Pod,
  PodAffinityTerm,
  PodSpec,
  TopologySpreadConstraint,
} from '../generated/types.ts';
import { controllerOf } from '../object.ts';
import { podRequests, type Resources } from '../pod.ts';
import { claimNamesOf } from '../pod-references.ts';
import { matchesLabels, type Selector, selectorOf } from '../selector.ts';
import { type HostPort, hostPorts } from './host-ports.ts';

/**
 * An equivalence class of pods: those with equal values in all fields that scheduling reads. A verdict for one pod of a shape holds for
 * all. The pods of one template have one shape.
 */
export interface PodShape {
  /** Holds every field that the shape is made of. */
  readonly key: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: ShapeSpec;
  readonly requests: Resources;
  /** For scores: a pod without requests counts as 100m cpu and 200Mi memory, as in Kubernetes. */
  readonly nonZeroCpuMillis: number;
  readonly nonZeroMemoryBytes: number;
  readonly ports: readonly HostPort[];
  readonly images: readonly string[];
  /** The pods of one group are spread over the nodes: those of one controller, else those of the same labels. */
  readonly spreadGroup: string | undefined;
  readonly affinity: PodTerms;
  readonly antiAffinity: PodTerms;
  readonly spread: readonly SpreadTerm[];
}

/** The fields of a pod's spec that scheduling reads. A plugin that needs another one adds it here, and so to the key. */
export interface ShapeSpec
  extends Pick<
    PodSpec,
    | 'nodeSelector'
    | 'affinity'
    | 'tolerations'
    | 'topologySpreadConstraints'
    | 'overhead'
    | 'hostNetwork'
    | 'priority'
    | 'preemptionPolicy'
  > {
  /** Requests only, as in the containers. */
  readonly resources?: Pick<NonNullable<PodSpec['resources']>, 'requests'>;
  readonly containers: readonly ShapeContainer[];
  readonly initContainers?: readonly ShapeContainer[];
  /** The names of the claims that the pod mounts. */
  readonly claims?: readonly string[] | undefined;
}

interface ShapeContainer extends Pick<Container, 'image' | 'restartPolicy'> {
  readonly resources?: Pick<NonNullable<Container['resources']>, 'requests'>;
  /** Only those that may be ports of the node. */
  readonly ports?: readonly ContainerPort[];
}

/** Affinity or anti-affinity to other pods. */
export interface PodTerms {
  readonly required: readonly PodTerm[];
  readonly preferred: readonly WeightedTerm[];
}

export interface WeightedTerm {
  readonly weight: number;
  readonly term: PodTerm;
}

/** Pods selected by namespace and labels, counted in the domains of a node label. */
export interface PodTerm {
  readonly key: string;
  readonly topologyKey: string;
  /** Names; those that `namespaceSelector` selects are added. */
  readonly namespaces: ReadonlySet<string>;
  readonly namespaceSelector: Selector | undefined;
  readonly selector: Selector;
}

export interface SpreadTerm {
  readonly term: PodTerm;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly hard: boolean;
  /** Whether only nodes count that the pod's node selector and node affinity select. */
  readonly honorAffinity: boolean;
  readonly honorTaints: boolean;
}

const nonZeroCpuMillis = 100;
const nonZeroMemoryBytes = 200 * 1024 * 1024;

/** The key alone, which is computed for every new pod. */
export function shapeKey(pod: Pod): string {
  return JSON.stringify(fieldsOf(pod));
}

export function shapeOf(pod: Pod, key = shapeKey(pod)): PodShape {
  return makeShape(fieldsOf(pod), key);
}

/** All that scheduling reads of a pod. */
interface ShapeFields {
  readonly namespace: string | undefined;
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** The uid of its controller. */
  readonly controller: string | undefined;
  readonly spec: ShapeSpec;
}

function fieldsOf(pod: Pod): ShapeFields {
  const { metadata, spec } = pod;
  const container = ({ resources, image, restartPolicy, ports }: Container): ShapeContainer => ({
    resources: resources?.requests && { requests: resources.requests },
    image,
    restartPolicy,
    ports: spec.hostNetwork ? ports : ports?.filter(({ hostPort }) => hostPort),
  });
  return {
    namespace: metadata.namespace,
    labels: metadata.labels,
    controller: controllerOf(pod)?.uid,
    spec: {
      nodeSelector: spec.nodeSelector,
      affinity: spec.affinity,
      tolerations: spec.tolerations,
      topologySpreadConstraints: spec.topologySpreadConstraints,
      resources: spec.resources?.requests && { requests: spec.resources.requests },
      overhead: spec.overhead,
      hostNetwork: spec.hostNetwork || undefined,
      priority: spec.priority,
      preemptionPolicy: spec.preemptionPolicy,
      containers: spec.containers.map(container),
      initContainers: spec.initContainers?.map(container),
      claims: claimNamesOf(pod),
    },
  };
}

/** Takes the fields and not the pod, so that the key covers all that a shape exposes. */
function makeShape({ namespace = '', labels = {}, controller, spec }: ShapeFields, key: string): PodShape {
  const requests = podRequests(spec);
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
    nonZeroCpuMillis: requests.cpuMillis || nonZeroCpuMillis,
    nonZeroMemoryBytes: requests.memoryBytes || nonZeroMemoryBytes,
    ports: hostPorts(spec),
    images: [...(spec.initContainers ?? []), ...spec.containers].flatMap(({ image }) => (image ? [image] : [])),
    spreadGroup: controller ?? (labelled ? `${namespace}/${JSON.stringify(sorted(labels))}` : undefined),
    affinity: terms(podAffinity),
    antiAffinity: terms(podAntiAffinity),
    spread: (spec.topologySpreadConstraints ?? []).map((one) => compileSpread(one, namespace, labels)),
  };
}

/** Whether the term selects pods of `shape`. */
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

/** The selector with the pod's own values of `match` required and those of `mismatch` excluded. */
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
