import { ApiError } from '../../../../shared/errors.ts';
import type { ClusterRole, Role } from '../../../../shared/generated/types.ts';
import { rbacGroup } from '../../../../shared/kinds/rbac/rbac.ts';
import type { AnyBinding } from '../../auth/rbac/bindings.ts';
import { missingRole } from '../../auth/rbac/bindings.ts';
import { bindingEscalation, type Escalation, roleEscalation } from '../../auth/rbac/escalation.ts';
import type { RoleSource } from '../../auth/rbac/resolve.ts';
import { forbidden } from '../../requests/refusals.ts';
import type { AdmissionPlugin, Reader } from '../plugin.ts';

/**
 * A user grants only rights that the user has. These are read from the roles and bindings themselves, not from the authorizer's index:
 * such writes are few.
 */
export const rbacEscalation: AdmissionPlugin = {
  name: 'RBACEscalation',
  rules: [{ verbs: ['create', 'update'], kinds: ['Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding'] }],
  validate({ identity, entry, name }, object, old, reader) {
    if (!object) return;
    const source = sourceOf(reader);
    const isRole = entry.kind === 'Role' || entry.kind === 'ClusterRole';
    const refusal: Escalation | undefined = isRole
      ? roleEscalation(identity, object as Role, old as Role | undefined, source)
      : bindingEscalation(identity, object as AnyBinding, old as AnyBinding | undefined, source);
    if (!refusal) return;
    if ('forbidden' in refusal) throw forbidden(entry, name, refusal.forbidden);
    const { kind, name: missing } = refusal.missing;
    throw new ApiError('NotFound', missingRole(refusal.missing), {
      kind: kind.toLowerCase(),
      group: rbacGroup,
      name: missing,
    });
  },
};

function sourceOf(reader: Reader): RoleSource {
  return {
    rulesOf({ kind, name }, namespace) {
      const role: Role | ClusterRole | undefined =
        kind === 'Role' ? reader.get('Role', name, namespace) : reader.get('ClusterRole', name);
      return role && (role.rules ?? []);
    },
    bindings: (namespace) => (namespace ? reader.list('RoleBinding', namespace) : reader.list('ClusterRoleBinding')),
  };
}
