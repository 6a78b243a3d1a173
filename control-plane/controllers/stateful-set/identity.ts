import type { Pod, StatefulSet } from '../../../shared/generated/types.ts';
import type { KubeObject } from '../../../shared/object.ts';

/** The label with the name of the revision that a pod was created from. */
export const revisionLabel = 'controller-revision-hash';

/** The revision that a pod was created from; undefined for an adopted pod without the label. */
export function revisionOf({ metadata }: Pod): string | undefined {
  return metadata.labels?.[revisionLabel];
}

/** The name of the pod of an ordinal. */
export function podName({ metadata }: StatefulSet, ordinal: number): string {
  return `${metadata.name}-${ordinal}`;
}

/** The ordinal in a pod's name; undefined when the name is not one of the set's. */
export function ordinalOf({ metadata }: StatefulSet, pod: KubeObject): number | undefined {
  const prefix = `${metadata.name}-`;
  if (!pod.metadata.name.startsWith(prefix)) return undefined;
  const digits = pod.metadata.name.slice(prefix.length);
  return /^(0|[1-9]\d{0,9})$/.test(digits) ? Number(digits) : undefined;
}

/** The labels by which Services and users select one pod of a set. */
export function identityLabels(set: StatefulSet, ordinal: number): Record<string, string> {
  return {
    'statefulset.kubernetes.io/pod-name': podName(set, ordinal),
    'apps.kubernetes.io/pod-index': String(ordinal),
  };
}

/** The ordinals that the set should have: from `start`, before `end`. */
export function ordinalRange({ spec }: StatefulSet): { readonly start: number; readonly end: number } {
  const start = spec.ordinals?.start ?? 0;
  return { start, end: start + (spec.replicas ?? 1) };
}

export function isWanted(set: StatefulSet, ordinal: number): boolean {
  const { start, end } = ordinalRange(set);
  return ordinal >= start && ordinal < end;
}
