import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { builtinKinds } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import type { ApiWatchEvent, RequestContext } from '../api.ts';
import { component } from '../auth/identity.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

function kind(apiVersion: string, name: string): KindDef {
  const def = builtinKinds.ofObject(apiVersion, name);
  if (!def) throw new Error(`no ${name} of ${apiVersion}`);
  return def;
}

const events = kind('events.k8s.io/v1', 'Event');
const older = kind('autoscaling/v1', 'HorizontalPodAutoscaler');
const newer = kind('autoscaling/v2', 'HorizontalPodAutoscaler');
const namespace = 'default';

function context(signal = new AbortController().signal): RequestContext {
  return { identity: component('test'), signal, warnings: [] };
}

const event = (name: string) => ({
  metadata: { name, namespace },
  eventTime: '2026-01-01T00:00:00.000000Z',
  reportingController: 'example.com/x',
  reportingInstance: 'x-1',
  action: 'Doing',
  reason: 'Done',
  type: 'Normal',
  note: 'hello',
  regarding: { kind: 'Pod', name: 'p', namespace },
});
const autoscaler = (name: string) => ({
  metadata: { name, namespace },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
    maxReplicas: 5,
    targetCPUUtilizationPercentage: 70,
  },
});

describe('a kind in its second version', () => {
  it('is created, read, listed and deleted in either', async () => {
    const { api, client } = server;
    const { object: made } = await api.create(context(), { entry: events, namespace }, event('a'));
    expect(made).toMatchObject({ apiVersion: 'events.k8s.io/v1', note: 'hello', regarding: { name: 'p' } });
    const stored = await client.get('Event', 'a', namespace);
    expect(stored).toMatchObject({ apiVersion: 'v1', message: 'hello', involvedObject: { name: 'p' } });
    expect(await api.get(context(), { entry: events, namespace, name: 'a' })).toEqual(made);
    const page = await api.list(context(), { entry: events, namespace, fieldSelector: 'regarding.name=p' });
    expect(page.items.map((item) => page.served?.(item))).toEqual([made]);
    expect((await api.list(context(), { entry: events, namespace, fieldSelector: 'reason=x' })).items).toEqual([]);
    await expect(api.list(context(), { entry: events, namespace, fieldSelector: 'source=x' })).rejects.toThrow(
      'field label not supported: source',
    );
    await api.delete(context(), { entry: events, namespace, name: 'a' });
    await expect(client.get('Event', 'a', namespace)).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('is watched in the requested version, whichever it was written in', async () => {
    const { api } = server;
    const end = new AbortController();
    const seen: ApiWatchEvent[] = [];
    const watching = (async () => {
      for await (const one of api.watch(context(end.signal), { entry: older, namespace }))
        if (seen.push(one) === 3) break;
    })();
    await api.create(context(), { entry: older, namespace }, autoscaler('a'));
    const target = { entry: newer, namespace, name: 'a' };
    await api.patch(context(), target, { type: 'merge', body: { spec: { maxReplicas: 9 } } });
    await api.delete(context(), target);
    await watching;
    end.abort();
    expect(
      seen.map(({ type, object }) => [type, object.apiVersion, (object.spec as { maxReplicas: number }).maxReplicas]),
    ).toEqual([
      ['ADDED', 'autoscaling/v1', 5],
      ['MODIFIED', 'autoscaling/v1', 9],
      ['DELETED', 'autoscaling/v1', 9],
    ]);
  });

  it('is updated and patched by the fields of the version that is spoken', async () => {
    const { api, client } = server;
    const { object: made } = await api.create(context(), { entry: older, namespace }, autoscaler('a'));
    const target = { entry: older, namespace, name: 'a' };
    const { object: patched } = await api.patch(context(), target, {
      type: 'strategic',
      body: { spec: { targetCPUUtilizationPercentage: 33 } },
    });
    expect(patched).toMatchObject({ apiVersion: 'autoscaling/v1', spec: { targetCPUUtilizationPercentage: 33 } });
    const spec = { ...((made as KubeObject).spec as object), maxReplicas: 8 };
    const body = { ...made, metadata: { name: 'a', namespace }, spec } as unknown as KubeObject;
    expect((await api.update(context(), target, body)).object).toMatchObject({ spec: { maxReplicas: 8 } });
    expect((await client.get('HorizontalPodAutoscaler', 'a', namespace)).spec).toMatchObject({
      maxReplicas: 8,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { averageUtilization: 70 } } }],
    });
  });

  it('keeps data without a field in the version when it is written back', async () => {
    const { api, client } = server;
    const target = { type: 'AverageValue', averageValue: '100Mi' };
    const metrics = [{ type: 'Resource', resource: { name: 'memory', target } }];
    const { spec, metadata } = autoscaler('a');
    const { targetCPUUtilizationPercentage: _old, ...same } = spec;
    await api.create(context(), { entry: newer, namespace }, { metadata, spec: { ...same, metrics } });
    const at = { entry: older, namespace, name: 'a' };
    const read = (await api.get(context(), at)) as KubeObject & { spec: object };
    await api.update(context(), at, { ...read, spec: { ...read.spec, maxReplicas: 6 } });
    const stored = await client.get('HorizontalPodAutoscaler', 'a', namespace);
    expect(stored.spec).toMatchObject({ maxReplicas: 6, metrics });
    expect(stored.metadata.annotations).toBeUndefined();
  });

  it('obeys the rules of the version that it is written in', async () => {
    const { api } = server;
    const { eventTime: _time, ...timeless } = event('a');
    await expect(api.create(context(), { entry: events, namespace }, timeless)).rejects.toThrow(
      'eventTime: Required value',
    );
    await api.create(context(), { entry: events, namespace }, event('b'));
    const target = { entry: events, namespace, name: 'b' };
    const patch = { type: 'merge', body: { reason: 'Other' } } as const;
    await expect(api.patch(context(), target, patch)).rejects.toThrow(
      'reason: Invalid value: "Other": field is immutable',
    );
    const note = { type: 'strategic', body: { note: 'other' } } as const;
    expect((await api.patch(context(), target, note)).object).toMatchObject({ note: 'other' });
  });
});

