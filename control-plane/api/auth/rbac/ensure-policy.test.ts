import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ClusterRole, ClusterRoleBinding } from '../../../../shared/generated/types.ts';
import { startTestApi, type TestApi } from '../../../../test/support/api-server.ts';
import { controllerAccounts } from '../../../controllers/index.ts';
import { autoUpdate, bootstrapPolicy } from './bootstrap-policy.ts';
import { ensureBootstrapPolicy } from './ensure-policy.ts';

let api: TestApi;
beforeEach(async () => {
  api = await startTestApi();
});
afterEach(() => api.stop());

const ensure = () => ensureBootstrapPolicy(api.client, bootstrapPolicy(controllerAccounts));
const role = (name: string): Promise<ClusterRole> => api.client.get('ClusterRole', name);
const binding = (name: string): Promise<ClusterRoleBinding> => api.client.get('ClusterRoleBinding', name);

test('makes every role and binding once, also when several servers start at a time', async () => {
  await Promise.all([ensure(), ensure()]);
  const { clusterRoles, roles } = bootstrapPolicy(controllerAccounts);
  expect((await api.client.list('ClusterRole')).items).toHaveLength(clusterRoles.length);
  expect((await api.client.list('Role')).items).toHaveLength(roles.length);
  expect(await ensure()).toBe(0);
});

test('admin includes edit, and edit includes view', async () => {
  await ensure();
  const [view, edit, admin] = await Promise.all(['view', 'edit', 'admin'].map(role));
  expect(edit?.rules).toEqual(expect.arrayContaining(view?.rules ?? []));
  expect(admin?.rules).toEqual(expect.arrayContaining(edit?.rules ?? []));
  expect(view?.rules?.some(({ resources }) => resources?.includes('secrets'))).toBe(false);
});

test('restores removed rules, keeps added ones', async () => {
  await ensure();
  const own = { apiGroups: ['example.com'], resources: ['widgets'], verbs: ['get'] };
  const discovery = await role('system:discovery');
  await api.client.update('ClusterRole', {
    ...discovery,
    metadata: { ...discovery.metadata, labels: { mine: 'yes' } },
    rules: [own],
  });
  const basic = await binding('system:basic-user');
  const guest = { kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'guest' };
  await api.client.update('ClusterRoleBinding', { ...basic, subjects: [guest] });
  await ensure();
  const mended = await role('system:discovery');
  expect(mended.rules?.[0]).toEqual(own);
  expect(mended.rules?.flatMap(({ nonResourceURLs = [] }) => nonResourceURLs)).toContain('/apis/*');
  expect(mended.metadata.labels).toEqual({ mine: 'yes', 'kubernetes.io/bootstrapping': 'rbac-defaults' });
  expect((await binding('system:basic-user')).subjects?.map(({ name }) => name)).toEqual([
    'guest',
    'system:authenticated',
  ]);
});

test('does not change roles that opted out, nor the rules of aggregated roles', async () => {
  await ensure();
  const discovery = await role('system:discovery');
  const annotations = { [autoUpdate]: 'false' };
  await api.client.update('ClusterRole', { ...discovery, metadata: { ...discovery.metadata, annotations }, rules: [] });
  const view = await role('view');
  await api.client.update('ClusterRole', { ...view, rules: [] });
  expect(await ensure()).toBe(0);
  expect((await role('system:discovery')).rules ?? []).toEqual([]);
  expect((await role('view')).rules ?? []).toEqual([]);
});

test('creates a binding again whose role reference was changed', async () => {
  await ensure();
  const { uid } = (await binding('system:discovery')).metadata;
  await api.client.delete('ClusterRoleBinding', 'system:discovery');
  await api.client.create('ClusterRoleBinding', {
    metadata: { name: 'system:discovery' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
  });
  await ensure();
  const anew = await binding('system:discovery');
  expect(anew.roleRef.name).toBe('system:discovery');
  expect(anew.metadata.uid).not.toBe(uid);
});
