import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Authenticator } from '../../control-plane/api/auth/authenticator.ts';
import type { TokenAuthenticator } from '../../control-plane/api/auth/token-cache.ts';
import { Chain } from '../../control-plane/api/chain/chain.ts';
import { createGrpcServer } from '../../control-plane/api/grpc/server.ts';
import { createRestServer } from '../../control-plane/api/rest/server.ts';
import { type ControlPlane, createControlPlane } from '../../control-plane/control-plane.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import { systemClock as clock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { type Authority, createAuthority, type KeyPair, loadAuthority } from '../../shared/pki/certificates.ts';
import { writeKubeconfig } from '../../shared/pki/kubeconfig.ts';
import { systemRandom as random } from '../../shared/random.ts';
import { createGrpcClient } from '../../shared/rpc/client.ts';
import { startCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { hasKubectl, kubectlProgram } from '../support/kubectl-program.ts';

const run = promisify(execFile);
const kubectlFound = hasKubectl();

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the wire's edge, in tests
  readonly json: any;
}

/** A whole control plane on a memory store, with both of its surfaces. */
interface Server {
  readonly controlPlane: ControlPlane;
  readonly authority: Authority;
  readonly dir: string;
  readonly grpc: string;
  /** A certificate of a user with groups, the same for the same names. `''`: nobody. */
  pair(user: string, groups?: readonly string[]): Promise<KeyPair | undefined>;
  call(
    who: string,
    method: string,
    path: string,
    body?: object,
    headers?: Record<string, string | string[]>,
  ): Promise<Answer>;
  /** Resolves with what kubectl printed; with its error's text when it failed. */
  kubectl(who: string, args: readonly string[], input?: string): Promise<string>;
  kubeconfig(who: string): Promise<string>;
  stop(): Promise<void>;
}

const robots: TokenAuthenticator = {
  async authenticate(token) {
    return token === 'robot-token' ? { user: 'robot', groups: ['robots'] } : undefined;
  },
};

