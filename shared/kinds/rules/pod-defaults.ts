import type { Container, Pod, PodSpec, Probe, Toleration } from '../../generated/types.ts';
import { defaultClaimSpec } from './claim-spec.ts';

/** Defaults that depend on other fields; the simple ones are options in `proto/`. All change the draft. */

/** The default toleration of a node that is not ready or unreachable, in seconds. */
const defaultTolerationSeconds = 5;
const notReady = 'node.kubernetes.io/not-ready';
const unreachable = 'node.kubernetes.io/unreachable';

/** For pods and templates. */
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

/** For pods only. */
export function defaultPod({ spec }: Pod): void {
  defaultPodSpec(spec);
  spec.enableServiceLinks ??= true;
  for (const container of containersOf(spec)) {
    const { resources } = container;
    if (resources?.limits) resources.requests = { ...resources.limits, ...resources.requests };
    if (spec.hostNetwork) for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
  }
}

/** Kubernetes' DefaultTolerationSeconds: pods without such tolerations get the default ones. */
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

/** Zero counts as absent there: Kubernetes' Go fields do not distinguish them. */
function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
}

/** Whether an image's tag is `latest`, or it has neither tag nor digest. */
function isLatest(image: string): boolean {
  if (image.includes('@')) return false;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag === undefined || tag === 'latest';
}
