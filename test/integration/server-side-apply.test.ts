import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { builtinKinds } from '../../shared/kinds/index.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

let server: TestRest;
beforeAll(async () => {
  server = await startTestRest();
});
afterAll(() => server?.stop());

const deployments = '/apis/apps/v1/namespaces/default/deployments';
const headers = { 'content-type': 'application/apply-patch+yaml' };

const deployment = (name: string, spec: object = {}, image = 'web:1') => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'web', image }] } },
    ...spec,
  },
});

const apply = (path: string, body: unknown, query = 'fieldManager=one') =>
  server.call('PATCH', `${path}?${query}`, { body, headers });

describe('server-side apply', () => {
  it('creates a missing object (201), owned by its manager, and changes nothing when it is applied again (200)', async () => {
    const made = await apply(`${deployments}/a`, deployment('a', { replicas: 2 }));
    expect(made.status).toBe(201);
    expect(made.json.metadata.managedFields).toMatchObject([
      { manager: 'one', operation: 'Apply', apiVersion: 'apps/v1', fieldsType: 'FieldsV1' },
    ]);
    expect(made.json.metadata.managedFields[0].fieldsV1).toEqual({
      'f:spec': {
        'f:replicas': {},
        'f:selector': {},
        'f:template': {
          'f:metadata': { 'f:labels': { 'f:app': {} } },
          'f:spec': { 'f:containers': { 'k:{"name":"web"}': { '.': {}, 'f:image': {}, 'f:name': {} } } },
        },
      },
    });
    const again = await apply(`${deployments}/a`, deployment('a', { replicas: 2 }));
    expect(again.status).toBe(200);
    expect(again.json).toEqual(made.json);
  });

  it('accepts YAML in flow style, which starts like JSON, and reports an error for other text', async () => {
    const maps = '/api/v1/namespaces/default/configmaps';
    const flow = await apply(`${maps}/flow`, '{apiVersion: v1, kind: ConfigMap, metadata: {name: flow}, data: {a: b}}');
    expect([flow.status, flow.json.data]).toEqual([201, { a: 'b' }]);
    const neither = await apply(`${maps}/flow`, '{"apiVersion": "v1", ]');
    expect([neither.status, neither.json.message]).toEqual([400, expect.stringMatching(/^error decoding YAML: /)]);
  });

  it('refuses to change what another manager owns, naming it, and takes it over when forced', async () => {
    await apply(`${deployments}/b`, deployment('b', { replicas: 2 }));
    const refused = await apply(`${deployments}/b`, deployment('b', { replicas: 3 }, 'web:2'), 'fieldManager=two');
    expect(refused.status).toBe(409);
    expect(refused.json).toMatchObject({
      reason: 'Conflict',
      message:
        'Apply failed with 2 conflicts: conflicts with "one":\n- .spec.replicas\n' +
        '- .spec.template.spec.containers[name="web"].image',
      details: {
        causes: [
          { reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.spec.replicas' },
          {
            reason: 'FieldManagerConflict',
            message: 'conflict with "one"',
            field: '.spec.template.spec.containers[name="web"].image',
          },
        ],
      },
    });
    const forced = await apply(`${deployments}/b`, deployment('b', { replicas: 3 }), 'fieldManager=two&force=true');
    expect(forced.status).toBe(200);
    expect(forced.json.spec.replicas).toBe(3);
    const owners = forced.json.metadata.managedFields as { manager: string; fieldsV1: Record<string, object> }[];
    expect(owners.find(({ manager }) => manager === 'one')?.fieldsV1['f:spec']).not.toHaveProperty('f:replicas');
    expect(owners.find(({ manager }) => manager === 'two')?.fieldsV1['f:spec']).toHaveProperty('f:replicas');
  });

  it('names the update that a field came from when that is its owner', async () => {
    await apply(`${deployments}/c`, deployment('c'));
    await server.call('PATCH', `${deployments}/c?fieldManager=kubectl-scale`, {
      body: { spec: { replicas: 5 } },
      headers: { 'content-type': 'application/merge-patch+json' },
    });
    const refused = await apply(`${deployments}/c`, deployment('c', { replicas: 2 }));
    expect(refused.json.message).toBe(
      'Apply failed with 1 conflict: conflict with "kubectl-scale" using apps/v1: .spec.replicas',
    );
  });

  it('removes fields that their manager leaves out, unless another manager owns them, too', async () => {
    const labels = { app: 'd', mine: '1', ours: '1' };
    const withLabels = (given: object) => ({ ...deployment('d'), metadata: { name: 'd', labels: given } });
    await apply(`${deployments}/d`, withLabels(labels));
    await apply(`${deployments}/d`, withLabels({ ours: '1' }), 'fieldManager=two');
    const after = await apply(`${deployments}/d`, withLabels({ app: 'd' }));
    expect(after.json.metadata.labels).toEqual({ app: 'd', ours: '1' });
  });

  it('removes list items that it gave up, and keeps what others put beside them', async () => {
    const path = `${deployments}/e`;
    const two = deployment('e');
    two.spec.template.spec.containers.push({ name: 'side', image: 'side:1' });
    await apply(path, two);
    await server.call('PATCH', path, {
      body: { spec: { template: { spec: { containers: [{ name: 'third', image: 'third:1' }] } } } },
      headers: { 'content-type': 'application/strategic-merge-patch+json' },
    });
    const after = await apply(path, deployment('e'));
    const names = after.json.spec.template.spec.containers.map(({ name }: { name: string }) => name);
    expect(names.sort()).toEqual(['third', 'web']);
  });

  it('owns status and scale each by its own, and neither with the object', async () => {
    const path = `${deployments}/f`;
    await apply(path, { ...deployment('f', { replicas: 1 }), status: { replicas: 9 } });
    const head = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'f' } };
    const status = await apply(
      `${path}/status`,
      { ...head, spec: { replicas: 7 }, status: { readyReplicas: 1 } },
      'fieldManager=s',
    );
    expect(status.status).toBe(200);
    expect(status.json.spec.replicas).toBe(1);
    expect(status.json.status).toEqual({ readyReplicas: 1 });
    const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'f' }, spec: { replicas: 4 } };
    const refused = await apply(`${path}/scale`, scale, 'fieldManager=h');
    expect(refused.json.message).toBe('Apply failed with 1 conflict: conflict with "one": .spec.replicas');
    const scaled = await apply(`${path}/scale`, scale, 'fieldManager=h&force=true');
    expect(scaled.json).toMatchObject({ kind: 'Scale', spec: { replicas: 4 } });
    const { metadata } = (await server.call('GET', path)).json;
    const owners = metadata.managedFields.map(
      ({ manager, operation, subresource }: Record<string, string>) => `${manager} ${operation} ${subresource ?? '-'}`,
    );
    expect(owners.sort()).toEqual(['h Apply scale', 'one Apply -', 's Apply status']);
  });

  it('stores nothing on a dry run, and holds to the version that it names', async () => {
    const path = `${deployments}/g`;
    expect((await apply(path, deployment('g'), 'fieldManager=one&dryRun=All')).status).toBe(201);
    expect((await server.call('GET', path)).status).toBe(404);
    await apply(path, deployment('g'));
    const old = { ...deployment('g'), metadata: { name: 'g', resourceVersion: '1' } };
    expect((await apply(path, old)).status).toBe(409);
  });

  it('requires a field manager and a matching kind, and refuses unknown fields', async () => {
    const path = `${deployments}/h`;
    const nobody = await apply(path, deployment('h'), 'force=true');
    expect(nobody.status).toBe(422);
    expect(nobody.json.message).toBe(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    );
    const other = await apply(path, { ...deployment('h'), kind: 'ReplicaSet' });
    expect(other.json).toMatchObject({ code: 400, message: 'invalid object type: apps/v1, Kind=ReplicaSet' });
    const unknown = await apply(path, deployment('h', { foo: 1 }));
    expect(unknown.json).toMatchObject({
      code: 400,
      message:
        'failed to create typed patch object (default/h; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema',
    });
    const nested = deployment('h');
    Object.assign(nested.spec.template.spec.containers[0] ?? {}, { bar: 1 });
    expect((await apply(path, nested)).json.message).toContain(
      ': .spec.template.spec.containers[name="web"].bar: field not declared in schema',
    );
    const twice = deployment('h');
    twice.spec.template.spec.containers.push({ name: 'web', image: 'x' });
    expect((await apply(path, twice)).json.message).toContain(
      ': .spec.template.spec.containers: duplicate entries for key [name="web"]',
    );
    const wrong = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'h', labels: { a: 1 } },
      spec: { replicas: '3', paused: 'no', selector: [], template: { spec: { containers: [{ image: 'x' }] } } },
    };
    expect((await apply(path, wrong)).json.message.split('\n')).toEqual([
      'failed to create typed patch object (default/h; apps/v1, Kind=Deployment): errors:',
      '  .metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}',
      '  .spec.replicas: expected numeric (int or float), got string',
      '  .spec.paused: expected boolean, got &{no}',
      '  .spec.selector: expected map, got &{[]}',
      '  .spec.template.spec.containers: element 0: associative list with keys has an element that omits key field "name" (and doesn\'t have default value)',
    ]);
    const forced = await server.call('PATCH', `${path}?force=true`, {
      body: {},
      headers: { 'content-type': 'application/merge-patch+json' },
    });
    expect(forced.json.message).toBe(
      'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
    );
  });

  it('takes over an object from client-side apply without conflicts, unless another manager changed it', async () => {
    const path = `${deployments}/i`;
    const note = 'kubectl.kubernetes.io/last-applied-configuration';
    const sent = deployment('i', { replicas: 2 });
    const noted = { ...sent, metadata: { name: 'i', annotations: { [note]: `${JSON.stringify(sent)}\n` } } };
    await server.call('POST', `${deployments}?fieldManager=kubectl-client-side-apply`, { body: noted });
    const refused = await apply(path, deployment('i', { replicas: 3 }), 'fieldManager=other');
    expect(refused.status).toBe(409);
    const taken = await apply(path, deployment('i', { replicas: 3 }), 'fieldManager=kubectl');
    expect(taken.status).toBe(200);
    expect(taken.json.spec.replicas).toBe(3);
    expect(JSON.parse(taken.json.metadata.annotations[note]).spec.replicas).toBe(3);
  });

  it('begins with what was there when an object was never tracked', async () => {
    const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l' } };
    await server.call('POST', path, { body: { ...lease, spec: { holderIdentity: 'a' } } });
    const refused = await apply(`${path}/l`, { ...lease, spec: { holderIdentity: 'b' } });
    expect(refused.json.message).toBe(
      'Apply failed with 1 conflict: conflict with "before-first-apply" using coordination.k8s.io/v1: .spec.holderIdentity',
    );
  });

  it('changes nothing the second time, of whatever is applied', async () => {
    const examples = new URL('../../deploy/examples/', import.meta.url);
    const texts = (await readdir(examples)).map((name) => readFileSync(new URL(name, examples), 'utf8'));
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'twice' }, stringData: { a: 'b' } };
    const manifests = texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS()));
    for (const manifest of [...manifests, secret]) {
      const def = builtinKinds.ofObject(manifest.apiVersion, manifest.kind);
      if (!def) throw new Error(`no kind ${manifest.kind}`);
      const head = def.group ? `/apis/${def.group}/${def.version}` : `/api/${def.version}`;
      const namespace = manifest.metadata.namespace ?? 'default';
      const path = `${head}${def.namespaced ? `/namespaces/${namespace}` : ''}/${def.plural}/${manifest.metadata.name}`;
      const made = await apply(path, manifest);
      expect([manifest.kind, made.status, made.json.message]).toEqual([manifest.kind, 201, undefined]);
      await server.call('PATCH', `${path}?fieldManager=other`, {
        body: { metadata: { labels: { other: 'x' } } },
        headers: { 'content-type': 'application/merge-patch+json' },
      });
      const before = (await server.call('GET', path)).json;
      expect((await apply(path, manifest)).json).toEqual(before);
    }
  });

  it('reads YAML, and is refused by types that are no patch', async () => {
    const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata:\n  a: b\n';
    const made = await apply('/api/v1/namespaces/default/configmaps/y', yaml);
    expect(made.json.data).toEqual({ a: 'b' });
    const odd = await server.call('PATCH', '/api/v1/namespaces/default/configmaps/y', {
      body: {},
      headers: { 'content-type': 'application/json' },
    });
    expect(odd.status).toBe(415);
    expect(odd.json.message).toBe(
      'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, ' +
        'application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml',
    );
  });

  it('lets a client reset all owners, by an empty entry', async () => {
    const path = '/api/v1/namespaces/default/configmaps/z';
    await apply(path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'z' }, data: { a: 'b' } });
    const reset = await server.call('PATCH', path, {
      body: { metadata: { managedFields: [{}] } },
      headers: { 'content-type': 'application/merge-patch+json' },
    });
    expect(reset.status).toBe(200);
    expect(reset.json.metadata.managedFields).toBeUndefined();
  });
});
