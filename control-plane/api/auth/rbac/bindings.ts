import type { ClusterRoleBinding, RoleBinding, RoleRef, Subject } from '../../../../shared/generated/types.ts';
import type { Identity } from '../identity.ts';
import { serviceAccountUser } from '../service-accounts.ts';

export type AnyBinding = RoleBinding | ClusterRoleBinding;

/** The name by which a subject is compared with an identity: service accounts are users. Undefined: it matches none. */
export function holderOf(
  { kind, name, namespace }: Subject,
  bindingNamespace: string | undefined,
): { readonly type: 'user' | 'group'; readonly name: string } | undefined {
  if (kind === 'User') return { type: 'user', name };
  if (kind === 'Group') return { type: 'group', name };
  const home = namespace || bindingNamespace;
  if (kind !== 'ServiceAccount' || !home) return undefined;
  return { type: 'user', name: serviceAccountUser({ namespace: home, name }) };
}

export function appliesTo(subject: Subject, bindingNamespace: string | undefined, { user, groups }: Identity): boolean {
  const holder = holderOf(subject, bindingNamespace);
  if (!holder) return false;
  return holder.type === 'user' ? holder.name === user : groups.includes(holder.name);
}

/** The key of the role that a binding names: `NAMESPACE/NAME` of a Role, `NAME` of a ClusterRole. */
export function roleKey({ kind, name }: RoleRef, bindingNamespace: string | undefined): string {
  return kind === 'Role' ? `${bindingNamespace ?? ''}/${name}` : name;
}

/** Kubernetes' error for a binding whose role is missing. */
export function missingRole({ kind, name }: RoleRef): string {
  return `${kind.toLowerCase()}.rbac.authorization.k8s.io "${name}" not found`;
}

/** `RoleBinding "read/default" of ClusterRole "view" to User "ann"` */
export function grantText({ kind, metadata, roleRef }: AnyBinding, subject: Subject): string {
  const { name, namespace } = metadata;
  const binding = kind === 'RoleBinding' ? `${name}/${namespace}` : name;
  const account = subject.kind === 'ServiceAccount';
  const who = account ? `${subject.name}/${subject.namespace || (namespace ?? '')}` : subject.name;
  return `${kind} "${binding}" of ${roleRef.kind} "${roleRef.name}" to ${subject.kind} "${who}"`;
}
