import type { Kind, KindMap, PolicyRule, Subject } from '../../../../shared/generated/types.ts';
import type { Change } from '../../../../shared/informer.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import type { Attributes, Decision, HeldRules, Identity } from '../identity.ts';
import { type AnyBinding, grantText, holderOf, missingRole, roleKey } from './bindings.ts';
import { ruleAllows } from './rules.ts';

/** A subject's grant by a binding. */
interface Grant {
  readonly binding: AnyBinding;
  readonly subject: Subject;
}

/** The grants of one subject, by role and then by binding. */
type Grants = Map<string, Map<string, Grant>>;

/** The grants of a namespace, or of the cluster, by the subject's name. */
interface Scope {
  readonly user: Map<string, Grants>;
  readonly group: Map<string, Grants>;
}

/**
 * An index of roles and bindings: the rules by role, the roles by subject and namespace.
 *
 *     scope ('' or a namespace) → user or group → role → bindings        role → rules
 *
 * A decision evaluates the rules of the roles that the identity holds, each role once: its cost does not grow with the bindings
 * of others.
 */
export class RbacIndex {
  readonly #roles = new Map<string, readonly PolicyRule[]>();
  readonly #scopes = new Map<string, Scope>();

  /** Applies changes; those of other kinds are ignored. */
  apply(changes: readonly Change[]): void {
    for (const { kind, before, after } of changes) {
      switch (kind) {
        case 'Role':
        case 'ClusterRole':
          this.#setRole(kind, (after ?? before) as KindMap['Role'], after !== undefined);
          break;
        case 'RoleBinding':
        case 'ClusterRoleBinding':
          if (before) this.#withdraw(before as AnyBinding);
          if (after) this.#grant(after as AnyBinding);
      }
    }
  }

  /** Kubernetes' order: bindings of the cluster first, then those of the namespace. */
  authorize(identity: Identity, attributes: Attributes): Decision {
    const missing: string[] = [];
    for (const grants of this.#heldBy(identity, attributes.namespace)) {
      for (const [role, bindings] of grants) {
        const rules = this.#roles.get(role);
        if (!rules) missing.push(...missingRoles(bindings));
        else if (rules.some((rule) => ruleAllows(rule, attributes))) return new Granted(bindings);
      }
    }
    return { allowed: false, reason: missing.length > 0 ? `RBAC: ${aggregate(missing)}` : '' };
  }

  /** The rules of an identity in a namespace; undefined: in the whole cluster. */
  rulesOf(identity: Identity, namespace: string | undefined): HeldRules {
    const rules: PolicyRule[] = [];
    const errors: string[] = [];
    for (const grants of this.#heldBy(identity, namespace)) {
      for (const [role, bindings] of grants) {
        const found = this.#roles.get(role);
        if (found) for (const rule of found) rules.push(rule);
        else errors.push(...missingRoles(bindings));
      }
    }
    return { rules, errors };
  }

  *#heldBy({ user, groups }: Identity, namespace: string | undefined): Generator<Grants> {
    for (const name of namespace ? ['', namespace] : ['']) {
      const scope = this.#scopes.get(name);
      if (!scope) continue;
      const own = scope.user.get(user);
      if (own) yield own;
      for (const group of groups) {
        const shared = scope.group.get(group);
        if (shared) yield shared;
      }
    }
  }

  #setRole(kind: Kind, { metadata, rules = [] }: KindMap['Role'], present: boolean): void {
    const key = roleKey({ kind, name: metadata.name }, metadata.namespace);
    if (present) this.#roles.set(key, rules);
    else this.#roles.delete(key);
  }

  #grant(binding: AnyBinding): void {
    const { namespace = '' } = binding.metadata;
    const role = roleKey(binding.roleRef, namespace);
    const scope = obtain(this.#scopes, namespace, () => ({ user: new Map(), group: new Map() }));
    for (const subject of binding.subjects ?? []) {
      const holder = holderOf(subject, namespace);
      if (!holder) continue;
      const grants = obtain(scope[holder.type], holder.name, () => new Map());
      const bindings = obtain(grants, role, () => new Map());
      if (!bindings.has(binding.metadata.name)) bindings.set(binding.metadata.name, { binding, subject });
    }
  }

  #withdraw(binding: AnyBinding): void {
    const { namespace = '', name } = binding.metadata;
    const role = roleKey(binding.roleRef, namespace);
    const scope = this.#scopes.get(namespace);
    if (!scope) return;
    for (const subject of binding.subjects ?? []) {
      const holder = holderOf(subject, namespace);
      const grants = holder && scope[holder.type].get(holder.name);
      if (!holder || !grants) continue;
      const bindings = grants.get(role);
      bindings?.delete(name);
      if (bindings?.size === 0) grants.delete(role);
      if (grants.size === 0) scope[holder.type].delete(holder.name);
    }
    if (scope.user.size === 0 && scope.group.size === 0) this.#scopes.delete(namespace);
  }
}

/** An index of objects that do not change. */
export function rbacIndexOf(objects: readonly KubeObject[]): RbacIndex {
  const index = new RbacIndex();
  const changes = objects.map((after) => ({ kind: after.kind as Kind, key: '', after: after as KindMap[Kind] }));
  index.apply(changes);
  return index;
}

/** The reason is formatted only when it is read. */
class Granted {
  readonly allowed = true;
  readonly #bindings: ReadonlyMap<string, Grant>;

  constructor(bindings: ReadonlyMap<string, Grant>) {
    this.#bindings = bindings;
  }

  get reason(): string {
    const [grant] = this.#bindings.values();
    return grant ? `RBAC: allowed by ${grantText(grant.binding, grant.subject)}` : '';
  }
}

function missingRoles(bindings: ReadonlyMap<string, Grant>): string[] {
  const [grant] = bindings.values();
  return grant ? [missingRole(grant.binding.roleRef)] : [];
}

/** Several errors as one text, each once (apimachinery, `errors.Aggregate`). */
export function aggregate(errors: readonly string[]): string {
  const all = [...new Set(errors)];
  return all.length === 1 ? (all[0] ?? '') : `[${all.join(', ')}]`;
}

function obtain<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
