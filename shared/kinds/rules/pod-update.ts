import { isDeepStrictEqual } from 'node:util';
import type { Container, Pod, PodSpec, StatusCause, Toleration } from '../../generated/types.ts';
import { forbidden, invalid } from '../../schema/causes.ts';
import { validateImage } from './container-validation.ts';

const allowed =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
  '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),' +
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** A pod's spec is fixed but for a few fields (Kubernetes, "Pod update and replacement"). */
export function validatePodUpdate(pod: Pod, old: Pod, causes: StatusCause[]): void {
  const [spec, before] = [pod.spec, old.spec];
  if (!sameNames(spec.containers, before.containers)) {
    causes.push(forbidden('spec.containers', 'pod updates may not add or remove containers'));
    return;
  }
  if (!sameNames(spec.initContainers, before.initContainers)) {
    causes.push(forbidden('spec.initContainers', 'pod updates may not add or remove containers'));
    return;
  }
  for (const [index, { image }] of (spec.containers ?? []).entries())
    validateImage(image, `spec.containers[${index}]`, causes);
  validateDeadline(spec.activeDeadlineSeconds, before.activeDeadlineSeconds, causes);
  validateAddedTolerations(spec.tolerations, before.tolerations, causes);
  validateGates(spec, before, causes);
  const changed = changedFields(withoutMutable(spec, before), before);
  if (changed.length > 0) {
    const list = changed.map((name) => `spec.${name}`).join(', ');
    causes.push(forbidden('spec', `${allowed}\nchanged: ${list}`));
  }
}

/** The new spec with all mutable fields reset to the old ones. */
function withoutMutable(spec: PodSpec, before: PodSpec): PodSpec {
  const imagesOf = (containers: Container[] | undefined, old: Container[] | undefined) =>
    containers?.map((container, index) => ({ ...container, image: old?.[index]?.image }));
  const lapsed =
    (before.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1
      ? before.terminationGracePeriodSeconds
      : spec.terminationGracePeriodSeconds;
  // A gated pod has not been scheduled: its node affinity may become stricter.
  const gated = (before.schedulingGates?.length ?? 0) > 0;
  return {
    ...spec,
    containers: imagesOf(spec.containers, before.containers) ?? [],
    initContainers: imagesOf(spec.initContainers, before.initContainers),
    activeDeadlineSeconds: before.activeDeadlineSeconds,
    tolerations: before.tolerations,
    terminationGracePeriodSeconds: lapsed,
    schedulingGates: before.schedulingGates,
    ...(gated ? { nodeSelector: before.nodeSelector, affinity: before.affinity } : {}),
  };
}

function changedFields(spec: PodSpec, before: PodSpec): string[] {
  const names = new Set([...Object.keys(spec), ...Object.keys(before)]) as Set<keyof PodSpec>;
  return [...names].filter((name) => !isDeepStrictEqual(plain(spec[name]), plain(before[name]))).sort();
}

/** Without fields that are there but undefined. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function sameNames(containers: readonly Container[] = [], before: readonly Container[] = []): boolean {
  return containers.length === before.length && containers.every(({ name }, index) => name === before[index]?.name);
}

function validateDeadline(deadline: number | undefined, before: number | undefined, causes: StatusCause[]): void {
  const field = 'spec.activeDeadlineSeconds';
  if (before === undefined || deadline === before) return;
  if (deadline === undefined) causes.push(invalid(field, null, 'must not update from a positive integer to nil value'));
  else if (deadline > before) causes.push(invalid(field, deadline, `must be less than or equal to previous value`));
}

/** Tolerations cannot be removed; only their tolerationSeconds may change. */
function validateAddedTolerations(
  tolerations: readonly Toleration[] = [],
  before: readonly Toleration[] = [],
  causes: StatusCause[],
): void {
  const bare = ({ key, operator, value, effect }: Toleration) => JSON.stringify([key, operator, value, effect]);
  const present = new Set(tolerations.map(bare));
  if (before.every((old) => present.has(bare(old)))) return;
  causes.push(forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'));
}

function validateGates(spec: PodSpec, before: PodSpec, causes: StatusCause[]): void {
  const had = new Set((before.schedulingGates ?? []).map(({ name }) => name));
  const added = (spec.schedulingGates ?? []).filter(({ name }) => !had.has(name)).map(({ name }) => name);
  if (added.length > 0) {
    const fault = `only deletion is allowed, but found new scheduling gates '${added.join(', ')}'`;
    causes.push(forbidden('spec.schedulingGates', fault));
  }
}
