import type { Deployment, PodTemplateSpec, ReplicaSet } from '../../../shared/generated/types.ts';
import { resolveIntOrPercent } from '../../../shared/kinds/rules/int-or-percent.ts';
import { oldestFirst } from '../../../shared/object.ts';
import { parseRevision, revisionAnnotation } from '../../../shared/revision.ts';
import { canonicalText, hashOf } from '../history/hash.ts';

/** Kubernetes' annotations on the ReplicaSets of a Deployment. */
export const annotations = {
  revision: revisionAnnotation,
  desired: 'deployment.kubernetes.io/desired-replicas',
  max: 'deployment.kubernetes.io/max-replicas',
} as const;
export const hashLabel = 'pod-template-hash';

/** New sizes for some of a Deployment's ReplicaSets, by name. */
export type Sizes = ReadonlyMap<string, number>;

/**
 * One step of a rollout: which ReplicaSets get which size now. Never more pods than replicas + maxSurge, never fewer available than
 * replicas - maxUnavailable because of this controller (Kubernetes, "Rolling Update Deployment"). `next` is the ReplicaSet of the present
 * template, `old` are the others.
 */
export function planRollout(deployment: Deployment, next: ReplicaSet, old: readonly ReplicaSet[]): Sizes {
  if (deployment.spec.strategy?.type === 'Recreate') return planRecreate(deployment, next, old);
  const grown = growNext(deployment, next, old);
  return grown.size > 0 ? grown : shrinkOld(deployment, next, old);
}

/** Recreate: no old pod is left when the first new one is made. */
function planRecreate(deployment: Deployment, next: ReplicaSet, old: readonly ReplicaSet[]): Sizes {
  const running = old.filter((set) => sizeOf(set) > 0);
  if (running.length > 0) return new Map(running.map((set) => [set.metadata.name, 0]));
  return sizeOf(next) === wanted(deployment) ? new Map() : new Map([[next.metadata.name, wanted(deployment)]]);
}

function growNext(deployment: Deployment, next: ReplicaSet, old: readonly ReplicaSet[]): Sizes {
  const size = initialSize(deployment, sizeOf(next), total([next, ...old], sizeOf));
  return size === sizeOf(next) ? new Map() : new Map([[next.metadata.name, size]]);
}

/** The size the newest ReplicaSet may have now, when all of them together have `current`. */
export function initialSize(deployment: Deployment, size: number, current: number): number {
  if (deployment.spec.strategy?.type === 'Recreate') return current - size > 0 ? size : wanted(deployment);
  if (size >= wanted(deployment)) return wanted(deployment);
  const room = wanted(deployment) + bounds(deployment).maxSurge - current;
  return size + Math.max(0, Math.min(room, wanted(deployment) - size));
}

function shrinkOld(deployment: Deployment, next: ReplicaSet, old: readonly ReplicaSet[]): Sizes {
  const minAvailable = wanted(deployment) - bounds(deployment).maxUnavailable;
  let spare = servingOf(next) + total(old, sizeOf) - minAvailable;
  const sizes = new Map<string, number>();
  const byAge = [...old].sort(oldestFirst);
  const cut = (set: ReplicaSet, most: number): void => {
    const size = sizes.get(set.metadata.name) ?? sizeOf(set);
    const count = Math.min(spare, most);
    if (count <= 0) return;
    sizes.set(set.metadata.name, size - count);
    spare -= count;
  };
  // Pods that are not available go first: they serve no request.
  for (const set of byAge) cut(set, sizeOf(set) - servingOf(set));
  for (const set of byAge) cut(set, servingOf(set));
  return sizes;
}

/** The pods of a set that are available. A status from before it was shrunk counts some that are gone. */
function servingOf(set: ReplicaSet): number {
  return Math.min(sizeOf(set), availableOf(set));
}

/**
 * The sizes after the Deployment itself was resized: the one active ReplicaSet takes it all; in the middle of a rollout
 * all of them grow or shrink in proportion, so that a scaling does not turn into a step of the rollout.
 */
export function planScale(deployment: Deployment, next: ReplicaSet | undefined, old: readonly ReplicaSet[]): Sizes {
  const all = next ? [next, ...old] : [...old];
  const active = all.filter((set) => sizeOf(set) > 0);
  // Without pods, and without a set of the present template, which only a paused Deployment lacks, the latest one is scaled.
  const only = active.length <= 1 ? (active[0] ?? next ?? [...old].sort(oldestFirst).at(-1)) : undefined;
  if (only)
    return sizeOf(only) === wanted(deployment) ? new Map() : new Map([[only.metadata.name, wanted(deployment)]]);
  if (next && availableOf(next) >= wanted(deployment) && sizeOf(next) === wanted(deployment)) {
    return new Map(old.filter((set) => sizeOf(set) > 0).map((set) => [set.metadata.name, 0]));
  }
  if (deployment.spec.strategy?.type === 'Recreate') return new Map();
  return proportional(deployment, active);
}

