import { describe, expect, test } from 'vitest';
import type { ClusterRole, ClusterRoleBinding, PolicyRule } from '../../../../shared/generated/types.ts';
import type { Draft } from '../../../../shared/object.ts';
import { binding, role } from '../../../../test/support/rbac.ts';
import { autoUpdate } from './bootstrap-policy.ts';
import { ensureBootstrapPolicy, mendBinding, mendRole } from './ensure-policy.ts';

const pods: PolicyRule = { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] };
const nodes: PolicyRule = { apiGroups: [''], resources: ['nodes'], verbs: ['get'] };
const label = (name: string) => ({ matchLabels: { [name]: 'true' } });
const ann = { kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'ann' };
const bob = { ...ann, name: 'bob' };

describe('a role that is there', () => {
  const wanted = role('r', [pods, nodes]) as ClusterRole;

  test('stays unchanged when it allows everything it should', () => {
    const labels = { mine: 'x' };
    const wide = {
      ...role('r', [{ ...pods, verbs: ['*'] }, nodes]),
      metadata: { ...wanted.metadata, labels, annotations: {} },
    };
    expect(mendRole(wide as ClusterRole, wanted)).toEqual({ type: 'keep' });
  });

  test('gets the verbs back that it lost, and keeps those that it was given', () => {
    const own: PolicyRule = { ...pods, verbs: ['get', 'delete'] };
    const mended = mendRole(role('r', [own, nodes]) as ClusterRole, wanted);
    expect(mended).toMatchObject({ type: 'update', object: { rules: [own, nodes, { ...pods, verbs: ['list'] }] } });
  });

  test('without any rules gets them all', () => {
    const { rules: _none, ...empty } = wanted;
    expect(
      mendRole(empty as ClusterRole, { metadata: { name: 'r' }, rules: [nodes] } as Draft<ClusterRole>),
    ).toMatchObject({
      object: { rules: [nodes] },
    });
    expect(
      mendRole({ ...empty, metadata: { ...empty.metadata, labels: {}, annotations: {} } } as ClusterRole, {
        metadata: { name: 'r' },
      }),
    ).toEqual({ type: 'keep' });
  });

  test('keeps the rules of the aggregation controller, and gets its selectors back', () => {
    const gathering = (...selectors: object[]) =>
      ({
        ...role('r', [nodes]),
        metadata: { ...wanted.metadata, labels: {}, annotations: {} },
        aggregationRule: { clusterRoleSelectors: selectors },
      }) as ClusterRole;
    const wantedAlso = { ...gathering(label('a'), label('b')), rules: [pods] };
    expect(mendRole(gathering(label('own'), label('a')), wantedAlso)).toEqual({
      type: 'update',
      object: gathering(label('own'), label('a'), label('b')),
    });
    expect(mendRole(gathering(label('b'), label('a')), wantedAlso)).toEqual({ type: 'keep' });
    const { aggregationRule: _lost, ...flat } = gathering();
    expect(mendRole(flat as ClusterRole, wantedAlso)).toEqual({
      type: 'update',
      object: gathering(label('a'), label('b')),
    });
  });

  test('gets missing labels and annotations, and keeps the values that it has', () => {
    const draft = {
      ...wanted,
      metadata: { name: 'r', labels: { a: '1', b: '1' }, annotations: { [autoUpdate]: 'true' } },
    };
    const present = { ...wanted, metadata: { ...wanted.metadata, labels: { a: '2', c: '2' } } };
    expect(mendRole(present, draft as Draft<ClusterRole>)).toMatchObject({
      type: 'update',
      object: { metadata: { labels: { a: '2', b: '1', c: '2' }, annotations: { [autoUpdate]: 'true' } } },
    });
  });
});

describe('a binding that is there', () => {
  const wanted = binding('b', 'ClusterRole r', [ann, bob]) as ClusterRoleBinding;
  const settled = { ...wanted, metadata: { ...wanted.metadata, labels: {}, annotations: {} } } as ClusterRoleBinding;

  test('gets the subjects back that it lost, and keeps those that it was given', () => {
    const own = { ...ann, name: 'own' };
    expect(mendBinding<ClusterRoleBinding>({ ...settled, subjects: [own, bob] }, wanted)).toEqual({
      type: 'update',
      object: { ...settled, subjects: [own, bob, ann] },
    });
    const { subjects: _none, ...empty } = settled;
    expect(mendBinding(empty as ClusterRoleBinding, wanted)).toMatchObject({ object: { subjects: [ann, bob] } });
    expect(mendBinding(settled, wanted)).toEqual({ type: 'keep' });
    const unbound = binding('b', 'ClusterRole r', []) as ClusterRoleBinding;
    expect(mendBinding(empty as ClusterRoleBinding, unbound)).toEqual({ type: 'keep' });
    const { subjects: _nobody, ...open } = unbound;
    expect(mendBinding(empty as ClusterRoleBinding, open as never)).toEqual({ type: 'keep' });
  });

  test('is replaced when it gives another role', () => {
    const elsewhere = binding('b', 'ClusterRole other', [ann, bob]) as ClusterRoleBinding;
    expect(mendBinding(elsewhere, wanted)).toEqual({ type: 'replace' });
  });

  test('is not changed, whatever it grants, when it opted out', () => {
    const elsewhere = binding('b', 'ClusterRole other', []) as ClusterRoleBinding;
    const annotations = { [autoUpdate]: 'false' };
    const optedOut = { ...elsewhere, metadata: { ...elsewhere.metadata, annotations } };
    expect(mendBinding(optedOut, wanted)).toEqual({ type: 'keep' });
  });
});

test('a binding is replaced only if it is still the one that gave another role', async () => {
  const elsewhere = binding('b', 'Role other', [ann], 'kube-system');
  const deleted: unknown[] = [];
  const client = {
    list: async (kind: string) => ({ items: kind === 'RoleBinding' ? [elsewhere] : [] }),
    delete: async (...args: unknown[]) => deleted.push(args),
    create: async (_kind: string, draft: object) => ({ ...draft, metadata: { resourceVersion: '7' } }),
    update: async () => ({ metadata: { resourceVersion: '1' } }),
  };
  const wanted = binding('b', 'Role r', [ann], 'kube-system');
  const policy = { clusterRoles: [], clusterRoleBindings: [], roles: [], roleBindings: [wanted] };
  expect(await ensureBootstrapPolicy(client as never, policy as never)).toBe(7);
  expect(deleted).toEqual([
    ['RoleBinding', 'b', { namespace: 'kube-system', preconditions: { uid: elsewhere.metadata.uid } }],
  ]);
});
