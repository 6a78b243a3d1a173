import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { startTestRest, type TestRest } from './rest-server.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';

interface Event {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: the wire's edge, in tests
  readonly object: any;
}

describe('watches', () => {
  let server: TestRest;
  beforeAll(async () => {
    server = await startTestRest();
  });
  afterAll(() => server?.stop());

  const make = (name: string, labels: Record<string, string>, data = {}) =>
    server.client.create('ConfigMap', { metadata: { name, namespace: 'default', labels }, data });
  const watch = async (query: string, headers = {}): Promise<Event[]> =>
    eventsOf((await server.call('GET', `${configMaps}?watch=1&timeoutSeconds=1&${query}`, { headers })).text);
  const now = async (): Promise<string> => (await server.call('GET', configMaps)).json.metadata.resourceVersion;

  it('with a selector reports when an object starts to match, changes, and stops to match, with its last state', async () => {
    const from = await now();
    const made = await make('turns', { color: 'blue' });
    const red = await server.client.update('ConfigMap', changed(made, { color: 'red' }, '1'));
    const still = await server.client.update('ConfigMap', changed(red, { color: 'red' }, '2'));
    const green = await server.client.update('ConfigMap', changed(still, { color: 'green' }, '3'));
    const events = await watch(`resourceVersion=${from}&labelSelector=color%3Dred`);
    expect(events.map(({ type, object }) => [type, object.data?.v])).toEqual([
      ['ADDED', '1'],
      ['MODIFIED', '2'],
      ['DELETED', '2'],
    ]);
    expect(events[2]?.object.metadata).toMatchObject({
      labels: { color: 'red' },
      resourceVersion: green.metadata.resourceVersion,
    });
  });

  it('follows a single object by its name', async () => {
    const from = await now();
    await make('one', {});
    await make('another', {});
    await server.client.delete('ConfigMap', 'one', { namespace: 'default' });
    const events = await watch(`resourceVersion=${from}&fieldSelector=metadata.name%3Done`);
    expect(events.map(({ type, object }) => [type, object.metadata.name])).toEqual([
      ['ADDED', 'one'],
      ['DELETED', 'one'],
    ]);
    expect(Number(events[1]?.object.metadata.resourceVersion)).toBeGreaterThan(
      Number(events[0]?.object.metadata.resourceVersion),
    );
  });

  it('is also served by a path, for older clients, for all objects or one', async () => {
    const old = async (path: string) => eventsOf((await server.call('GET', `/api/v1/watch/${path}`)).text);
    const from = await now();
    await make('by-path', {});
    await make('by-path-too', {});
    const query = `timeoutSeconds=1&resourceVersion=${from}`;
    const names = (events: Event[]) => events.map(({ object }) => object.metadata.name);
    expect(names(await old(`namespaces/default/configmaps?${query}`))).toEqual(['by-path', 'by-path-too']);
    expect(names(await old(`configmaps?${query}`))).toEqual(['by-path', 'by-path-too']);
    expect(names(await old(`namespaces/default/configmaps/by-path?${query}`))).toEqual(['by-path']);
    expect(names(await old('namespaces/default?timeoutSeconds=1'))).toEqual(['default']);
    const status = async (method: string, path: string) => (await server.call(method, path)).status;
    expect(await status('GET', '/api/v1/watch/componentstatuses')).toBe(404);
    expect(await status('POST', '/api/v1/watch/configmaps')).toBe(405);
    const other = '/api/v1/watch/namespaces/default/configmaps/a?fieldSelector=metadata.name%3Db';
    expect((await server.call('GET', other)).json.message).toBe(
      "fieldSelector metadata.name doesn't match requested name",
    );
  });

  it('ends immediately when its timeout has passed, and reports an invalid timeout', async () => {
    const asked = (seconds: string) => server.call('GET', `${configMaps}?watch=1&timeoutSeconds=${seconds}`);
    expect((await asked('-1')).status).toBe(200);
    const { status, json } = await asked('soon');
    expect([status, json.message]).toEqual([400, 'strconv.ParseInt: parsing "soon": invalid syntax']);
    expect((await server.call('GET', `${configMaps}?limit=-1`)).status).toBe(200);
  });

  it('shows tables, whose columns come once, and metadata alone', async () => {
    await make('shown', { show: 'me' }, { a: 'b' });
    const media = (kind: string) => ({ accept: `application/json;as=${kind};g=meta.k8s.io;v=v1` });
    await make('shown-too', { show: 'me' });
    const [first, second] = await watch('labelSelector=show', media('Table'));
    expect(first?.object).toMatchObject({ kind: 'Table', rows: [{ cells: ['shown', 1, expect.any(String)] }] });
    expect([first?.object.columnDefinitions.length, second?.object.columnDefinitions.length]).toEqual([3, 0]);
    const [partial] = await watch('labelSelector=show', media('PartialObjectMetadata'));
    expect(partial?.object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'shown' } });
    expect(partial?.object.data).toBeUndefined();
  });

  it('has no form in YAML', async () => {
    const answer = await server.call('GET', `${configMaps}?watch=1`, { headers: { accept: 'application/yaml' } });
    expect([answer.status, parseYaml(answer.text).message]).toEqual([
      406,
      'only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch',
    ]);
  });

  it('ends with a bookmark when it has passed over changes, from which the next watch goes on', async () => {
    const query = `resourceVersion=${await now()}&fieldSelector=metadata.name%3Dnone`;
    const passed = await make('passed-over', {});
    const events = await watch(`${query}&allowWatchBookmarks=true`);
    expect(events).toMatchObject([
      {
        type: 'BOOKMARK',
        object: { kind: 'ConfigMap', metadata: { resourceVersion: passed.metadata.resourceVersion } },
      },
    ]);
    const made = await make('after-bookmark', {});
    const next = await watch(`resourceVersion=${events[0]?.object.metadata.resourceVersion}`);
    expect(next.map(({ object }) => object.metadata.name)).toEqual([made.metadata.name]);
    expect(await watch(query)).toEqual([]);
  });

  it('begins with the present state, its end marked, at a version that is not older', async () => {
    const list = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const events = await watch(`${list}&resourceVersion=${await now()}&fieldSelector=metadata.name%3Dshown`);
    expect(events.map(({ type }) => type)).toEqual(['ADDED', 'BOOKMARK']);
    expect(events[1]?.object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' });
    const later = 'sendInitialEvents=false&resourceVersionMatch=NotOlderThan';
    expect(await watch(`${later}&resourceVersion=${await now()}`)).toEqual([]);
  });

  it('sends all watchers a change with the same content, each in the requested format', async () => {
    const from = await now();
    const open = Promise.all([
      watch(`resourceVersion=${from}`),
      watch(`resourceVersion=${from}&fieldSelector=metadata.name%3Dshared`),
      watch(`resourceVersion=${from}`, { accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' }),
    ]);
    await make('shared', {}, { a: 'b' });
    const [all, named, partial] = await open;
    expect(all).toEqual(named);
    expect(all[0]?.object.data).toEqual({ a: 'b' });
    expect([partial[0]?.object.kind, partial[0]?.object.data]).toEqual(['PartialObjectMetadata', undefined]);
  });
});

function changed<T extends { metadata: object }>(object: T, labels: Record<string, string>, v: string): T {
  return { ...object, metadata: { ...object.metadata, labels }, data: { v } };
}

function eventsOf(text: string): Event[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