function proportional(deployment: Deployment, active: readonly ReplicaSet[]): Sizes {
  const allowed = wanted(deployment) > 0 ? wanted(deployment) + bounds(deployment).maxSurge : 0;
  const toAdd = allowed - total(active, sizeOf);
  // Of equal ones the newest grows first, and the oldest shrinks first.
  const bySize = [...active].sort(
    (a, b) => sizeOf(b) - sizeOf(a) || (toAdd > 0 ? oldestFirst(b, a) : oldestFirst(a, b)),
  );
  const sizes = new Map<string, number>();
  let added = 0;
  for (const set of bySize) {
    const before = Number(set.metadata.annotations?.[annotations.max]) || wanted(deployment);
    const share = Math.round((sizeOf(set) * allowed) / before) - sizeOf(set);
    const left = toAdd - added;
    const part = toAdd > 0 ? Math.max(0, Math.min(share, left)) : Math.min(0, Math.max(share, left));
    sizes.set(set.metadata.name, sizeOf(set) + part);
    added += part;
  }
  const [largest] = bySize;
  if (largest && toAdd !== added) {
    const { name } = largest.metadata;
    sizes.set(name, Math.max(0, (sizes.get(name) ?? 0) + toAdd - added));
  }
  for (const set of active) if (sizes.get(set.metadata.name) === sizeOf(set)) sizes.delete(set.metadata.name);
  return sizes;
}

/** Whether the Deployment was resized since its ReplicaSets were last sized. */
export function wasResized(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some((set) => {
    const desired = set.metadata.annotations?.[annotations.desired];
    return sizeOf(set) > 0 && desired !== undefined && Number(desired) !== wanted(deployment);
  });
}

/** The old ReplicaSets to delete: empty, and beyond `revisionHistoryLimit`. */
export function surplusHistory(deployment: Deployment, old: readonly ReplicaSet[]): ReplicaSet[] {
  const limit = deployment.spec.revisionHistoryLimit ?? 10;
  const empty = old.filter(
    (set) =>
      sizeOf(set) === 0 &&
      !set.status?.replicas &&
      !set.metadata.deletionTimestamp &&
      (set.status?.observedGeneration ?? 0) >= (set.metadata.generation ?? 0),
  );
  const byRevision = empty.sort((a, b) => byRevisionOf(a, b) || oldestFirst(a, b));
  return byRevision.slice(0, Math.max(0, byRevision.length - limit));
}

/** Pods above and below the wanted number that a rollout may have; percentages are of the wanted number. */
export function bounds(deployment: Deployment): { maxSurge: number; maxUnavailable: number } {
  if (deployment.spec.strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: 0 };
  const rolling = deployment.spec.strategy?.rollingUpdate;
  const maxSurge = resolveIntOrPercent(rolling?.maxSurge ?? '25%', wanted(deployment), Math.ceil);
  const maxUnavailable = resolveIntOrPercent(rolling?.maxUnavailable ?? '25%', wanted(deployment), Math.floor);
  // With both 0 no rollout could start.
  return maxSurge === 0 && maxUnavailable === 0 ? { maxSurge, maxUnavailable: 1 } : { maxSurge, maxUnavailable };
}

/** The ReplicaSet that has the Deployment's present template, the oldest when there are several. */
export function findNewReplicaSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const template = canonical(deployment.spec.template);
  return [...sets].sort(oldestFirst).find((set) => set.spec.template && canonical(set.spec.template) === template);
}

/** A name part that is the same for the same template and count of collisions. */
export function templateHash(template: PodTemplateSpec, collisionCount: number): string {
  return hashOf(canonical(template), collisionCount);
}

/** The template without its hash label. */
function canonical(template: PodTemplateSpec): string {
  const { [hashLabel]: _hash, ...labels } = template.metadata?.labels ?? {};
  return canonicalText({ ...template, metadata: { ...template.metadata, labels } });
}

export function wanted(deployment: Deployment): number {
  return deployment.spec.replicas ?? 1;
}

export function sizeOf(set: ReplicaSet): number {
  return set.spec.replicas ?? 1;
}

export function revisionOf(object: ReplicaSet | Deployment): bigint {
  return parseRevision(object.metadata.annotations?.[annotations.revision]);
}

function byRevisionOf(a: ReplicaSet, b: ReplicaSet): number {
  const [x, y] = [revisionOf(a), revisionOf(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

export function total(sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number): number {
  return sets.reduce((sum, set) => sum + count(set), 0);
}

export function availableOf(set: ReplicaSet): number {
  return set.status?.availableReplicas ?? 0;
}
