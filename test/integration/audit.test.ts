import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Metadata, Client as RawClient, type StatusObject } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import type { ConfigMap, Secret } from '../../shared/generated/types.ts';
import { systemRandom } from '../../shared/random.ts';
import { createGrpcClient } from '../../shared/rpc/client.ts';
import { createRpcSchema } from '../../shared/rpc/schema.ts';
import { endChild, startAgentChild } from '../support/agent-child.ts';
import { hasEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { administrator, type Caller, type ServerProcess, startServerProcess } from '../support/server-process.ts';

const policy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
  - level: None
    nonResourceURLs: ["/healthz*", "/readyz*"]
  - level: Metadata
    omitStages: [RequestReceived]
    resources: [{ group: "", resources: [namespaces] }]
  - level: RequestResponse
    omitStages: [RequestReceived]
`;

// biome-ignore lint/suspicious/noExplicitAny: what stands in the log
type AuditEvent = any;

/** A whole server that audits, over REST and gRPC. */
describe.skipIf(!hasEtcd())('the audit log', () => {
  let server: ServerProcess;
  let admin: Caller;
  let dir: string;
  const path = (): string => join(dir, 'audit.log');

  const events = async (): Promise<AuditEvent[]> =>
    (await readFile(path(), 'utf8'))
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  const event = async (matching: (event: AuditEvent) => boolean): Promise<AuditEvent> => {
    await eventually(async () => (await events()).some(matching), { timeoutMs: 15_000 });
    return (await events()).find(matching);
  };
  const byId = async ({ headers }: { headers: object }, stage = 'ResponseComplete'): Promise<AuditEvent> => {
    const id = (headers as Record<string, string>)['audit-id'];
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    return event((one) => one.auditID === id && one.stage === stage);
  };

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coracle-audit-'));
    await writeFile(join(dir, 'policy.yaml'), policy);
    server = await startServerProcess({ auditPolicyFile: join(dir, 'policy.yaml'), auditLogPath: path() });
    admin = await server.caller(administrator);
  });
  afterAll(async () => {
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('records the user and the result of a write', async () => {
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'told' }, data: { a: 'b' } };
    const answer = await admin('POST', '/api/v1/namespaces/default/configmaps', { body });
    const told = await byId(answer);
    expect(told).toMatchObject({
      level: 'RequestResponse',
      verb: 'create',
      requestURI: '/api/v1/namespaces/default/configmaps',
      user: { username: 'kubernetes-admin' },
      sourceIPs: ['127.0.0.1'],
      objectRef: { resource: 'configmaps', namespace: 'default', apiVersion: 'v1' },
      responseStatus: { code: 201 },
      requestObject: { data: { a: 'b' } },
      responseObject: { data: { a: 'b' }, metadata: { name: 'told' } },
      annotations: { 'authorization.k8s.io/decision': 'allow' },
    });
    expect(told.responseObject.metadata.managedFields).toBeUndefined();
  });

  it('records the requested resource by its route, however the URL is written', async () => {
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'hidden' } };
    const hidden = '/%61pi//v1/%6eamespaces/default/%63onfigmaps';
    const made = await admin('POST', hidden, { body });
    expect(made.status).toBe(201);
    expect(await byId(made)).toMatchObject({
      verb: 'create',
      requestURI: hidden,
      objectRef: { resource: 'configmaps', namespace: 'default' },
    });
    const read = await admin('GET', '//%76ersion');
    expect(await byId(read)).toMatchObject({ verb: 'get', requestURI: '//%76ersion', responseStatus: { code: 200 } });
  });

  it('never has a Secret, whatever level the rest has', async () => {
    const body = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { a: 'top-secret' } };
    const answer = await admin('POST', '/api/v1/namespaces/default/secrets', { body });
    expect(await byId(answer)).toMatchObject({ level: 'Metadata', objectRef: { resource: 'secrets' } });
    const text = await readFile(path(), 'utf8');
    expect(text).not.toContain('top-secret');
    expect(text).not.toContain(Buffer.from('top-secret').toString('base64'));
  });

  it('has what a namespace wants audited of its pods, and what makes pods', async () => {
    const labels = {
      'pod-security.kubernetes.io/audit': 'restricted',
      'pod-security.kubernetes.io/enforce': 'baseline',
    };
    await admin('POST', '/api/v1/namespaces', {
      body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'watched', labels } },
    });
    const spec = { containers: [{ name: 'main', image: 'some:1' }] };
    const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec };
    const { annotations } = await byId(await admin('POST', '/api/v1/namespaces/watched/pods', { body }));
    expect(annotations['pod-security.kubernetes.io/enforce-policy']).toBe('baseline:latest');
    expect(annotations['pod-security.kubernetes.io/audit-violations']).toMatch(
      /^would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false \(container "main" must set/,
    );
    const template = { template: { metadata: { labels: { a: 'b' } }, spec } };
    const made = { apiVersion: 'v1', kind: 'PodTemplate', metadata: { name: 't' }, ...template };
    const told = await byId(await admin('POST', '/api/v1/namespaces/watched/podtemplates', { body: made }));
    expect(told.annotations['pod-security.kubernetes.io/audit-violations']).toMatch(/^would violate PodSecurity/);
  });

  it('records refused and impersonated requests, and those for missing objects', async () => {
    const bob = await server.caller({ user: 'bob', groups: [] });
    const refused = await byId(await bob('DELETE', '/api/v1/namespaces/default/pods/p'));
    expect(refused).toMatchObject({
      responseStatus: { status: 'Failure', reason: 'Forbidden', code: 403 },
      annotations: { 'authorization.k8s.io/decision': 'forbid' },
    });
    const headers = { 'impersonate-user': 'bob' };
    const acted = await byId(await admin('GET', '/api/v1/namespaces/default/pods', { headers }));
    expect(acted).toMatchObject({ user: { username: 'kubernetes-admin' }, impersonatedUser: { username: 'bob' } });
    expect(await byId(await admin('GET', '/apis/nobody.io/v1/things'))).toMatchObject({
      user: { username: 'kubernetes-admin' },
      responseStatus: { code: 404 },
    });
    const nobody = await server.caller();
    const unknown = await nobody('GET', '/api/v1/pods', { headers: { authorization: 'Bearer wrong' } });
    expect(await byId(unknown)).toMatchObject({ responseStatus: { reason: 'Unauthorized', code: 401 } });
  });

  it('records the start and the end of a watch', async () => {
    const answer = await admin('GET', '/api/v1/namespaces?watch=true&timeoutSeconds=1');
    expect(await byId(answer, 'ResponseStarted')).toMatchObject({ verb: 'watch', level: 'Metadata' });
    expect(await byId(answer)).toMatchObject({ responseStatus: { code: 200 } });
  });

  it('records gRPC calls in the same way', async () => {
    const tls = { ca: server.authority.certificate, credentials: await server.authority.issueClient(administrator) };
    const client = createGrpcClient({ address: server.grpc, tls }, { clock: systemClock, random: systemRandom });
    try {
      const map = { metadata: { name: 'by-grpc', namespace: 'default' }, data: { x: 'y' } };
      await client.create('ConfigMap', map as unknown as ConfigMap);
      const secret = { metadata: { name: 'hidden', namespace: 'default' }, stringData: { x: 'grpc-secret' } };
      await client.create('Secret', secret as unknown as Secret);
    } finally {
      client.close();
    }
    const told = await event((one) => one.objectRef?.name === 'by-grpc' && one.stage === 'ResponseComplete');
    expect(told).toMatchObject({
      verb: 'create',
      requestURI: '/coracle.v1.ConfigMaps/Create',
      user: { username: 'kubernetes-admin' },
      sourceIPs: ['127.0.0.1'],
      requestObject: { data: { x: 'y' } },
      responseStatus: { code: 201 },
    });
    await event((one) => one.objectRef?.name === 'hidden');
    expect(await readFile(path(), 'utf8')).not.toContain('grpc-secret');
  });

  it('answers gRPC calls with their ids, also those that it refuses', async () => {
    const { Version } = createRpcSchema().servers;
    const plain = (bytes: Buffer): Buffer => bytes;
    const idOf = async (path: string, sent: Record<string, string>): Promise<unknown> => {
      const client = new RawClient(server.grpc, credentials.createSsl(Buffer.from(server.authority.certificate)));
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(sent)) metadata.set(name, value);
      try {
        return await new Promise((resolve) => {
          const call = client.makeUnaryRequest(path, plain, plain, Buffer.alloc(0), metadata, () => undefined);
          call.on('status', (status: StatusObject) => resolve(status.metadata.get('audit-id')[0]));
        });
      } finally {
        client.close();
      }
    };
    expect(await idOf(Version.path, { 'audit-id': 'by-grpc.1' })).toBe('by-grpc.1');
    expect(await idOf('/coracle.v1.Pods/List', { 'audit-id': 'by-grpc.2', authorization: 'Bearer no' })).toBe(
      'by-grpc.2',
    );
    const user = { username: 'system:anonymous', groups: ['system:unauthenticated'] };
    const known = await event((one) => one.auditID === 'by-grpc.1' && one.stage === 'ResponseComplete');
    expect(known).toMatchObject({ user, verb: 'post', requestURI: Version.path, responseStatus: { code: 200 } });
    const refused = await event((one) => one.auditID === 'by-grpc.2' && one.stage === 'ResponseComplete');
    expect(refused).toMatchObject({ user, responseStatus: { code: 401, reason: 'Unauthorized' } });
  });

  it('records the joining of a node, its session, and the requests of components, each under its own name', async () => {
    const agent = await startAgentChild(server, 'n1');
    try {
      const of = (username: string, rest: (one: AuditEvent) => boolean): Promise<AuditEvent> =>
        event((one) => one.user.username === username && one.stage !== 'RequestReceived' && rest(one));
      const joined = await event(({ requestURI: uri }) => /Enroll$/.test(uri));
      expect(joined.user.username).toMatch(/^system:bootstrap:[a-z0-9]{6}$/);
      expect(joined).toMatchObject({ annotations: { 'coracle.io/node': 'n1' }, responseStatus: { code: 200 } });
      const session = await of('system:node:n1', ({ requestURI: uri }) => /NodeSession.*Connect$/.test(uri));
      expect(session).toMatchObject({
        stage: 'ResponseStarted',
        user: { groups: ['system:nodes', 'system:authenticated'] },
      });
      await of('system:node:n1', ({ verb, requestURI: uri }) => verb === 'create' && uri === '/api/v1/nodes');

      const pods = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'main', image: 'some:1' }] } };
      const spec = { replicas: 1, selector: { matchLabels: { a: 'b' } }, template: pods };
      const body = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec };
      await admin('POST', '/apis/apps/v1/namespaces/default/deployments', { body });
      const account = (name: string): string => `system:serviceaccount:kube-system:${name}`;
      const made = await of(account('deployment-controller'), ({ verb }) => verb === 'create');
      expect(made).toMatchObject({
        objectRef: { resource: 'replicasets', apiGroup: 'apps' },
        sourceIPs: ['127.0.0.1'],
        requestURI: '/apis/apps/v1/namespaces/default/replicasets',
      });
      await of(account('replicaset-controller'), ({ objectRef }) => objectRef?.resource === 'pods');
      // What another test has made may be placed on the node as well.
      const bound = await of(
        'system:kube-scheduler',
        ({ objectRef }) => objectRef?.subresource === 'binding' && objectRef.namespace === 'default',
      );
      expect(bound).toMatchObject({
        ...{
          verb: 'create',
          objectRef: { resource: 'pods', namespace: 'default', name: expect.stringMatching(/^web-/) },
        },
        requestObject: { target: { kind: 'Node', name: 'n1' } },
        responseStatus: { code: 201 },
      });
      await of('system:node:n1', ({ verb, objectRef }) => verb === 'update' && objectRef?.resource === 'pods');
      await of(
        'system:kube-controller-manager',
        ({ verb, objectRef }) => verb === 'watch' && objectRef?.resource === 'secrets',
      );
    } finally {
      await endChild(agent);
    }
    // The connection breaks: the session's end is told as well.
    await event(({ requestURI: uri, stage }) => /NodeSession.*Connect$/.test(uri) && stage === 'ResponseComplete');
  }, 60_000);

  it('leaves out what the policy leaves out, and gives an id all the same', async () => {
    const { headers } = await admin('GET', '/readyz', { headers: { 'audit-id': 'mine' } });
    expect(headers['audit-id']).toBe('mine');
    await admin('GET', '/api/v1/namespaces/default');
    await event((one) => one.requestURI === '/api/v1/namespaces/default');
    expect((await events()).filter((one) => one.requestURI === '/readyz' || one.stage === 'RequestReceived')).toEqual(
      [],
    );
  });
});
