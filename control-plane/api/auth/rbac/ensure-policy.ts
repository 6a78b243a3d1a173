import { isDeepStrictEqual } from 'node:util';
import type { Client } from '../../../../shared/client.ts';
import { ignoring } from '../../../../shared/errors.ts';
import type { ClusterRole, KindMap, Role } from '../../../../shared/generated/types.ts';
import { type Draft, keyOf } from '../../../../shared/object.ts';
import type { AnyBinding } from './bindings.ts';
import { autoUpdate, type BootstrapPolicy } from './bootstrap-policy.ts';
import { unbounded, uncoveredBy } from './coverage.ts';

type RbacKind = 'ClusterRole' | 'ClusterRoleBinding' | 'Role' | 'RoleBinding';
type AnyRole = Role | ClusterRole;

/** What becomes of an existing object. */
export type Mending<T> =
  | { readonly type: 'keep' }
  | { readonly type: 'update'; readonly object: T }
  /** A binding to another role cannot be updated, only replaced. */
  | { readonly type: 'replace' };

/**
 * Reconciles the policy at every start (Kubernetes, "Auto-reconciliation"): creates what is missing and restores rules and subjects
 * that were removed; additions stay. Objects annotated `autoupdate: "false"` are left alone. Several servers may run it at once.
 * Resolves with the newest revision that it wrote, 0 when there was nothing to do.
 */
export async function ensureBootstrapPolicy(
  client: Pick<Client, 'list' | 'create' | 'update' | 'delete'>,
  policy: BootstrapPolicy,
): Promise<number> {
  const revisions = await Promise.all([
    ensure(client, 'ClusterRole', policy.clusterRoles, mendRole),
    ensure(client, 'ClusterRoleBinding', policy.clusterRoleBindings, mendBinding),
    ensure(client, 'Role', policy.roles, mendRole),
    ensure(client, 'RoleBinding', policy.roleBindings, mendBinding),
  ]);
  return Math.max(...revisions);
}

async function ensure<K extends RbacKind>(
  client: Pick<Client, 'list' | 'create' | 'update' | 'delete'>,
  kind: K,
  wanted: readonly Draft<KindMap[K]>[],
  mend: (present: KindMap[K], wanted: Draft<KindMap[K]>) => Mending<KindMap[K]>,
): Promise<number> {
  const { items } = await client.list(kind);
  const present = new Map(items.map((item) => [keyOf(item), item]));
  const done = wanted.map(async (draft) => {
    const found = present.get(keyOf(draft));
    const mending = found ? mend(found, draft) : undefined;
    if (mending?.type === 'keep') return undefined;
    if (mending?.type === 'update') {
      return client.update(kind, mending.object).catch(ignoring('Conflict', 'NotFound'));
    }
    if (found) {
      const { name, namespace, uid } = found.metadata;
      await client.delete(kind, name, { namespace, preconditions: { uid } }).catch(ignoring('Conflict', 'NotFound'));
    }
    return client.create(kind, draft).catch(ignoring('AlreadyExists'));
  });
  const written = await Promise.all(done);
  return Math.max(0, ...written.map((object) => Number(object?.metadata.resourceVersion ?? 0)));
}

/** Kubernetes' `reconcile_role.go`: the rules of an aggregated role belong to its controller. */
export function mendRole<T extends AnyRole>(present: T, wanted: Draft<T>): Mending<T> {
  if (present.metadata.annotations?.[autoUpdate] === 'false') return { type: 'keep' };
  const aggregationRule = (wanted as Draft<ClusterRole>).aggregationRule;
  const missing = aggregationRule ? [] : uncoveredBy(present.rules ?? [], wanted.rules ?? [], unbounded).parts;
  const object = {
    ...present,
    metadata: mendedMeta(present, wanted),
    ...(missing.length > 0 ? { rules: [...(present.rules ?? []), ...missing] } : {}),
    ...(aggregationRule ? { aggregationRule: mendedAggregation(present as ClusterRole, aggregationRule) } : {}),
  };
  return isDeepStrictEqual(object, present) ? { type: 'keep' } : { type: 'update', object };
}

/** Kubernetes' `reconcile_rolebindings.go`. */
export function mendBinding<T extends AnyBinding>(present: T, wanted: Draft<T>): Mending<T> {
  if (present.metadata.annotations?.[autoUpdate] === 'false') return { type: 'keep' };
  if (!isDeepStrictEqual({ ...present.roleRef }, { ...wanted.roleRef })) return { type: 'replace' };
  const subjects = present.subjects ?? [];
  const missing = (wanted.subjects ?? []).filter((one) => !subjects.some((other) => isDeepStrictEqual(one, other)));
  const object = {
    ...present,
    metadata: mendedMeta(present, wanted),
    ...(missing.length > 0 ? { subjects: [...subjects, ...missing] } : {}),
  };
  return isDeepStrictEqual(object, present) ? { type: 'keep' } : { type: 'update', object };
}

/** Missing labels and annotations are added; present ones stay as they are. */
function mendedMeta<T extends AnyRole | AnyBinding>(present: T, wanted: Draft<T>): T['metadata'] {
  const { labels, annotations } = present.metadata;
  return {
    ...present.metadata,
    labels: { ...wanted.metadata.labels, ...labels },
    annotations: { ...wanted.metadata.annotations, ...annotations },
  };
}

function mendedAggregation(
  present: ClusterRole,
  wanted: NonNullable<ClusterRole['aggregationRule']>,
): NonNullable<ClusterRole['aggregationRule']> {
  const selectors = present.aggregationRule?.clusterRoleSelectors ?? [];
  const missing = wanted.clusterRoleSelectors.filter(
    (one) => !selectors.some((other) => isDeepStrictEqual(one, other)),
  );
  if (missing.length === 0 && present.aggregationRule) return present.aggregationRule;
  return { ...present.aggregationRule, clusterRoleSelectors: [...selectors, ...missing] };
}
