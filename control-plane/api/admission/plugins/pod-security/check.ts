import type { Container, EphemeralContainer, ObjectMeta, PodSpec } from '../../../../../shared/generated/types.ts';

/** Why a pod does not meet a check: the rule in short, and the containers or fields that violate it. */
export interface Violation {
  readonly reason: string;
  readonly detail: string;
}

/** A pod, or the pods that a template makes. */
export interface Subject {
  readonly metadata: Pick<ObjectMeta, 'annotations'>;
  readonly spec: PodSpec;
}

/** One rule of a level (Kubernetes, "Pod Security Standards"). */
export interface Check {
  readonly id: string;
  /** The first minor version that has it. */
  readonly since: number;
  /** The first minor version that does not have it any more. */
  readonly until?: number;
  /** The baseline check that it makes needless. */
  readonly overrides?: string;
  readonly find: (subject: Subject, minor: number) => Violation | undefined;
}

/** All containers of a pod, of any sort. */
export function containersOf({
  initContainers = [],
  containers = [],
  ephemeralContainers = [],
}: PodSpec): Array<Container | EphemeralContainer> {
  return [...initContainers, ...containers, ...ephemeralContainers];
}
