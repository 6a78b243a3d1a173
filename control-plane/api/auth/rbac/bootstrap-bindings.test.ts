import { describe, expect, test } from 'vitest';
import type { Subject } from '../../../../shared/generated/types.ts';
import { asked, bootstrapRbac } from '../../../../test/support/rbac.ts';
import { controllerAccounts } from '../../../controllers/index.ts';
import { bootstrapPolicy } from './bootstrap-policy.ts';

function bindings() {
  const { clusterRoleBindings, roleBindings } = bootstrapPolicy(controllerAccounts);
  return [...clusterRoleBindings, ...roleBindings];
}

describe('the subjects of the default roles', () => {
  const holders: readonly (readonly [binding: string, ...holders: string[]])[] = [
    ['cluster-admin', 'Group system:masters'],
    ['system:monitoring', 'Group system:monitoring'],
    ['system:discovery', 'Group system:authenticated'],
    ['system:basic-user', 'Group system:authenticated'],
    ['system:public-info-viewer', 'Group system:authenticated', 'Group system:unauthenticated'],
    ['system:service-account-issuer-discovery', 'Group system:serviceaccounts'],
    ['system:node'],
    ['system:node-proxier', 'User system:kube-proxy'],
    ['system:kube-controller-manager', 'User system:kube-controller-manager'],
    ['system:kube-dns', 'ServiceAccount kube-system/kube-dns'],
    ['system:kube-scheduler', 'User system:kube-scheduler'],
    ['system:volume-scheduler', 'User system:kube-scheduler'],
    ['system:controller:deployment-controller', 'ServiceAccount kube-system/deployment-controller'],
    [
      'system::extension-apiserver-authentication-reader',
      'User system:kube-controller-manager',
      'User system:kube-scheduler',
    ],
    [
      'system::leader-locking-kube-scheduler',
      'User system:kube-scheduler',
      'ServiceAccount kube-system/kube-scheduler',
    ],
    [
      'system::leader-locking-kube-controller-manager',
      'User system:kube-controller-manager',
      'ServiceAccount kube-system/kube-controller-manager',
    ],
  ];
  const text = ({ kind, namespace, name }: Subject) => `${kind} ${namespace ? `${namespace}/` : ''}${name}`;

  test.each(holders)('%s', (name, ...expected) => {
    const found = bindings().find(({ metadata }) => metadata.name === name);
    expect(found?.subjects?.map(text)).toEqual(expected);
  });

  test('roles of a namespace are bound in kube-system', () => {
    const { roles, roleBindings } = bootstrapPolicy(controllerAccounts);
    for (const { metadata } of [...roles, ...roleBindings]) expect(metadata.namespace).toBe('kube-system');
  });

  test('each binding names a role that there is', () => {
    const { clusterRoles, roles } = bootstrapPolicy(controllerAccounts);
    const names = [...clusterRoles, ...roles].map(({ metadata }) => metadata.name);
    for (const { roleRef } of bindings()) expect(names).toContain(roleRef.name);
  });

  test('an anonymous user may read only public information', () => {
    const index = bootstrapRbac();
    const allowed = (groups: string[], text: string) => index.authorize({ user: 'x', groups }, asked(text)).allowed;
    expect(allowed(['system:unauthenticated'], 'get /version')).toBe(true);
    expect(allowed(['system:unauthenticated'], 'get /api')).toBe(false);
    expect(allowed(['system:authenticated'], 'get /api')).toBe(true);
    expect(allowed(['system:authenticated'], 'list pods')).toBe(false);
    expect(allowed(['system:nodes'], 'list pods')).toBe(false);
  });
});
