import type { Container, Pod, PodSpec, Probe, Toleration } from '../../generated/types.ts';
import { defaultClaimSpec } from './claim-spec.ts';

/** Defaults that depend on other fields; the simple ones are options in `proto/`. All change the draft. */

/** How long a pod stays on a node that is not ready or not reachable, unless it says otherwise. */
const defaultTolerationSeconds = 5;
const notReady = 'node.kubernetes.io/not-ready';
const unreachable = 'node.kubernetes.io/unreachable';

/** For pods and for templates alike. */
export function defaultPodSpec(spec: PodSpec): void {
  for (const container of containersOf(spec)) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultPullPolicy(container);
  for (const volume of spec.volumes ?? []) {
    if (Object.keys(volume).length === 1) volume.emptyDir = {};
    const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
    if (claim) defaultClaimSpec(claim);
  }
  if (spec.serviceAccountName || spec.serviceAccount) {
    spec.serviceAccountName ||= spec.serviceAccount;
    spec.serviceAccount = spec.serviceAccountName;
  }
}

/** For pods only: a template keeps what its author wrote. */
export function defaultPod({ spec }: Pod): void {
  defaultPodSpec(spec);
  spec.enableServiceLinks ??= true;
  for (const container of containersOf(spec)) {
    const { resources } = container;
    if (resources?.limits) resources.requests = { ...resources.limits, ...resources.requests };
    if (spec.hostNetwork) for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
  }
}

/** Kubernetes' DefaultTolerationSeconds: every pod bears a lost node for a while, a pod that says so bears it longer. */
export function addDefaultTolerations(spec: PodSpec): void {
  const tolerations = spec.tolerations ?? [];
  for (const key of [notReady, unreachable]) {
    if (!tolerations.some((toleration) => coversKey(toleration, key))) {
      tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: defaultTolerationSeconds });
    }
  }
  spec.tolerations = tolerations;
}

function coversKey(toleration: Toleration, key: string): boolean {
  return (!toleration.key || toleration.key === key) && (!toleration.effect || toleration.effect === 'NoExecute');
}

function containersOf(spec: PodSpec): Container[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
}

function defaultContainer(container: Container): void {
  defaultPullPolicy(container);
  const { livenessProbe, readinessProbe, startupProbe } = container;
  for (const probe of [livenessProbe, readinessProbe, startupProbe]) if (probe) defaultProbe(probe);
}

function defaultPullPolicy(container: Pick<Container, 'image' | 'imagePullPolicy'>): void {
  container.imagePullPolicy ||= isLatest(container.image ?? '') ? 'Always' : 'IfNotPresent';
}

/** Zero is not told apart from absent there: Kubernetes' fields can't hold both. */
function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
}

/** Whether an image's name means "whatever is newest": tag `latest`, or neither tag nor digest. */
function isLatest(image: string): boolean {
  if (image.includes('@')) return false;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag === undefined || tag === 'latest';
}
