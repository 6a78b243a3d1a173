import type { Attributes } from '../../control-plane/api/auth/identity.ts';
import type { AnyBinding } from '../../control-plane/api/auth/rbac/bindings.ts';
import { bootstrapPolicy } from '../../control-plane/api/auth/rbac/bootstrap-policy.ts';
import { type RbacIndex, rbacIndexOf } from '../../control-plane/api/auth/rbac/rbac-index.ts';
import type { RoleSource } from '../../control-plane/api/auth/rbac/resolve.ts';
import { ruleAllows } from '../../control-plane/api/auth/rbac/rules.ts';
import { controllerAccounts } from '../../control-plane/controllers/index.ts';
import type { ClusterRole, KindMap, PolicyRule, Role, RoleBinding, Subject } from '../../shared/generated/types.ts';
import type { KubeObject } from '../../shared/object.ts';

/** The default roles only. */
export function bootstrapRbac(): RbacIndex {
  const { clusterRoles, clusterRoleBindings, roles, roleBindings } = bootstrapPolicy(controllerAccounts);
  const all = {
    ClusterRole: clusterRoles,
    ClusterRoleBinding: clusterRoleBindings,
    Role: roles,
    RoleBinding: roleBindings,
  };
  const objects = Object.entries(all).flatMap(([kind, drafts]) => drafts.map((draft) => ({ ...draft, kind })));
  return rbacIndexOf(objects as unknown as KubeObject[]);
}

function meta(name: string, namespace?: string) {
  return { name, namespace, uid: name, resourceVersion: '1', creationTimestamp: '' };
}

/** A Role where it has a namespace, otherwise a ClusterRole. */
export function role(name: string, rules: PolicyRule[], namespace?: string): Role | ClusterRole {
  return { kind: namespace ? 'Role' : 'ClusterRole', apiVersion: '', metadata: meta(name, namespace), rules } as never;
}

/** A RoleBinding where it has a namespace, otherwise a ClusterRoleBinding. `to`: `Role edit`, `ClusterRole view`. */
export function binding(name: string, to: string, subjects: Subject[], namespace?: string): AnyBinding {
  const [kind = '', roleName = ''] = to.split(' ');
  return {
    kind: namespace ? 'RoleBinding' : 'ClusterRoleBinding',
    apiVersion: 'rbac.authorization.k8s.io/v1',
    metadata: meta(name, namespace),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: roleName },
    subjects,
  } as RoleBinding;
}

/** `get apps:deployments/scale web`, `get /healthz` */
export function asked(text: string, namespace?: string): Attributes {
  const [verb = '', what = '', name] = text.split(' ');
  if (what.startsWith('/')) return { verb, group: '', resource: '', path: what };
  const [group, plural = ''] = what.includes(':') ? what.split(':') : ['', what];
  const [resource = '', subresource] = plural.split('/');
  return { verb, group: group ?? '', resource, subresource, namespace, name };
}

/** The roles and bindings of a list, found by looking at all of them. */
export function roleSourceOf(objects: readonly KubeObject[]): RoleSource {
  const kind = <K extends 'Role' | 'ClusterRole' | 'RoleBinding' | 'ClusterRoleBinding'>(wanted: K): KindMap[K][] =>
    objects.filter((object) => object.kind === wanted) as unknown as KindMap[K][];
  return {
    rulesOf(ref, namespace) {
      const found =
        ref.kind === 'Role'
          ? kind('Role').find(({ metadata }) => metadata.name === ref.name && metadata.namespace === namespace)
          : kind('ClusterRole').find(({ metadata }) => metadata.name === ref.name);
      return found && (found.rules ?? []);
    },
    bindings: (namespace) =>
      namespace
        ? kind('RoleBinding').filter(({ metadata }) => metadata.namespace === namespace)
        : kind('ClusterRoleBinding'),
  };
}

/** The rules of a default role. */
function rulesOf(name: string): readonly PolicyRule[] {
  const { clusterRoles, roles } = bootstrapPolicy(controllerAccounts);
  const found = [...clusterRoles, ...roles].find(({ metadata }) => metadata.name === name);
  if (!found) throw new Error(`no role ${name}`);
  return found.rules ?? [];
}

/** The requests of some that a default role does not allow. */
export function refused(role: string, requests: readonly string[]): string[] {
  const rules = rulesOf(role);
  return requests.filter((text) => !rules.some((rule) => ruleAllows(rule, asked(text, 'a'))));
}
