import type { PolicyRule, RoleRef } from '../../../../shared/generated/types.ts';
import type { HeldRules, Identity } from '../identity.ts';
import { type AnyBinding, appliesTo, missingRole } from './bindings.ts';

/** All roles and bindings, without an index. */
export interface RoleSource {
  /** Undefined: no such role. `namespace`: that of a Role. */
  rulesOf(role: RoleRef, namespace: string | undefined): readonly PolicyRule[] | undefined;
  /** Undefined: those of the cluster. */
  bindings(namespace: string | undefined): Iterable<AnyBinding>;
}

/** The rules of an identity in a namespace (undefined: in the whole cluster), found by evaluating every binding. */
export function resolveRules(identity: Identity, namespace: string | undefined, source: RoleSource): HeldRules {
  const rules: PolicyRule[] = [];
  const errors: string[] = [];
  for (const scope of namespace ? [undefined, namespace] : [undefined]) {
    for (const { roleRef, subjects = [] } of source.bindings(scope)) {
      if (!subjects.some((subject) => appliesTo(subject, scope, identity))) continue;
      const found = source.rulesOf(roleRef, scope);
      if (found) for (const rule of found) rules.push(rule);
      else errors.push(missingRole(roleRef));
    }
  }
  return { rules, errors };
}
