import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { widgetKind } from '../support/widget-kind.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

let server: TestRest;
const signal = new AbortController().signal;
const widget = widgetKind();
const collection = '/apis/example.com/v1/namespaces/default/widgets';
const named = (name: string, spec: object = {}) => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name, namespace: 'default' },
  spec,
});

beforeAll(async () => {
  server = await startTestRest();
});
afterAll(async () => {
  await server.rest.close();
  await server.stop();
});

it('a kind that is added to a running server is served, stored and followed, and is gone when it is removed', async () => {
  const stored = (name: string, size: number) => ({
    type: 'put' as const,
    key: `/coracle/registry/example.com/widgets/default/${name}`,
    value: JSON.stringify({ ...named(name, { size }), metadata: { name, namespace: 'default', uid: `u-${name}` } }),
  });
  await server.store.txn({ guards: [], writes: [stored('old', 7)] });
  expect((await server.call('GET', collection)).status).toBe(404);
  expect((await server.call('GET', '/apis/example.com/v1')).status).toBe(404);

  await server.cache.addKind(widget, signal);
  server.kinds.add([widget]);

  const resources = (await server.call('GET', '/apis/example.com/v1')).json.resources;
  expect(resources).toMatchObject([{ name: 'widgets', kind: 'Widget', namespaced: true, shortNames: ['wd'] }]);
  const groups = (await server.call('GET', '/apis')).json.groups.map(({ name }: { name: string }) => name);
  expect(groups).toContain('example.com');
  const document = (await server.call('GET', '/openapi/v3/apis/example.com/v1')).json;
  expect(document.components.schemas['com.example.v1.Widget'].description).toBe('A thing of parts.');
  expect(document.components.schemas['com.example.v1.WidgetList'].required).toEqual(['items']);
  expect(Object.keys(document.paths)).toContain('/apis/example.com/v1/namespaces/{namespace}/widgets/{name}');
  const swagger = (await server.call('GET', '/openapi/v2')).json;
  expect(swagger.definitions['com.example.v1.Widget']).toBeDefined();

  const before = (await server.call('GET', collection)).json;
  expect(before.items.map((item: { spec: object }) => item.spec)).toEqual([{ size: 7 }]);
  const watch = server.call(
    'GET',
    `${collection}?watch=1&timeoutSeconds=3&resourceVersion=${before.metadata.resourceVersion}`,
  );
  const made = await server.call('POST', collection, { body: named('new', { parts: [{ name: 'a' }] }) });
  expect([made.status, made.json.spec, made.json.metadata.generation]).toEqual([
    201,
    { parts: [{ name: 'a' }], size: 1 },
    1,
  ]);
  const invalid = await server.call('POST', collection, { body: named('bad', { size: -1 }) });
  expect([invalid.status, invalid.json.message]).toEqual([
    422,
    expect.stringContaining('spec.size: Invalid value: -1'),
  ]);
  const patch = (type: string, body: object, query = '') =>
    server.call('PATCH', `${collection}/new${query}`, { body, headers: { 'content-type': type } });
  const merged = await patch('application/merge-patch+json', { spec: { size: 3 } });
  expect([merged.json.spec.size, merged.json.metadata.generation]).toEqual([3, 2]);
  expect((await patch('application/strategic-merge-patch+json', { spec: { size: 4 } })).status).toBe(415);
  const apply = 'application/apply-patch+yaml';
  const applied = await patch(apply, named('new', { parts: [{ name: 'b', weight: 2 }] }), '?fieldManager=a');
  expect(applied.json.spec.parts).toEqual([{ name: 'a' }, { name: 'b', weight: 2 }]);
  const wrong = await patch(apply, named('new', { color: 'red' }), '?fieldManager=a');
  expect(wrong.json.message).toContain('.spec.color: field not declared in schema');
  expect((await server.call('DELETE', `${collection}/old`)).status).toBe(200);

  const events = (await watch).text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual([
    'ADDED new',
    'MODIFIED new',
    'MODIFIED new',
    'DELETED old',
  ]);
  const revision = before.metadata.resourceVersion - 1;
  const early = await server.call('GET', `${collection}?watch=1&resourceVersion=${revision}`);
  expect([early.status, early.json.reason ?? early.json.object?.reason]).toEqual([expect.any(Number), 'Expired']);
  const table = await server.call('GET', collection, {
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
  });
  expect(table.json.rows.map(({ cells }: { cells: unknown[] }) => cells[0])).toEqual(['new']);

  const context = { identity: { user: 'system:test', groups: ['system:masters'] }, signal, warnings: [] };
  const open = server.api.watch(context, { entry: widget, namespace: 'default', resourceVersion: '0' });
  const following = open[Symbol.asyncIterator]();
  expect((await following.next()).value).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'new' } } });
  server.kinds.remove(widget.id);
  server.cache.removeKind(widget.id);
  await expect(following.next()).rejects.toMatchObject({ reason: 'Expired' });
  expect((await server.call('GET', collection)).status).toBe(404);
  expect((await server.call('GET', '/apis/example.com/v1')).status).toBe(404);
  expect((await server.call('GET', '/openapi/v3/apis/example.com/v1')).status).toBe(404);
  await server.store.txn({ guards: [], writes: [stored('unseen', 1)] });
  expect(server.cache.count(widget.id)).toBe(0);

  await server.cache.addKind(widget, signal);
  server.kinds.add([widget]);
  const again = await eventually(async () => (await server.call('GET', collection)).json);
  expect(again.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)).toEqual(['new', 'unseen']);
});
