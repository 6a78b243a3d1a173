import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock as clock } from '../../shared/clock.ts';
import { systemRandom as random } from '../../shared/random.ts';
import { createGrpcClient } from '../../shared/rpc/client.ts';
import { eventually } from '../support/eventually.ts';
import { type RbacServer, rbac, rbacGroup, startRbacServer, subject } from '../support/rbac-server.ts';

let server: RbacServer;
beforeAll(async () => {
  server = await startRbacServer();
});
afterAll(() => server?.stop());

describe('a user with `view` in one namespace', () => {
  const pods = '/api/v1/namespaces/default/pods';
  beforeAll(async () => {
    await server.bind('viv-views', 'view', subject('User', 'viv'), 'default');
    await eventually(async () => (await server.call('viv', 'GET', pods)).status === 200);
  });

  test('reads what view gives, there', async () => {
    for (const path of ['configmaps', 'services', 'pods/x/log', 'events', 'serviceaccounts']) {
      const { status } = await server.call('viv', 'GET', `/api/v1/namespaces/default/${path}`);
      expect([path, status === 200 || status === 404]).toEqual([path, true]);
    }
    expect((await server.call('viv', 'GET', '/apis/apps/v1/namespaces/default/deployments')).status).toBe(200);
    expect((await server.call('viv', 'GET', '/api/v1/namespaces/default')).status).toBe(200);
  });

  test('and nothing else', async () => {
    const refused = async (method: string, path: string, body?: object) => {
      const { status, json } = await server.call('viv', method, path, body);
      return status === 403 ? json.message : status;
    };
    expect(await refused('GET', '/api/v1/namespaces/default/secrets')).toBe(
      'secrets is forbidden: User "viv" cannot list resource "secrets" in API group "" in the namespace "default"',
    );
    expect(await refused('GET', '/api/v1/namespaces/kube-system/pods')).toContain('in the namespace "kube-system"');
    expect(await refused('GET', '/api/v1/pods')).toBe(
      'pods is forbidden: User "viv" cannot list resource "pods" in API group "" at the cluster scope',
    );
    expect(await refused('GET', '/api/v1/nodes')).toContain('cannot list resource "nodes"');
    expect(await refused('DELETE', `${pods}/x`)).toBe(
      'pods "x" is forbidden: User "viv" cannot delete resource "pods" in API group "" in the namespace "default"',
    );
    expect(await refused('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'x' } })).toContain(
      'cannot create resource "configmaps"',
    );
    expect(await refused('GET', `${rbac}/clusterroles`)).toContain('in API group "rbac.authorization.k8s.io"');
    expect(await refused('GET', '/metrics')).toBe('forbidden: User "viv" cannot get path "/metrics"');
  });

  test('loses it with the binding, at once', async () => {
    await server.bind('brief', 'view', subject('User', 'brief'), 'default');
    await eventually(async () => (await server.call('brief', 'GET', pods)).status === 200);
    await server.call('admin', 'DELETE', `${rbac}/namespaces/default/rolebindings/brief`);
    await eventually(async () => (await server.call('brief', 'GET', pods)).status === 403, { timeoutMs: 2_000 });
  });

  test('has the same rights over gRPC', async () => {
    const credentials = await server.pair('viv');
    const tls = { ca: server.authority.certificate, ...(credentials ? { credentials } : {}) };
    const client = createGrpcClient({ address: server.grpc, tls }, { clock, random });
    try {
      await expect(client.list('Pod', { namespace: 'default' })).resolves.toBeDefined();
      await expect(client.list('Secret', { namespace: 'default' })).rejects.toMatchObject({ reason: 'Forbidden' });
    } finally {
      client.close();
    }
  });
});

describe('the user of a request', () => {
  test('may be anonymous for health and version only', async () => {
    const statuses = await Promise.all(
      [
        '/version',
        '/healthz',
        '/livez',
        '/readyz',
        '/api',
        '/apis',
        '/openapi/v2',
        '/livez/ping',
        '/metrics',
        '/api/v1/pods',
      ].map(async (path) => [path, (await server.call('', 'GET', path)).status]),
    );
    expect(Object.fromEntries(statuses)).toEqual({
      '/version': 200,
      '/healthz': 200,
      '/livez': 200,
      '/readyz': 200,
      '/api': 403,
      '/apis': 403,
      '/openapi/v2': 403,
      '/livez/ping': 403,
      '/metrics': 403,
      '/api/v1/pods': 403,
    });
  });

  test('gets NotFound for an unknown resource only if authorized', async () => {
    const path = '/apis/example.com/v1/namespaces/default/widgets/a';
    const { status, json } = await server.call('viv', 'DELETE', path);
    expect([status, json.message]).toEqual([
      403,
      'widgets.example.com "a" is forbidden: User "viv" cannot delete resource "widgets" in API group "example.com" in the namespace "default"',
    ]);
    expect((await server.call('admin', 'DELETE', path)).status).toBe(404);
    expect((await server.call('', 'GET', '/api/v1/unknowns?watch=1')).json.message).toContain('cannot watch resource');
  });

  test('is not authenticated by a certificate of another CA, not even for the version', async () => {
    expect((await server.call('impostor', 'GET', '/version')).status).toBe(401);
    const headers = { authorization: 'Bearer robot-token' };
    expect((await server.call('impostor', 'GET', '/version', undefined, headers)).status).toBe(200);
  });

  test('is known by a token as well, and not let in with a bad one', async () => {
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
    const known = await server.call('', 'GET', '/api/v1/pods', undefined, bearer('robot-token'));
    expect(known.json.message).toContain('User "robot" cannot list');
    const bad = await server.call('', 'GET', '/version', undefined, bearer('nonsense'));
    expect(bad.json).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'Unauthorized',
      reason: 'Unauthorized',
      code: 401,
    });
    expect(bad.status).toBe(401);
  });
});