async function startServer(): Promise<Server> {
  const authority = await loadAuthority(await createAuthority('test', { clock, random }), { clock, random });
  const serverPair = await authority.issueServer({ commonName: 'apiserver', names: ['127.0.0.1', 'localhost'] });
  const stop = new AbortController();
  const store = new MemoryStore({ clock });
  const parts = { store, clock, random, log: silentLog };
  const controlPlane = createControlPlane({ ...parts, holder: 'test', clusterCIDR: '10.64.0.0/16' });
  const { api, authorizer } = controlPlane;
  const authenticator = new Authenticator({ clock, authorizer, tokens: [robots] });
  const chain = new Chain({ clock, log: silentLog, authenticator });
  const rest = createRestServer({
    api,
    authorizer,
    chain,
    clock,
    log: silentLog,
    kinds: controlPlane.kinds,
    tls: { cert: serverPair.certificate, key: serverPair.key, ca: authority.certificate },
  });
  const grpc = createGrpcServer({
    api,
    chain,
    clock,
    log: silentLog,
    sessions: controlPlane.sessions,
    enrollment: {
      holderOf: () => Promise.reject(new Error('none')),
      enroll: () => Promise.reject(new Error('none')),
      renew: () => Promise.reject(new Error('none')),
    },
    tls: { ca: authority.certificate, server: serverPair },
  });
  const running = controlPlane.run(stop.signal);
  await controlPlane.ready(stop.signal);
  const port = await rest.listen(0, '127.0.0.1');
  const grpcPort = await grpc.listen('127.0.0.1:0');
  const dir = await mkdtemp(join(tmpdir(), 'coracle-rbac-'));
  const pairs = new Map<string, Promise<KeyPair>>();
  const agents = new Map<string, Agent>();

  const pair = async (user: string, groups: readonly string[] = []) => {
    if (user === '') return undefined;
    const known = pairs.get(user) ?? authority.issueClient({ user, groups });
    pairs.set(user, known);
    return known;
  };
  const agentOf = async (user: string): Promise<Agent> => {
    const own = await pair(user);
    const agent =
      agents.get(user) ??
      new Agent({ keepAlive: true, ca: authority.certificate, cert: own?.certificate, key: own?.key });
    agents.set(user, agent);
    return agent;
  };
  const kubeconfigOf = async (user: string): Promise<string> => {
    const credentials = await pair(user);
    if (!credentials) throw new Error('nobody has no kubeconfig');
    const path = join(dir, `${user}.kubeconfig`);
    const text = writeKubeconfig({
      cluster: 'test',
      user,
      credentials,
      ca: authority.certificate,
      rest: `https://127.0.0.1:${port}`,
      grpc: `127.0.0.1:${grpcPort}`,
    });
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  await pair('admin', ['system:masters']);
  const other = await loadAuthority(await createAuthority('other', { clock, random }), { clock, random });
  pairs.set('impostor', other.issueClient({ user: 'kubernetes-admin', groups: ['system:masters'] }));
  return {
    controlPlane,
    authority,
    dir,
    grpc: `127.0.0.1:${grpcPort}`,
    pair,
    async call(who, method, path, body, headers = {}) {
      const agent = await agentOf(who);
      const type = body ? { 'content-type': 'application/json' } : {};
      return new Promise((resolve, reject) => {
        const sent = request(
          { host: '127.0.0.1', port, method, path, agent, headers: { ...type, ...headers } },
          (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (chunk) => {
              text += chunk;
            });
            response.on('end', () => {
              const json = text.startsWith('{') ? JSON.parse(text) : text;
              resolve({ status: response.statusCode ?? 0, json });
            });
          },
        );
        sent.on('error', reject);
        sent.end(body && JSON.stringify(body));
      });
    },
    async kubectl(who, args, input = '') {
      const env = { PATH: process.env.PATH, HOME: dir, KUBECONFIG: await kubeconfigOf(who) };
      const running = run(kubectlProgram, [...args, `--cache-dir=${dir}/cache`], { env, timeout: 30_000 });
      running.child.stdin?.end(input);
      return running.then(
        ({ stdout }) => stdout,
        ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
      );
    },
    kubeconfig: kubeconfigOf,
    async stop() {
      for (const agent of agents.values()) agent.destroy();
      await Promise.all([rest.close(), grpc.close(100)]);
      controlPlane.sessions.close();
      stop.abort();
      await running;
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.stop());

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const rbacGroup = 'rbac.authorization.k8s.io';
const subject = (kind: string, name: string) => ({ kind, name, apiGroup: rbacGroup });

async function bind(name: string, role: string, who: object, namespace?: string): Promise<void> {
  const path = namespace ? `${rbac}/namespaces/${namespace}/rolebindings` : `${rbac}/clusterrolebindings`;
  const roleRef = { apiGroup: rbacGroup, kind: 'ClusterRole', name: role };
  const made = await server.call('admin', 'POST', path, { metadata: { name }, roleRef, subjects: [who] });
  expect(made.status).toBe(201);
}

describe('a user with `view` in one namespace', () => {
  const pods = '/api/v1/namespaces/default/pods';
  beforeAll(async () => {
    await bind('viv-views', 'view', subject('User', 'viv'), 'default');
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
    await bind('brief', 'view', subject('User', 'brief'), 'default');
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
    await bind('ned-admin', 'admin', subject('User', 'ned'), 'default');
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
    await bind('ned-binds', 'binds', subject('User', 'ned'), 'default');
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
    await bind('keeper', 'keeper', subject('User', 'kim'));
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
    await bind('as-bob', 'as-bob', subject('User', 'viv'));
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

describe.skipIf(!kubectlFound)('kubectl', () => {
  beforeAll(async () => {
    await bind('dev-edits', 'edit', subject('User', 'dev'), 'default');
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