describe('a kind that nothing acts on', () => {
  it('returns a warning when one is created', async () => {
    const asked = context();
    const entry = kind('networking.k8s.io/v1', 'NetworkPolicy');
    await server.api.create(asked, { entry, namespace }, { metadata: { name: 'wall' }, spec: { podSelector: {} } });
    expect(asked.warnings).toEqual([
      'Coracle does not act on a NetworkPolicy yet: it is stored, but no traffic is blocked',
    ]);
  });
});

describe('a kind that is not stored', () => {
  const target = (name: string) => ({ entry: kind('v1', name), namespace, name: 'a' });

  it('has only its own verbs', async () => {
    const { api } = server;
    const statuses = await api.list(context(), { entry: kind('v1', 'ComponentStatus') });
    expect(statuses.items).toMatchObject([
      { metadata: { name: 'etcd-0' }, conditions: [{ type: 'Healthy', status: 'True' }] },
    ]);
    for (const refused of [
      () => api.get(context(), target('Binding')),
      () => api.list(context(), { entry: kind('v1', 'Binding') }),
      () => api.delete(context(), target('Binding')),
      () => api.patch(context(), target('Binding'), { type: 'merge', body: {} }),
      () => api.create(context(), { entry: kind('v1', 'ComponentStatus') }, { metadata: { name: 'x' } }),
    ]) {
      await expect(refused()).rejects.toMatchObject({ reason: 'MethodNotAllowed' });
    }
  });

  it('places a pod by a binding in the namespace as by one at the pod', async () => {
    const { api, client } = server;
    await client.create('Node', { metadata: { name: 'n' }, spec: {} });
    await client.create('Pod', {
      metadata: { name: 'p', namespace },
      spec: { containers: [{ name: 'a', image: 'a' }] },
    });
    const body = { metadata: { name: 'p' }, target: { kind: 'Node', name: 'n' } };
    await api.create(context(), { entry: kind('v1', 'Binding'), namespace }, body);
    expect((await client.get('Pod', 'p', namespace)).spec.nodeName).toBe('n');
    await expect(
      api.create(context(), { entry: kind('v1', 'Binding'), namespace }, { metadata: { name: 'p' }, target: {} }),
    ).rejects.toThrow('target.name: Required value');
  });

  it('gives a pod the annotations of its binding, and refuses unknown fields of a binding', async () => {
    const { api, client } = server;
    await client.create('Node', { metadata: { name: 'n' }, spec: {} });
    const annotations = { a: 'own', b: 'own' };
    await client.create('Pod', {
      metadata: { name: 'p', namespace, annotations },
      spec: { containers: [{ name: 'a', image: 'a' }] },
    });
    const at = { entry: kind('v1', 'Pod'), namespace, name: 'p', subresource: 'binding' } as const;
    const bind = (more: object) =>
      api.create(context(), at, { metadata: { name: 'p', ...more }, target: { kind: 'Node', name: 'n' } });
    await expect(bind({ annotations: { b: 1 } })).rejects.toMatchObject({ reason: 'BadRequest' });
    await bind({ annotations: { b: 'theirs', c: 'theirs' } });
    expect((await client.get('Pod', 'p', namespace)).metadata.annotations).toEqual({
      ...annotations,
      b: 'theirs',
      c: 'theirs',
    });
  });
});
