import { describe, expect, it } from 'vitest';
import { admitted, faults, updateFaults } from '../../../test/support/kind-rules.ts';
import { kindNamed } from '../index.ts';

const group = 'rbac.authorization.k8s.io';
const rule = { apiGroups: [''], resources: ['pods'], verbs: ['get'] };
const roleRef = { apiGroup: group, kind: 'ClusterRole', name: 'view' };

describe('roles', () => {
  it('may have any name that is valid in a path', () => {
    expect(faults('ClusterRole', { metadata: { name: 'system:controller:job-controller' }, rules: [rule] })).toEqual(
      [],
    );
    expect(faults('ClusterRole', { metadata: { name: 'a/b' } })).toEqual([
      'metadata.name: Invalid value: "a/b": may not contain \'/\'',
    ]);
    expect(faults('ClusterRole', { metadata: { name: '..' } })).toEqual([
      'metadata.name: Invalid value: "..": may not be \'..\'',
    ]);
  });

  it('report missing parts of a rule', () => {
    expect(faults('Role', { rules: [{ verbs: [] }] })).toEqual([
      'rules[0].verbs: Required value: verbs must contain at least one value',
      'rules[0].apiGroups: Required value: resource rules must supply at least one api group',
      'rules[0].resources: Required value: resource rules must supply at least one resource',
    ]);
  });

  it('may contain paths only if cluster-scoped, and then nothing else', () => {
    const paths = { nonResourceURLs: ['/healthz'], verbs: ['get'] };
    expect(faults('ClusterRole', { rules: [paths] })).toEqual([]);
    expect(faults('Role', { rules: [paths] })).toEqual([
      'rules[0].nonResourceURLs: Invalid value: []string{"/healthz"}: namespaced rules cannot apply to non-resource URLs',
    ]);
    expect(faults('ClusterRole', { rules: [{ ...paths, ...rule }] })).toEqual([
      'rules[0].nonResourceURLs: Invalid value: []string{"/healthz"}: rules cannot apply to both regular resources and non-resource URLs',
    ]);
  });

  it('aggregate by non-empty selectors', () => {
    expect(faults('ClusterRole', { aggregationRule: {} })).toEqual([
      'aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil',
    ]);
    const selectors = [{ matchExpressions: [{ key: 'a', operator: 'Is' }] }];
    expect(faults('ClusterRole', { aggregationRule: { clusterRoleSelectors: selectors } })).toEqual([
      'aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator',
    ]);
  });
});

describe('bindings', () => {
  it('take the groups of users, groups and roles for granted, and none for service accounts', () => {
    const subjects = [
      { kind: 'User', name: 'jane' },
      { kind: 'Group', name: 'devs' },
      { kind: 'ServiceAccount', name: 'default', namespace: 'a' },
    ];
    expect(admitted('RoleBinding', { roleRef: { kind: 'Role', name: 'r' }, subjects })).toMatchObject({
      roleRef: { apiGroup: group },
      subjects: [{ apiGroup: group }, { apiGroup: group }, { kind: 'ServiceAccount', name: 'default' }],
    });
    expect(faults('RoleBinding', { roleRef: { kind: 'Role', name: 'r' }, subjects })).toEqual([]);
  });

  it('report invalid subjects', () => {
    const subjects = [
      { kind: 'Robot', name: 'a' },
      { kind: 'ServiceAccount', name: 'a' },
      { kind: 'User', name: 'a', apiGroup: 'x' },
    ];
    expect(faults('ClusterRoleBinding', { roleRef, subjects })).toEqual([
      'subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
      'subjects[1].namespace: Required value',
      `subjects[2].apiGroup: Unsupported value: "x": supported values: "${group}"`,
    ]);
  });

  it('give a Role only in a namespace', () => {
    expect(faults('ClusterRoleBinding', { roleRef: { ...roleRef, kind: 'Role' } })).toEqual([
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
    ]);
  });

  it('never change their role, but whom they give it to', () => {
    const other = { ...roleRef, name: 'edit' };
    expect(updateFaults('RoleBinding', { roleRef }, { roleRef: other })).toEqual([
      'roleRef: Invalid value: rbac.RoleRef{APIGroup:"rbac.authorization.k8s.io", Kind:"ClusterRole", Name:"edit"}: cannot change roleRef',
    ]);
    expect(updateFaults('RoleBinding', { roleRef }, { roleRef, subjects: [{ kind: 'User', name: 'a' }] })).toEqual([]);
  });

  it('show the subjects of the role with -o wide', () => {
    const object = admitted('RoleBinding', {
      roleRef,
      subjects: [
        { kind: 'User', name: 'jane' },
        { kind: 'User', name: 'joe' },
        { kind: 'ServiceAccount', name: 'robot', namespace: 'a' },
      ],
    });
    const cells = kindNamed('RoleBinding').columns.map((column) => [column.name, column.value(object, 0)]);
    expect(Object.fromEntries(cells)).toMatchObject({
      Role: 'ClusterRole/view',
      Users: 'jane, joe',
      Groups: '',
      ServiceAccounts: 'a/robot',
    });
  });
});