describe('giving rights', () => {
  beforeAll(async () => {
    await server.bind('ned-admin', 'admin', subject('User', 'ned'), 'default');
    await eventually(async () => (await server.call('ned', 'GET', `${rbac}/namespaces/default/roles`)).status === 200);
  });
  const role = (name: string, rules: object[]) => ({ metadata: { name }, rules });
  const roles = `${rbac}/namespaces/default/roles`;
  const bindings = `${rbac}/namespaces/default/rolebindings`;

  test('is allowed to users who have the rules', async () => {
    const own = [{ apiGroups: [''], resources: ['pods', 'secrets'], verbs: ['get', 'list'] }];
    expect((await server.call('ned', 'POST', roles, role('own', own))).status).toBe(201);
    const more = [
      { apiGroups: [''], resources: ['pods', 'nodes'], verbs: ['list', 'get'] },
      { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
    ];
    const refused = await server.call('ned', 'POST', roles, role('more', more));
    expect(refused.status).toBe(403);
    expect(refused.json.message).toBe(
      'roles.rbac.authorization.k8s.io "more" is forbidden: user "ned" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
        '{APIGroups:[""], Resources:["nodes"], Verbs:["list" "get"]}\n{APIGroups:["*"], Resources:["*"], Verbs:["*"]}',
    );
    const changed = await server.call('ned', 'PUT', `${roles}/own`, role('own', more));
    expect(changed.json.message).toContain('is attempting to grant RBAC permissions not currently held');
    const patched = await server.call(
      'ned',
      'PATCH',
      `${roles}/own`,
      { rules: more },
      {
        'content-type': 'application/merge-patch+json',
      },
    );
    expect(patched.json.message).toContain('is attempting to grant RBAC permissions not currently held');
    const applied = await server.call(
      ...(['ned', 'PATCH', `${roles}/applied?fieldManager=ned`] as const),
      { apiVersion: `${rbacGroup}/v1`, kind: 'Role', ...role('applied', more) },
      { 'content-type': 'application/apply-patch+yaml' },
    );
    expect(applied.json.message).toContain('is attempting to grant RBAC permissions not currently held');
  });

  test('of others’ roles needs as much, or the verb bind', async () => {
    const to = (kind: string, name: string) => ({ apiGroup: rbacGroup, kind, name });
    const binding = (name: string, roleRef: object) => ({
      metadata: { name },
      roleRef,
      subjects: [subject('User', 'friend')],
    });
    expect((await server.call('ned', 'POST', bindings, binding('view', to('ClusterRole', 'view')))).status).toBe(201);
    const refused = await server.call('ned', 'POST', bindings, binding('top', to('ClusterRole', 'cluster-admin')));
    expect(refused.json.message).toBe(
      'rolebindings.rbac.authorization.k8s.io "top" is forbidden: user "ned" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
        '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}',
    );
    const missing = await server.call('ned', 'POST', bindings, binding('gone', to('Role', 'gone')));
    expect([missing.status, missing.json.message]).toEqual([404, 'role.rbac.authorization.k8s.io "gone" not found']);
    const clusterRoles = `${rbac}/clusterroles`;
    const bindIt = {
      apiGroups: [rbacGroup],
      resources: ['clusterroles'],
      resourceNames: ['cluster-admin'],
      verbs: ['bind'],
    };
    await server.call('admin', 'POST', clusterRoles, role('binds', [bindIt]));
    await server.bind('ned-binds', 'binds', subject('User', 'ned'), 'default');
    const made = await eventually(async () => {
      const answer = await server.call('ned', 'POST', bindings, binding('top', to('ClusterRole', 'cluster-admin')));
      return answer.status === 201 && answer;
    });
    expect(made.json.roleRef.name).toBe('cluster-admin');
    await server.call('admin', 'DELETE', `${bindings}/top`);
    await server.call('admin', 'DELETE', `${bindings}/ned-binds`);
  });

  test('by aggregation works, and is allowed to users who have all rules', async () => {
    const clusterRoles = `${rbac}/clusterroles`;
    const labels = { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' };
    const rules = [{ apiGroups: ['example.com'], resources: ['widgets'], verbs: ['get'] }];
    await server.call('admin', 'POST', clusterRoles, { metadata: { name: 'widgets', labels }, rules });
    for (const name of ['view', 'edit', 'admin']) {
      await eventually(async () =>
        JSON.stringify((await server.call('admin', 'GET', `${clusterRoles}/${name}`)).json).includes('widgets'),
      );
    }
    const roleKeeper = [{ apiGroups: [rbacGroup], resources: ['clusterroles'], verbs: ['create', 'update', 'get'] }];
    await server.call('admin', 'POST', clusterRoles, role('keeper', roleKeeper));
    await server.bind('keeper', 'keeper', subject('User', 'kim'));
    const aggregationRule = { clusterRoleSelectors: [{ matchLabels: labels }] };
    const refused = await eventually(async () => {
      const answer = await server.call('kim', 'POST', clusterRoles, { metadata: { name: 'mine' }, aggregationRule });
      return !answer.json.message.includes('cannot create') && answer;
    });
    expect(refused.json.message).toBe(
      'clusterroles.rbac.authorization.k8s.io "mine" is forbidden: must have cluster-admin privileges to use the aggregationRule',
    );
  });
});

describe('impersonation', () => {
  const as = (user: string, ...groups: string[]) => ({
    'Impersonate-User': user,
    ...(groups.length > 0 ? { 'Impersonate-Group': groups } : {}),
  });
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const reviews = '/apis/authentication.k8s.io/v1/selfsubjectreviews';

  test('is allowed to users who may impersonate each part', async () => {
    const seen = await server.call('admin', 'POST', reviews, review, as('bob', 'devs', 'ops'));
    expect(seen.json.status.userInfo).toEqual({ username: 'bob', groups: ['devs', 'ops', 'system:authenticated'] });
    const pods = await server.call('admin', 'GET', '/api/v1/pods', undefined, as('bob'));
    expect(pods.json.message).toContain('User "bob" cannot list resource "pods"');
    const refused = await server.call('viv', 'POST', reviews, review, as('bob'));
    expect([refused.status, refused.json.message]).toEqual([
      403,
      'users "bob" is forbidden: User "viv" cannot impersonate resource "users" in API group "" at the cluster scope',
    ]);
    const rules = [{ apiGroups: [''], resources: ['users'], resourceNames: ['bob'], verbs: ['impersonate'] }];
    await server.call('admin', 'POST', `${rbac}/clusterroles`, { metadata: { name: 'as-bob' }, rules });
    await server.bind('as-bob', 'as-bob', subject('User', 'viv'));
    await eventually(async () => (await server.call('viv', 'POST', reviews, review, as('bob'))).status === 201);
    const group = await server.call('viv', 'POST', reviews, review, as('bob', 'system:masters'));
    expect(group.json.message).toContain('groups "system:masters" is forbidden');
    expect((await server.call('viv', 'POST', reviews, review, as('eve'))).status).toBe(403);
  });
});

describe('a review', () => {
  const group = '/apis/authorization.k8s.io/v1';
  const ask = (who: string, path: string, spec: object, metadata?: object) =>
    server.call(who, 'POST', `${group}/${path}`, { metadata, spec });
  const list = { verb: 'list', resource: 'pods', namespace: 'default' };

  test('reviews another user’s access, with the binding, for authorized users', async () => {
    const allowed = await ask('admin', 'subjectaccessreviews', { user: 'viv', resourceAttributes: list });
    expect(allowed.status).toBe(201);
    expect(allowed.json).toMatchObject({
      kind: 'SubjectAccessReview',
      apiVersion: 'authorization.k8s.io/v1',
      spec: { user: 'viv', resourceAttributes: list },
      status: {
        allowed: true,
        reason: 'RBAC: allowed by RoleBinding "viv-views/default" of ClusterRole "view" to User "viv"',
      },
    });
    const node = { user: 'system:node:a', groups: ['system:nodes'] };
    const get = { verb: 'get', resource: 'pods', namespace: 'default', name: 'x' };
    const denied = await ask('admin', 'subjectaccessreviews', { ...node, resourceAttributes: get });
    expect(denied.json.status).toEqual({
      allowed: false,
      reason: "no relationship found between node 'a' and this object",
    });
    const path = { user: 'viv', nonResourceAttributes: { path: '/metrics', verb: 'get' } };
    expect((await ask('admin', 'subjectaccessreviews', path)).json.status).toEqual({ allowed: false });
    expect((await ask('viv', 'subjectaccessreviews', { user: 'ned', resourceAttributes: list })).status).toBe(403);
  });

  test('of one namespace is for its administrators', async () => {
    const local = 'namespaces/default/localsubjectaccessreviews';
    const answer = await ask('ned', local, { user: 'viv', resourceAttributes: list });
    expect([answer.status, answer.json.status.allowed]).toEqual([201, true]);
    const elsewhere = { ...list, namespace: 'kube-system' };
    const wrong = await ask('ned', local, { user: 'viv', resourceAttributes: elsewhere });
    expect([wrong.status, wrong.json.message]).toEqual([422, expect.stringContaining('must match metadata.namespace')]);
    const other = 'namespaces/kube-system/localsubjectaccessreviews';
    expect((await ask('ned', other, { user: 'viv', resourceAttributes: elsewhere })).status).toBe(403);
  });

  test('of one’s own access is allowed to every authenticated user', async () => {
    const self = await ask('viv', 'selfsubjectaccessreviews', { resourceAttributes: list });
    expect(self.json.status.allowed).toBe(true);
    expect((await ask('', 'selfsubjectaccessreviews', { resourceAttributes: list })).status).toBe(403);
    const neither = await ask('viv', 'selfsubjectaccessreviews', {});
    expect([neither.status, neither.json.message]).toEqual([
      422,
      expect.stringContaining('exactly one of nonResourceAttributes or resourceAttributes must be specified'),
    ]);
    const rules = await ask('viv', 'selfsubjectrulesreviews', { namespace: 'default' });
    expect(rules.json.status.incomplete).toBe(false);
    expect(rules.json.status.resourceRules).toContainEqual({
      verbs: ['get', 'list', 'watch'],
      apiGroups: [''],
      resources: ['namespaces'],
    });
    expect((await ask('viv', 'selfsubjectrulesreviews', {})).json.message).toBe('no namespace on request');
  });

  test('is not kept', async () => {
    expect((await server.call('admin', 'GET', `${group}/subjectaccessreviews`)).status).toBe(405);
  });
});

describe('the roles that every cluster starts with', () => {
  test('are there, labelled', async () => {
    const view = await server.call('admin', 'GET', `${rbac}/clusterroles/view`);
    expect(view.json.metadata.labels['kubernetes.io/bootstrapping']).toBe('rbac-defaults');
    const list = await server.call('admin', 'GET', `${rbac}/clusterroles`);
    const names = list.json.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name);
    expect(names).toEqual(
      expect.arrayContaining(['cluster-admin', 'admin', 'edit', 'view', 'system:node', 'system:discovery']),
    );
  });
});
