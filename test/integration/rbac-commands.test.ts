import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { hasKubectl } from '../support/kubectl-program.ts';
import { type RbacServer, rbac, startRbacServer, subject } from '../support/rbac-server.ts';

let server: RbacServer;
beforeAll(async () => {
  server = await startRbacServer();
  await server.bind('viv-views', 'view', subject('User', 'viv'), 'default');
  const pods = '/api/v1/namespaces/default/pods';
  await eventually(async () => (await server.call('viv', 'GET', pods)).status === 200);
});
afterAll(() => server?.stop());

describe.skipIf(!hasKubectl())('kubectl', () => {
  beforeAll(async () => {
    await server.bind('dev-edits', 'edit', subject('User', 'dev'), 'default');
    await eventually(async () => (await server.kubectl('dev', ['auth', 'can-i', 'create', 'pods'])) === 'yes\n');
  });

  test('auth can-i answers, in all its forms', async () => {
    const canI = (who: string, ...args: string[]) => server.kubectl(who, ['auth', 'can-i', ...args]);
    expect(await canI('dev', 'create', 'deployments.apps')).toBe('yes\n');
    expect(await canI('dev', 'get', 'pods', '--subresource=log')).toBe('yes\n');
    expect(await canI('dev', 'get', 'nodes')).toMatch(/^no/m);
    expect(await canI('dev', 'list', 'pods', '-n', 'kube-system')).toBe('no\n');
    expect(await canI('dev', 'get', 'roles')).toBe('no\n');
    expect(await canI('dev', '*', '*')).toBe('no\n');
    expect(await canI('admin', '*', '*')).toBe('yes\n');
    expect(await canI('dev', 'get', '/version')).toBe('yes\n');
    expect(await canI('dev', 'get', '/metrics')).toBe('no\n');
    expect(await canI('admin', 'list', 'pods', '--as=dev')).toBe('yes\n');
    expect(await canI('admin', 'list', 'secrets', '--as=viv')).toBe('no\n');
    expect(await canI('admin', 'list', 'nodes', '--as=x', '--as-group=system:masters')).toMatch(/^yes$/m);
    expect(await canI('dev', 'list', 'pods', '--as=viv')).toContain('cannot impersonate resource "users"');
  });

  test('auth can-i --list shows the rules', async () => {
    const list = await server.kubectl('dev', ['auth', 'can-i', '--list']);
    expect(list).toMatch(/^Resources +Non-Resource URLs +Resource Names +Verbs$/m);
    expect(list).toMatch(/^selfsubjectaccessreviews.authorization.k8s.io +\[\] +\[\] +\[create\]$/m);
    expect(list).toMatch(/^pods\/exec +\[\] +\[\] +\[/m);
    expect(list).toMatch(/^ +\[\/version\] +\[\] +\[get\]$/m);
    const all = await server.kubectl('admin', ['auth', 'can-i', '--list', '-n', 'default']);
    expect(all).toMatch(/^\*\.\* +\[\] +\[\] +\[\*\]$/m);
    expect(all.match(/^ +\[\*\] +\[\] +\[\*\]$/gm)).toHaveLength(1);
  });

  test('auth whoami shows the user', async () => {
    const whoami = await server.kubectl('admin', [
      'auth',
      'whoami',
      '--as=bob',
      '--as-group=devs',
      '--as-uid=u1',
      '-o',
      'json',
    ]);
    expect(JSON.parse(whoami).status.userInfo).toEqual({
      username: 'bob',
      uid: 'u1',
      groups: ['devs', 'system:authenticated'],
    });
    expect(await server.kubectl('dev', ['auth', 'whoami'])).toMatch(/Username +dev\nGroups +\[system:authenticated\]/);
  });

  test('auth reconcile makes and mends roles', async () => {
    const manifest = (verbs: string) => `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reconciled}
rules:
- {apiGroups: [""], resources: [pods], verbs: ${verbs}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reconciled}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reconciled}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: rec}]
`;
    const first = await server.kubectl('admin', ['auth', 'reconcile', '-f', '-'], manifest('[get]'));
    expect(first).toContain('clusterrole.rbac.authorization.k8s.io/reconciled reconciled');
    await server.kubectl('admin', ['auth', 'reconcile', '-f', '-'], manifest('[list]'));
    const { json } = await server.call('admin', 'GET', `${rbac}/clusterroles/reconciled`);
    expect(json.rules.map(({ verbs }: { verbs: string[] }) => verbs)).toEqual([['get'], ['list']]);
    expect(await server.kubectl('rec', ['auth', 'can-i', 'list', 'pods', '-A'])).toBe('yes\n');
  });

  test('makes, shows and describes roles and bindings', async () => {
    const admin = (...args: string[]) => server.kubectl('admin', args);
    expect(await admin('create', 'role', 'reader', '--verb=get,list', '--resource=pods,deployments.apps/scale')).toBe(
      'role.rbac.authorization.k8s.io/reader created\n',
    );
    await admin('create', 'rolebinding', 'readers', '--role=reader', '--user=u', '--serviceaccount=default:ci');
    expect(await admin('get', 'rolebinding', 'readers', '-o', 'wide')).toMatch(
      /readers +Role\/reader +\S+ +u +default\/ci/,
    );
    expect(await admin('describe', 'rolebinding', 'readers')).toMatch(/ServiceAccount +ci +default/);
    expect(await admin('describe', 'role', 'reader')).toMatch(/deployments.apps\/scale +\[\] +\[\] +\[get list\]/);
    await eventually(
      async () => (await admin('auth', 'can-i', 'get', 'pods', '--as=system:serviceaccount:default:ci')) === 'yes\n',
    );
    expect(await admin('create', 'clusterrole', 'odd', '--verb=get', '--non-resource-url=/logs/*')).toContain(
      'created',
    );
  });

  test('refuses in Kubernetes’ words', async () => {
    expect(await server.kubectl('dev', ['get', 'nodes'])).toBe(
      'Error from server (Forbidden): nodes is forbidden: User "dev" cannot list resource "nodes" in API group "" at the cluster scope\n',
    );
  });
});

describe('coracle', () => {
  const coracle = async (who: string, ...args: string[]) => {
    const { code, out, err } = await startCli(args, { KUBECONFIG: await server.kubeconfig(who), HOME: server.dir })
      .done;
    return { code, text: out + err };
  };

  test('auth can-i answers, also by its exit code', async () => {
    expect(await coracle('viv', 'auth', 'can-i', 'list', 'pods')).toEqual({ code: 0, text: 'yes\n' });
    expect(await coracle('viv', 'auth', 'can-i', 'get', 'pods/x', '--subresource', 'log')).toMatchObject({ code: 0 });
    expect(await coracle('viv', 'auth', 'can-i', 'delete', 'deploy')).toEqual({ code: 1, text: 'no\n' });
    expect(await coracle('viv', 'auth', 'can-i', 'list', 'pods', '-A')).toEqual({ code: 1, text: 'no\n' });
    expect(await coracle('viv', 'auth', 'can-i', 'get', '/metrics', '-q')).toEqual({ code: 1, text: '' });
    expect((await coracle('viv', 'auth', 'can-i', '--list')).text).toMatch(
      /^pods\/log +\[\] +\[\] +\[get list watch\]$/m,
    );
  });

  test('auth whoami shows the user, also with impersonation and by a token', async () => {
    expect((await coracle('viv', 'auth', 'whoami')).text).toMatch(/Username +viv\nGroups +\[system:authenticated\]/);
    const as = await coracle(
      'admin',
      'auth',
      'whoami',
      '--as',
      'bob',
      '--as-group',
      'a',
      '--as-group',
      'b',
      '--as-uid',
      'u',
    );
    expect(as.text).toMatch(/Username +bob\nUID +u\nGroups +\[a b system:authenticated\]/);
    expect((await coracle('viv', 'get', 'pods', '--as', 'admin')).text).toContain(
      'cannot impersonate resource "users"',
    );
    expect((await coracle('viv', 'auth', 'whoami', '--token', 'robot-token')).text).toMatch(/Username +robot/);
    expect((await coracle('viv', 'auth', 'whoami', '--token', 'bad')).text).toContain('Unauthorized');
  });
});
