import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { startTestRest, type TestRest } from './rest-server.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const as = (kind: string, version = 'v1') => ({ accept: `application/json;as=${kind};g=meta.k8s.io;v=${version}` });

describe('lists', () => {
  let server: TestRest;
  const names = (list: { items: { metadata: { name: string } }[] }) => list.items.map(({ metadata }) => metadata.name);
  beforeAll(async () => {
    server = await startTestRest();
    const labelled: Record<string, Record<string, string>> = {
      a: { app: 'web', tier: 'front' },
      b: { app: 'web' },
      c: { app: 'db' },
      d: {},
    };
    for (const [name, labels] of Object.entries(labelled)) {
      await server.client.create('ConfigMap', { metadata: { name, namespace: 'default', labels } });
    }
  });
  afterAll(() => server?.stop());

  it('refuses options that don’t go together, in Kubernetes’ words', async () => {
    const refusals = {
      'resourceVersionMatch=Exact':
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
      'resourceVersionMatch=Exact&resourceVersion=0':
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
      'resourceVersionMatch=Nearly&resourceVersion=1':
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "Nearly": supported values: "Exact", "NotOlderThan", ""',
      'sendInitialEvents=true':
        'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
      'watch=1&sendInitialEvents=true':
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      'watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1':
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      'resourceVersion=soon':
        'configmaps "" is invalid: resourceVersion: Invalid value: "soon": strconv.ParseUint: parsing "soon": invalid syntax',
    };
    for (const [query, message] of Object.entries(refusals)) {
      const answer = await server.call('GET', `${configMaps}?${query}`);
      expect([answer.status, answer.json.reason, answer.json.message]).toEqual([422, 'Invalid', message]);
    }
    const both = await server.call('GET', `${configMaps}?resourceVersionMatch=Exact&continue=x`);
    expect(both.json.details.causes).toHaveLength(2);
  });

  it('returns exactly the requested version, or one that is not older', async () => {
    const before = (await server.call('GET', configMaps)).json.metadata.resourceVersion;
    await server.client.create('ConfigMap', { metadata: { name: 'later', namespace: 'default' } });
    const exact = await server.call('GET', `${configMaps}?resourceVersion=${before}&resourceVersionMatch=Exact`);
    expect(exact.json.metadata.resourceVersion).toBe(before);
    expect(names(exact.json)).not.toContain('later');
    const newer = await server.call('GET', `${configMaps}?resourceVersion=${before}&resourceVersionMatch=NotOlderThan`);
    expect(names(newer.json)).toContain('later');
  });

  it('answers a version that is yet to come with Timeout, its cause and when to try again', async () => {
    for (const path of [configMaps, `${configMaps}/a`]) {
      const answer = await server.call('GET', `${path}?resourceVersion=999999`);
      expect([answer.status, answer.headers['retry-after']]).toEqual([504, '1']);
      expect(answer.json).toMatchObject({
        reason: 'Timeout',
        message: expect.stringMatching(/^Timeout: Too large resource version: 999999, current: \d+$/),
        details: {
          retryAfterSeconds: 1,
          causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
        },
      });
    }
  });

  it('continues a list whose version was compacted, by the token in the error', async () => {
    const first = (await server.call('GET', `${configMaps}?limit=2`)).json;
    expect(names(first)).toEqual(['a', 'b']);
    const between = await server.client.create('ConfigMap', { metadata: { name: 'bb', namespace: 'default' } });
    await server.store.compact(Number(between.metadata.resourceVersion));
    const expired = await server.call('GET', `${configMaps}?limit=2&continue=${first.metadata.continue}`);
    expect([expired.status, expired.json.reason]).toEqual([410, 'Expired']);
    expect(expired.json.message).toContain('Continuing with the provided token results in an inconsistent list');
    const rest = await server.call('GET', `${configMaps}?limit=2&continue=${expired.json.metadata.continue}`);
    expect(names(rest.json)).toEqual(['bb', 'c']);
    const old = await server.call('GET', `${configMaps}?resourceVersion=1&resourceVersionMatch=Exact`);
    expect([old.status, old.json.message]).toEqual([410, 'The resourceVersion for the provided list is too old.']);
  });

  it('selects by sets of labels', async () => {
    const select = async (selector: string) =>
      names((await server.call('GET', `${configMaps}?labelSelector=${encodeURIComponent(selector)}`)).json).filter(
        (name) => name.length === 1,
      );
    expect(await select('app in (web,db),!tier')).toEqual(['b', 'c']);
    expect(await select('app notin (web)')).toEqual(['c', 'd']);
    expect(await select('tier')).toEqual(['a']);
    expect((await server.call('GET', `${configMaps}?labelSelector=a%20in%20b`)).status).toBe(400);
  });

  it('selects by the fields of a kind, and refuses others', async () => {
    const one = await server.call('GET', `${configMaps}?fieldSelector=metadata.name%3Db`);
    expect(names(one.json)).toEqual(['b']);
    const common = await server.call('GET', `${configMaps}?fieldSelector=data.x%3Db`);
    expect([common.status, common.json.message]).toEqual([
      400,
      '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ]);
    const pods = await server.call('GET', '/api/v1/pods?fieldSelector=spec.image%3Db');
    expect([pods.status, pods.json.message]).toEqual([400, 'field label not supported: spec.image']);
  });

  it('shows tables and metadata in the versions that clients know', async () => {
    const table = (await server.call('GET', `${configMaps}?includeObject=None`, { headers: as('Table') })).json;
    expect(table).toMatchObject({ kind: 'Table', apiVersion: 'meta.k8s.io/v1' });
    expect(table.columnDefinitions.map(({ name }: { name: string }) => name)).toEqual(['Name', 'Data', 'Age']);
    expect(table.rows[0]).toMatchObject({ cells: ['a', 0, expect.any(String)], object: null });
    const older = (await server.call('GET', `${configMaps}/a`, { headers: as('Table', 'v1beta1') })).json;
    expect([older.apiVersion, older.rows[0].object.apiVersion]).toEqual(['meta.k8s.io/v1beta1', 'meta.k8s.io/v1beta1']);
    const whole = (await server.call('GET', `${configMaps}?includeObject=Object`, { headers: as('Table') })).json;
    expect(whole.rows[0].object.kind).toBe('ConfigMap');
    const wrong = await server.call('GET', `${configMaps}?includeObject=Half`, { headers: as('Table') });
    expect([wrong.status, wrong.json.message]).toEqual([
      400,
      `Unable to convert to Table as requested: includeObject: Invalid value: "Half": must be 'Metadata', 'Object', 'None', or empty`,
    ]);
    const list = (await server.call('GET', configMaps, { headers: as('PartialObjectMetadataList') })).json;
    expect([list.kind, list.items[0].kind, list.items[0].data]).toEqual([
      'PartialObjectMetadataList',
      'PartialObjectMetadata',
      undefined,
    ]);
    expect((await server.call('GET', configMaps, { headers: as('PartialObjectMetadata') })).status).toBe(406);
    expect((await server.call('GET', `${configMaps}/a`, { headers: as('PartialObjectMetadataList') })).status).toBe(
      406,
    );
  });

  it('answers writes in the requested format, too', async () => {
    const headers = as('PartialObjectMetadata');
    const made = await server.call('POST', configMaps, {
      body: { metadata: { name: 'm' }, data: { a: 'b' } },
      headers,
    });
    expect([made.status, made.json.kind, made.json.data]).toEqual([201, 'PartialObjectMetadata', undefined]);
    const patched = await server.call('PATCH', `${configMaps}/m`, {
      body: { data: { c: 'd' } },
      headers: { ...headers, 'content-type': 'application/merge-patch+json' },
    });
    expect(patched.json.kind).toBe('PartialObjectMetadata');
    const table = await server.call('PUT', `${configMaps}/m`, {
      body: { metadata: { name: 'm' } },
      headers: as('Table'),
    });
    expect(table.json.rows[0].cells[0]).toBe('m');
  });

  it('takes the client’s first wish that can be met', async () => {
    const kindFor = async (accept: string) => {
      const answer = await server.call('GET', configMaps, { headers: { accept } });
      return answer.status === 200 ? answer.headers['content-type'] : answer.status;
    };
    expect(await kindFor('application/cbor,application/yaml')).toBe('application/yaml');
    expect(await kindFor('application/json;q=0.5,application/yaml')).toBe('application/yaml');
    expect(await kindFor('*/*,application/yaml')).toBe('application/yaml');
    expect(await kindFor('application/json;as=Chair;g=meta.k8s.io;v=v1,application/json')).toBe('application/json');
    expect(await kindFor('text/html')).toBe(406);
    const refused = await server.call('GET', configMaps, { headers: { accept: 'text/html' } });
    expect(refused.json.message).toBe(
      'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf',
    );
  });

  it('indents for browsers, and on request', async () => {
    const isIndented = async (path: string, agent: string) =>
      (await server.call('GET', path, { headers: { 'user-agent': agent } })).text.startsWith('{\n  "');
    expect(await isIndented(configMaps, 'curl/8.0')).toBe(true);
    expect(await isIndented(configMaps, 'kubectl/v1.32')).toBe(false);
    expect(await isIndented(`${configMaps}?pretty=true`, 'kubectl/v1.32')).toBe(true);
    expect(await isIndented(`${configMaps}?pretty=false`, 'curl/8.0')).toBe(false);
    expect(await isIndented('/apis', 'curl/8.0')).toBe(true);
  });

  it('writes long lists in pieces, in whatever form, and they say the same', async () => {
    for (let i = 0; i < 300; i++) {
      const data = { text: `line ${i}\n  indented\n\nend`, empty: '' };
      await server.client.create('ConfigMap', { metadata: { name: `c${i}`, namespace: 'kube-public' }, data });
    }
    const path = '/api/v1/namespaces/kube-public/configmaps';
    const plain = (await server.call('GET', path)).json;
    expect((await server.call('GET', `${path}?pretty=1`)).json).toEqual(plain);
    const yaml = await server.call('GET', path, { headers: { accept: 'application/yaml' } });
    expect(parseYaml(yaml.text)).toEqual(plain);
    const { items } = plain;
    const table = (await server.call('GET', path, { headers: as('Table') })).json;
    expect(table.rows.map(({ cells }: { cells: unknown[] }) => cells[0])).toEqual(names(plain));
    expect(table.rows[299].object.metadata).toEqual(items[299].metadata);
    const partial = (await server.call('GET', path, { headers: as('PartialObjectMetadataList') })).json;
    expect(partial.items.map(({ metadata }: { metadata: object }) => metadata)).toEqual(
      items.map(({ metadata }: { metadata: object }) => metadata),
    );
  });
});
