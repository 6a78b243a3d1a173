import { isDeepStrictEqual } from 'node:util';
import type { ClusterRole, PolicyRule, Role, RoleRef } from '../../../../shared/generated/types.ts';
import { rbacGroup } from '../../../../shared/kinds/rbac/rbac.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { type HeldRules, type Identity, isAboveRules } from '../identity.ts';
import type { AnyBinding } from './bindings.ts';
import { type CoverageBounds, uncoveredBy } from './coverage.ts';
import { aggregate } from './rbac-index.ts';
import { type RoleSource, resolveRules } from './resolve.ts';
import { compacted, quoted, ruleAllows, ruleText } from './rules.ts';

/** The fault of a refused write: a missing role is NotFound, not Forbidden. */
export type Escalation = { readonly forbidden: string } | { readonly missing: RoleRef };

/**
 * Why a user may not write a role; undefined when it is allowed. A user can only grant rules that the user has, unless the verb
 * `escalate` is allowed (Kubernetes, "Privilege escalation prevention").
 */
export function roleEscalation(
  identity: Identity,
  role: Role | ClusterRole,
  old: Role | ClusterRole | undefined,
  source: RoleSource,
  bounds: CoverageBounds = grantBounds,
): Escalation | undefined {
  if (isAboveRules(identity) || (old && isOnlyForCollector(role, old))) return undefined;
  const { name, namespace } = role.metadata;
  const held = resolveRules(identity, namespace, source);
  const resource = role.kind === 'Role' ? 'roles' : 'clusterroles';
  const attributes = { verb: 'escalate', group: rbacGroup, resource, namespace, name };
  if (held.rules.some((rule) => ruleAllows(rule, attributes))) return undefined;
  const fault = notHeld(identity, held, role.rules ?? [], bounds);
  if (fault) return { forbidden: fault };
  // A user with all rights has `escalate` too.
  if (!isAggregated(role) && !isAggregated(old)) return undefined;
  return { forbidden: 'must have cluster-admin privileges to use the aggregationRule' };
}

/** The same for a binding of a role whose rules the user does not have, unless the verb `bind` is allowed. */
export function bindingEscalation(
  identity: Identity,
  binding: AnyBinding,
  old: AnyBinding | undefined,
  source: RoleSource,
  bounds: CoverageBounds = grantBounds,
): Escalation | undefined {
  if (isAboveRules(identity) || (old && isOnlyForCollector(binding, old))) return undefined;
  const { roleRef, metadata } = binding;
  const { namespace } = metadata;
  const held = resolveRules(identity, namespace, source);
  const { apiGroup: group = '', kind, name } = roleRef;
  const resource = kind === 'Role' ? 'roles' : 'clusterroles';
  const attributes = { verb: 'bind', group, resource, namespace, name };
  if (held.rules.some((rule) => ruleAllows(rule, attributes))) return undefined;
  const rules = source.rulesOf(roleRef, namespace);
  if (!rules) return { missing: roleRef };
  const fault = notHeld(identity, held, rules, bounds);
  return fault === undefined ? undefined : { forbidden: fault };
}

/** Bounds on the missing rules that an error names, and on the work to find them. */
const grantBounds: CoverageBounds = { parts: 256, work: 10_000_000 };

function isAggregated(role: Role | ClusterRole | undefined): boolean {
  const { aggregationRule } = (role ?? {}) as Partial<ClusterRole>;
  return (aggregationRule?.clusterRoleSelectors ?? []).length > 0;
}

function notHeld(
  { user, groups: of }: Identity,
  held: HeldRules,
  wanted: readonly PolicyRule[],
  bounds: CoverageBounds,
): string | undefined {
  const missing = uncoveredBy(held.rules, wanted, bounds);
  if (missing.parts.length === 0 && missing.cut === undefined) return undefined;
  const texts = [...new Set(compacted(missing.parts).map(ruleText))].sort();
  if (missing.cut === 'parts') texts.push(`and more: only the first ${bounds.parts} are listed`);
  if (missing.cut === 'work') {
    texts.push(`rules that need more than ${bounds.work} comparisons with those that are held: ask for fewer at once`);
  }
  const errors = held.errors.length > 0 ? `; resolution errors: [${aggregate(held.errors)}]` : '';
  return (
    `user ${JSON.stringify(user)} (groups=${quoted(of)}) is attempting to grant RBAC permissions not currently held:\n` +
    texts.join('\n') +
    errors
  );
}

/** The garbage collector may always remove finalizers and owner references. */
function isOnlyForCollector(object: KubeObject, old: KubeObject): boolean {
  return isDeepStrictEqual(withoutOwners(object), withoutOwners(old));
}

function withoutOwners(object: KubeObject): object {
  const { ownerReferences, finalizers, managedFields, resourceVersion, ...metadata } =
    object.metadata as unknown as Record<string, unknown>;
  return { ...object, metadata };
}
