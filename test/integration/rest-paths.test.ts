import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { healthText } from '../../control-plane/api/rest/handlers/health.ts';
import { servedKinds } from '../../shared/kinds/index.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

describe('what is no resource', () => {
  let server: TestRest;
  beforeAll(async () => {
    server = await startTestRest();
  });
  afterAll(() => server?.stop());

  it('reports health by single checks, and without excluded ones', async () => {
    expect((await server.call('GET', '/readyz/cache')).text).toBe('ok');
    expect((await server.call('GET', '/readyz/none')).status).toBe(404);
    const verbose = await server.call('GET', '/readyz?verbose&exclude=cache&exclude=moon');
    expect(verbose.text).toBe(
      '[+]ping ok\n[+]cache excluded: ok\nwarn: some health checks cannot be excluded: no matches for "moon"\nreadyz check passed\n',
    );
    expect((await server.call('HEAD', '/readyz')).status).toBe(200);
  });

  it('takes no body of a form, which any page in a browser may send', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x']) {
      const headers = { 'content-type': type };
      const body = JSON.stringify({ metadata: { name: 'forged' } });
      const answer = await server.call('POST', '/api/v1/namespaces/default/configmaps', { headers, body });
      expect([type, answer.status]).toEqual([type, 415]);
    }
  });

  it('makes of a name no path in the store', async () => {
    const home = '/api/v1/namespaces/default';
    for (const [path, part, fault] of [
      [`${home}/secrets/a%2Fb`, 'a/b', "may not contain '/'"],
      [`${home}/configmaps/%2e%2e`, '..', "may not be '..'"],
      ['/api/v1/namespaces/default%2Fx/secrets/y', 'default/x', "may not contain '/'"],
      ['/api/v1/nodes/a%25b', 'a%b', "may not contain '%'"],
    ] as const) {
      for (const method of ['GET', 'DELETE', 'PUT'] as const) {
        const { status, json } = await server.call(method, path, method === 'PUT' ? { body: {} } : {});
        expect([method, path, status, json.message]).toEqual([
          ...[method, path, 400],
          `Name parameter invalid: "${part}": ${fault}`,
        ]);
      }
    }
  });

  it('names the failing check, unless it is excluded', async () => {
    const checks = { etcd: () => Promise.reject(new Error('no answer')) };
    expect(await healthText('livez', checks, { verbose: false, exclude: [] })).toEqual({
      ok: false,
      text: '[+]ping ok\n[-]etcd failed: no answer\nlivez check failed\n',
    });
    expect(await healthText('livez', checks, { verbose: false, exclude: ['etcd'] })).toEqual({ ok: true, text: 'ok' });
    expect((await healthText('livez', checks, { verbose: false, exclude: [], only: 'etcd' }))?.ok).toBe(false);
  });

  it('discovers every kind with its verbs, in each form, and sends the long one only once', async () => {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
    const found: string[] = [];
    for (const root of ['/api', '/apis']) {
      const answer = await server.call('GET', root, { headers: { accept } });
      const etag = `${answer.headers.etag}`;
      const again = await server.call('GET', root, { headers: { accept, 'if-none-match': etag } });
      expect(again.status).toBe(304);
      for (const group of answer.json.items) {
        for (const { version, resources } of group.versions) {
          for (const one of resources) found.push(`${group.metadata.name ?? ''}/${version}/${one.resource}`);
          const path = group.metadata.name ? `/apis/${group.metadata.name}/${version}` : `/api/${version}`;
          const list = (await server.call('GET', path)).json.resources;
          for (const one of resources) {
            const same = list.find(({ name }: { name: string }) => name === one.resource);
            expect(same?.verbs).toEqual(one.verbs);
          }
        }
      }
    }
    expect(found.sort()).toEqual(servedKinds.map((def) => `${def.group}/${def.version}/${def.plural}`).sort());
    for (const { group } of servedKinds) {
      if (!group) continue;
      const one = await server.call('GET', `/apis/${group}`);
      expect([one.json.kind, one.json.name]).toEqual(['APIGroup', group]);
    }
  });

  it('returns YAML on request, and JSON to clients that accept only unknown formats', async () => {
    const yaml = await server.call('GET', '/version', { headers: { accept: 'application/yaml' } });
    expect(yaml.headers['content-type']).toBe('application/yaml');
    const protobuf = { accept: 'application/vnd.kubernetes.protobuf' };
    expect((await server.call('GET', '/apis', { headers: protobuf })).json.kind).toBe('APIGroupList');
    expect((await server.call('POST', '/version')).status).toBe(405);
  });

  it('answers an unknown path in plain text, and one within a served group by a Status', async () => {
    for (const path of [
      '/nothing',
      '/apis/nobody.io',
      '/apis/nobody.io/v1/things',
      '/livez/none',
      '/openapi/v3/none',
    ]) {
      const { status, text, headers } = await server.call('GET', path);
      expect([path, status, text]).toEqual([path, 404, '404 page not found\n']);
      expect(headers['content-type']).toBe('text/plain; charset=utf-8');
    }
    expect(await server.call('PUT', '/nothing', { body: {} })).toMatchObject({
      status: 404,
      text: '404 page not found\n',
    });
    const said = (reason: string, message: string, code: number) => ({ reason, message, code, details: {} });
    const gone = said('NotFound', 'the server could not find the requested resource', 404);
    for (const path of ['/api/v2', '/apis/apps/v2', '/api/v1/things', '/apis/apps/v1/namespaces/a/deployments/b/c']) {
      expect((await server.call('GET', path)).json).toMatchObject(gone);
    }
    const refused = said('MethodNotAllowed', 'the server does not allow this method on the requested resource', 405);
    for (const [method, path] of [
      ['PUT', '/api/v1/namespaces/default/configmaps'],
      ['POST', '/api/v1/namespaces/default/configmaps/a'],
      ['GET', '/api/v1/namespaces/default/pods/a/binding'],
      ['DELETE', '/api/v1/namespaces/default/pods/a/status'],
      ['PUT', '/api/v1/namespaces/default/pods/a/log'],
      ['OPTIONS', '/api/v1/pods'],
      ['DELETE', '/api/v1/namespaces'],
      ['POST', '/api/v1'],
    ] as const) {
      expect([path, (await server.call(method, path)).json]).toEqual([path, expect.objectContaining(refused)]);
    }
  });

  it("shows groups in Kubernetes' order, and each one's kinds by name", async () => {
    const { json } = await server.call('GET', '/apis');
    const names = json.groups.map(({ name }: { name: string }) => name);
    expect(names.slice(0, 3)).toEqual(['apps', 'events.k8s.io', 'authentication.k8s.io']);
    expect(names.slice(-2).sort()).toEqual(['coracle.io', 'metrics.k8s.io']);
    const { resources } = (await server.call('GET', '/api/v1')).json;
    const found = resources.map(({ name }: { name: string }) => name);
    expect(found).toEqual(found.toSorted());
    // Known from Kubernetes' own discovery.
    const pods = resources.find(({ name }: { name: string }) => name === 'pods');
    expect(pods.storageVersionHash).toBe('xPOwRZ+Yhw8=');
    const namespaces = resources.find(({ name }: { name: string }) => name === 'namespaces');
    expect(namespaces.verbs).not.toContain('deletecollection');
    const [address] = (await server.call('GET', '/api')).json.serverAddressByClientCIDRs;
    expect(address).toEqual({ clientCIDR: '0.0.0.0/0', serverAddress: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList';
    const older = await server.call('GET', '/apis', { headers: { accept } });
    expect([older.json.apiVersion, older.headers['content-type']]).toEqual(['apidiscovery.k8s.io/v2beta1', accept]);
  });
});
