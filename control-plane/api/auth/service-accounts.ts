/** The user names of service accounts (Kubernetes' `serviceaccount` utilities). */

const userPrefix = 'system:serviceaccount:';
const allGroup = 'system:serviceaccounts';

export interface ServiceAccountName {
  readonly namespace: string;
  readonly name: string;
}

export function serviceAccountUser({ namespace, name }: ServiceAccountName): string {
  return `${userPrefix}${namespace}:${name}`;
}

/** The group of all service accounts, and that of a namespace's. */
export function serviceAccountGroups(namespace: string): string[] {
  return [allGroup, `${allGroup}:${namespace}`];
}

/** The service account of a user name; undefined for other users. */
export function serviceAccountOf(user: string): ServiceAccountName | undefined {
  if (!user.startsWith(userPrefix)) return undefined;
  const [namespace = '', name = '', ...rest] = user.slice(userPrefix.length).split(':');
  return namespace !== '' && name !== '' && rest.length === 0 ? { namespace, name } : undefined;
}
