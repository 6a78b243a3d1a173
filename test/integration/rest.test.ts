import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type TLSSocket } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { eventually } from '../support/eventually.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string, more: object = {}) => ({ metadata: { name }, ...more });

describe('the REST API', () => {
  let server: TestRest;
  beforeAll(async () => {
    server = await startTestRest();
  });
  afterAll(() => server?.stop());

  /** A connection on which a test reads by itself, or does not. */
  async function raw(): Promise<TLSSocket> {
    const { users, clusters } = parseYaml(await readFile(server.kubeconfig, 'utf8'));
    const pem = (text: string): string => Buffer.from(text, 'base64').toString();
    const socket = connect({
      host: '127.0.0.1',
      port: server.port,
      ca: pem(clusters[0].cluster['certificate-authority-data']),
      cert: pem(users[0].user['client-certificate-data']),
      key: pem(users[0].user['client-key-data']),
    });
    await once(socket, 'secureConnect');
    return socket;
  }

  it('answers with Kubernetes’ codes and Status objects', async () => {
    const made = await server.call('POST', configMaps, { body: configMap('codes') });
    expect([made.status, made.json.kind, made.json.apiVersion]).toEqual([201, 'ConfigMap', 'v1']);
    const again = await server.call('POST', configMaps, { body: configMap('codes') });
    expect(again.status).toBe(409);
    expect(again.json).toMatchObject({ kind: 'Status', status: 'Failure', reason: 'AlreadyExists', code: 409 });
    expect((await server.call('GET', `${configMaps}/none`)).status).toBe(404);
    expect((await server.call('GET', '/api/v1/unknowns')).status).toBe(404);
    expect((await server.call('PUT', configMaps, { body: {} })).status).toBe(405);
    expect((await server.call('POST', configMaps, { body: '{' })).status).toBe(400);
    const invalid = await server.call('POST', configMaps, { body: configMap('Not-A-Name') });
    expect(invalid.status).toBe(422);
    expect(invalid.json.details.causes[0]).toMatchObject({ field: 'metadata.name', reason: 'FieldValueInvalid' });
    const apply = await server.call('PATCH', `${configMaps}/codes`, {
      body: '{}',
      headers: { 'content-type': 'application/apply-patch+cbor' },
    });
    expect(apply.status).toBe(415);
    const gone = await server.call('DELETE', `${configMaps}/codes`);
    expect([gone.status, gone.json.status]).toEqual([200, 'Success']);
  });

  it('refuses methods that a path has not, as Kubernetes routes them', async () => {
    const refused = 'the server does not allow this method on the requested resource';
    for (const [method, path] of [
      ['DELETE', '/api/v1/namespaces'],
      ['POST', '/api/v1/configmaps'],
      ['DELETE', '/api/v1/configmaps'],
      ['POST', `${configMaps}/x`],
      ['PUT', configMaps],
      ['GET', '/api/v1/namespaces/default/pods/x/binding'],
      ['DELETE', '/apis/apps/v1/namespaces/default/deployments/x/scale'],
    ] as const) {
      const { json } = await server.call(method, path, { body: {} });
      expect([path, json.code, json.reason, json.message]).toEqual([path, 405, 'MethodNotAllowed', refused]);
    }
    const { resources } = (await server.call('GET', '/api/v1')).json;
    const namespaces = resources.find(({ name }: { name: string }) => name === 'namespaces');
    expect(namespaces.verbs).toEqual(['create', 'delete', 'get', 'list', 'patch', 'update', 'watch']);
  });

  it('makes by an update what Kubernetes makes by one, and nothing else', async () => {
    const path = '/api/v1/namespaces/default/endpoints/made';
    const dry = await server.call('PUT', `${path}?dryRun=All`, { body: { metadata: { name: 'made' } } });
    expect(dry.status).toBe(201);
    const made = await server.call('PUT', path, { body: { metadata: { resourceVersion: '7' }, foo: 1 } });
    expect([made.status, made.json.metadata.name, made.headers.warning]).toEqual([
      ...[201, 'made', '299 - "unknown field \\"foo\\""'],
    ]);
    expect((await server.call('PUT', path, { body: made.json })).status).toBe(200);
    const other = await server.call('PUT', '/api/v1/namespaces/default/endpoints/other', {
      body: { metadata: { name: 'other', uid: 'x' } },
    });
    expect([other.status, other.json.reason]).toEqual([409, 'Conflict']);
    expect((await server.call('PUT', `${configMaps}/made`, { body: configMap('made') })).status).toBe(404);
  });

  it('wants a version of an update where Kubernetes does', async () => {
    const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
    const { json } = await server.call('POST', leases, { body: configMap('held') });
    const blind = await server.call('PUT', `${leases}/held`, { body: configMap('held') });
    expect([blind.status, blind.json.message]).toEqual([
      422,
      'leases.coordination.k8s.io "held" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update',
    ]);
    expect((await server.call('PUT', `${leases}/held`, { body: json })).status).toBe(200);
  });

  it('keeps an owner once, with a warning', async () => {
    const owner = { apiVersion: 'v1', kind: 'Pod', name: 'a', uid: 'u-1' };
    const body = { metadata: { name: 'owned', ownerReferences: [owner, owner] } };
    const made = await server.call('POST', configMaps, { body });
    expect(made.json.metadata.ownerReferences).toEqual([owner]);
    expect(made.headers.warning).toContain('please fix your requests; duplicate UID(s) observed: u-1');
    const patched = await server.call('PATCH', `${configMaps}/owned`, {
      body: [{ op: 'add', path: '/metadata/ownerReferences/-', value: owner }],
      headers: { 'content-type': 'application/json-patch+json' },
    });
    expect(patched.json.metadata.ownerReferences).toEqual([owner]);
    expect(patched.headers.warning).toContain('contains duplicate entries after mutating admission happens; ');
  });

  it('reports for an existing generated name that a retry may succeed', async () => {
    const body = { metadata: { name: 'owned', generateName: 'own' } };
    const { status, json } = await server.call('POST', configMaps, { body });
    expect([status, json.message, json.details.retryAfterSeconds]).toEqual([
      409,
      'configmaps "owned" already exists, the server was not able to generate a unique name for the object',
      1,
    ]);
  });

  it('authenticates the user by the certificate alone', async () => {
    const denied = await server.call('GET', configMaps, { as: 'nobody' });
    expect(denied.status).toBe(403);
    expect(denied.json.message).toContain('User "system:anonymous" cannot list resource "configmaps"');
    expect((await server.call('GET', '/version', { as: 'nobody' })).json).toMatchObject({
      gitVersion: 'v1.32.0+coracle',
      gitCommit: expect.stringMatching(/^([0-9a-f]{40}|unknown)$/),
      gitTreeState: expect.stringMatching(/^(clean|dirty|archive)$/),
      buildDate: expect.stringMatching(/^20\d\d-/),
      goVersion: `node${process.versions.node}`,
      compiler: expect.stringMatching(/^tsc \d/),
    });
    expect((await server.call('GET', '/metrics', { as: 'nobody' })).status).toBe(403);
    const pretending = await server.call('GET', configMaps, { headers: { 'Impersonate-User': 'somebody' } });
    expect(pretending.status).toBe(403);
  });

  it('bounds bodies by size and by depth', async () => {
    const large = await server.call('POST', configMaps, {
      body: configMap('large', { data: { a: 'x'.repeat(4 * 1024 * 1024) } }),
    });
    expect(large.status).toBe(413);
    const deep = `{"metadata":{"name":"deep"},"data":${'['.repeat(10_000)}${']'.repeat(10_000)}}`;
    expect((await server.call('POST', configMaps, { body: deep })).status).toBe(400);
  });

  it('takes and gives YAML, warns of unknown fields, refuses them when strict', async () => {
    const body = 'metadata:\n  name: yaml\ndata: {a: b}\ndatum: 1\n';
    const headers = { 'content-type': 'application/yaml', accept: 'application/yaml' };
    const warned = await server.call('POST', `${configMaps}?dryRun=All`, { body, headers });
    expect(warned.status).toBe(201);
    expect(warned.headers.warning).toBe('299 - "unknown field \\"datum\\""');
    expect(parseYaml(warned.text).data).toEqual({ a: 'b' });
    const refused = await server.call('POST', `${configMaps}?fieldValidation=Strict`, { body, headers });
    expect(refused.status).toBe(400);
    expect(refused.text).toContain('datum');
  });

  it('serves a large list whole, also compressed', async () => {
    const data = { text: 'x'.repeat(500) };
    for (let i = 0; i < 600; i++) {
      await server.client.create('ConfigMap', { metadata: { name: `many-${i}`, namespace: 'kube-public' }, data });
    }
    const path = '/api/v1/namespaces/kube-public/configmaps';
    const plain = await server.call('GET', path);
    expect(plain.json.items).toHaveLength(600);
    const socket = await raw();
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n`);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk);
    const answer = Buffer.concat(chunks);
    const head = answer.indexOf('\r\n\r\n');
    expect(answer.subarray(0, head).toString()).toContain('Content-Encoding: gzip');
    expect(JSON.parse(gunzipSync(unchunk(answer.subarray(head + 4))).toString()).items).toHaveLength(600);
  });

  it('pages with continue tokens and the number of remaining items', async () => {
    const path = '/api/v1/namespaces/kube-public/configmaps?limit=250';
    const first = await server.call('GET', path);
    expect(first.json.metadata.remainingItemCount).toBe(350);
    const second = await server.call('GET', `${path}&continue=${first.json.metadata.continue}`);
    expect(second.json.items).toHaveLength(250);
    expect(second.json.metadata.resourceVersion).toBe(first.json.metadata.resourceVersion);
    expect((await server.call('GET', `${path}&continue=nonsense`)).status).toBe(400);
  });

  it('ends a watch from a forgotten revision with an ERROR event of code 410', async () => {
    const small = await startTestRest();
    try {
      for (let i = 0; i < 9_000; i++) {
        await small.client.create('ConfigMap', { metadata: { name: `c${i}`, namespace: 'default' } });
      }
      const answer = await small.call('GET', '/api/v1/configmaps?watch=1&resourceVersion=2');
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.text)).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } });
    } finally {
      await small.stop();
    }
  });

  it('marks the end of the initial events and ends a watch at its timeout', async () => {
    const query = 'watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan';
    const answer = await server.call('GET', `/api/v1/namespaces?${query}&timeoutSeconds=1`);
    const events = answer.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.slice(0, -1).map(({ type }) => type)).toEqual(['ADDED', 'ADDED', 'ADDED', 'ADDED']);
    expect(events.at(-1)).toMatchObject({
      type: 'BOOKMARK',
      object: { kind: 'Namespace', metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
    });
  });

  it('does not pile up events for a watcher that does not read', async () => {
    const socket = await raw();
    socket.pause();
    socket.write(`GET ${configMaps}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n`);
    await eventually(async () => (await server.call('GET', '/metrics')).status === 200);
    const data = { text: 'x'.repeat(20_000) };
    let now = await server.client.create('ConfigMap', { metadata: { name: 'busy', namespace: 'default' }, data });
    for (let i = 0; i < 6_000; i++) {
      now = await server.client.update('ConfigMap', { ...now, data: { ...data, i: String(i) } });
    }
    // 6,000 events of 20 kB are far more than what sockets hold: what it reads in the end is an end, not all of them.
    let size = 0;
    let tail = '';
    socket.on('data', (chunk: Buffer) => {
      size += chunk.length;
      tail = (tail + chunk.toString('latin1')).slice(-2_000);
    });
    socket.resume();
    await eventually(() => tail.includes('"code":410'));
    expect(size).toBeLessThan(60_000_000);
    socket.destroy();
  });

  it('closes without waiting for watches', async () => {
    const short = await startTestRest();
    try {
      const watching = short.call('GET', '/api/v1/namespaces?watch=1');
      await eventually(async () => (await short.call('GET', '/readyz')).text === 'ok');
      const began = performance.now();
      await short.rest.close();
      expect((await watching).status).toBe(200);
      expect(performance.now() - began).toBeLessThan(2_000);
    } finally {
      await short.stop();
    }
  });

  it('reports its health, check by check', async () => {
    expect((await server.call('GET', '/readyz')).text).toBe('ok');
    expect((await server.call('GET', '/readyz?verbose')).text).toContain('[+]cache ok');
    expect((await server.call('GET', '/livez/ping')).text).toBe('ok');
    const { text } = await server.call('GET', '/metrics');
    expect(text).toContain('apiserver_request_total{');
    // By these, rules of others tell a fast answer from a slow one, and one version from another.
    for (const le of ['1', '5', '30'])
      expect(text).toMatch(new RegExp(`apiserver_request_duration_seconds_bucket{le="${le}",`));
    expect(text).toMatch(/^kubernetes_build_info\{major="1",minor="32",git_version="v1\.32\.0\+coracle".*\} 1$/m);
  });

  it('serves discovery in both forms', async () => {
    const list = await server.call('GET', '/apis/apps/v1');
    expect(list.json.resources.map(({ name }: { name: string }) => name)).toContain('deployments/scale');
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
    const aggregated = await server.call('GET', '/apis', { headers: { accept } });
    expect(aggregated.json.kind).toBe('APIGroupDiscoveryList');
    expect(aggregated.headers['content-type']).toContain('as=APIGroupDiscoveryList');
  });
});

function unchunk(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.subarray(at, line).toString(), 16);
    if (!(size > 0)) return Buffer.concat(parts);
    parts.push(body.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}
