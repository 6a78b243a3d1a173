import { bootstrapPolicy } from '../../control-plane/api/auth/rbac/bootstrap-policy.ts';
import { type RbacIndex, rbacIndexOf } from '../../control-plane/api/auth/rbac/rbac-index.ts';
import type { KubeObject } from '../../shared/object.ts';

/** The roles that every cluster starts with, and nothing else. */
export function bootstrapRbac(): RbacIndex {
  const { clusterRoles, clusterRoleBindings, roles, roleBindings } = bootstrapPolicy();
  const all = {
    ClusterRole: clusterRoles,
    ClusterRoleBinding: clusterRoleBindings,
    Role: roles,
    RoleBinding: roleBindings,
  };
  const objects = Object.entries(all).flatMap(([kind, drafts]) => drafts.map((draft) => ({ ...draft, kind })));
  return rbacIndexOf(objects as unknown as KubeObject[]);
}
