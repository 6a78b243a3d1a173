import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WatchBatch } from '../../shared/client.ts';
import { ApiError } from '../../shared/errors.ts';
import type { ConfigMap, Deployment, Pod } from '../../shared/generated/types.ts';
import type { Draft, KubeObject } from '../../shared/object.ts';
import { incomingOf } from '../../shared/rpc/streams.ts';
import { eventually } from '../support/eventually.ts';
import { startTestGrpc, type TestGrpc } from '../support/grpc-server.ts';
import { noPodStreams } from '../support/pod-stream.ts';

let grpc: TestGrpc;
const text = new TextEncoder();

beforeAll(async () => {
  grpc = await startTestGrpc({
    nodeStreams: {
      ...noPodStreams,
      async logs(_node, { container, tail }) {
        return (async function* () {
          yield text.encode(`${container} tail=${tail}\n`);
          yield text.encode('second\n');
        })();
      },
    },
  });
});
afterAll(() => grpc.stop());

function pod(name: string, more: Partial<Pod['spec']> = {}): Draft<Pod> {
  return {
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: {
      containers: [{ name: 'main', image: 'busybox', resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
      ...more,
    },
  };
}

function configMap(name: string, data: Record<string, string> = {}): Draft<ConfigMap> {
  return { metadata: { name, namespace: 'default' }, data };
}

describe('objects over gRPC', () => {
  test('an object comes back as the pipeline in the server holds it', async () => {
    const created = await grpc.remote.create('Pod', pod('same', { terminationGracePeriodSeconds: 0 }));
    const [remote, local] = await Promise.all([
      grpc.remote.get('Pod', 'same', 'default'),
      grpc.client.get('Pod', 'same', 'default'),
    ]);
    expect(remote).toEqual(local);
    expect(created).toEqual(local);
    expect(remote.spec.terminationGracePeriodSeconds).toBe(0);
    expect(remote.spec.containers[0]?.resources?.requests).toEqual({ cpu: '100m', memory: '64Mi' });
    await grpc.remote.delete('Pod', 'same', { namespace: 'default', gracePeriodSeconds: 0 });
  });

  test('an apply makes an object, owns it, and is refused what others own until it is forced', async () => {
    const config = (a: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'applied', namespace: 'default' },
      data: { a },
    });
    const apply = (a: string, fieldManager: string | undefined, force = false) =>
      grpc.remote.patch(
        'ConfigMap',
        'applied',
        { type: 'apply', body: config(a) },
        { namespace: 'default', fieldManager, force },
      );
    const made = await apply('1', 'one');
    expect(made.metadata.managedFields).toMatchObject([
      { manager: 'one', operation: 'Apply', fieldsV1: { 'f:data': { 'f:a': {} } } },
    ]);
    await expect(apply('2', 'two')).rejects.toMatchObject({
      reason: 'Conflict',
      message: 'Apply failed with 1 conflict: conflict with "one": .data.a',
      details: { causes: [{ reason: 'FieldManagerConflict', field: '.data.a' }] },
    });
    expect((await apply('2', 'two', true)).data).toEqual({ a: '2' });
    await expect(apply('3', undefined)).rejects.toMatchObject({ reason: 'Invalid' });
    await grpc.remote.delete('ConfigMap', 'applied', { namespace: 'default' });
  });

  test('a list pages through all objects at one version, and selects by label', async () => {
    for (const name of ['page-a', 'page-b', 'page-c']) {
      await grpc.remote.create('ConfigMap', {
        ...configMap(name),
        metadata: { name, namespace: 'default', labels: { page: 'yes' } },
      });
    }
    const options = { namespace: 'default', labelSelector: 'page=yes' };
    const first = await grpc.remote.list('ConfigMap', { ...options, limit: 2 });
    expect(first.items.map(({ metadata }) => metadata.name)).toEqual(['page-a', 'page-b']);
    const rest = await grpc.remote.list('ConfigMap', { ...options, limit: 2, continue: first.continue });
    expect(rest.items.map(({ metadata }) => metadata.name)).toEqual(['page-c']);
    expect(rest.continue).toBeUndefined();
    const all = await grpc.remote.list('ConfigMap', options);
    expect(all.items).toHaveLength(3);
    expect(all.items[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
  });

  test('update, status and patch write what they say and guard by resourceVersion', async () => {
    const made = await grpc.remote.create('Deployment', {
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web' } }, spec: pod('x').spec },
      },
    } as Draft<Deployment>);
    expect(made.spec.replicas).toBe(0);
    const scaled = await grpc.remote.patch(
      'Deployment',
      'web',
      { type: 'strategic', body: { spec: { replicas: 3 } } },
      { namespace: 'default' },
    );
    expect(scaled.spec.replicas).toBe(3);
    await expect(grpc.remote.update('Deployment', made)).rejects.toMatchObject({ reason: 'Conflict' });
    const told = await grpc.remote.updateStatus('Deployment', { ...scaled, status: { replicas: 2 } });
    expect(told.status?.replicas).toBe(2);
    expect(told.spec.replicas).toBe(3);
    const rescaled = await grpc.remote.patch(
      'Deployment',
      'web',
      { type: 'merge', body: { spec: { replicas: 5 } } },
      { namespace: 'default', subresource: 'scale' },
    );
    expect(rescaled).toBeDefined();
    expect((await grpc.remote.get('Deployment', 'web', 'default')).spec.replicas).toBe(5);
  });

  test('a patch is not taken deeper than any object is', async () => {
    const body = Array.from({ length: 1_000 }).reduce<object>((inner) => ({ a: inner }), {});
    await expect(
      grpc.remote.patch('ConfigMap', 'x', { type: 'merge', body }, { namespace: 'default' }),
    ).rejects.toMatchObject({ reason: 'BadRequest', message: expect.stringMatching(/nested deeper than 256 levels/) });
  });

  test('a dry run stores nothing', async () => {
    await grpc.remote.create('ConfigMap', configMap('dry'), { dryRun: true });
    await expect(grpc.remote.get('ConfigMap', 'dry', 'default')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  test('an eviction deletes the pod it was meant for and not its successor of the same name', async () => {
    const first = await grpc.remote.create('Pod', pod('evictee'));
    await expect(grpc.remote.evict({ ...first, metadata: { ...first.metadata, uid: 'other' } })).rejects.toMatchObject({
      reason: 'Conflict',
    });
    await grpc.remote.evict(first, { gracePeriodSeconds: 0 });
    await expect(grpc.remote.get('Pod', 'evictee', 'default')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  test('logs stream from the node', async () => {
    await grpc.remote.create('Pod', pod('talker', { nodeName: 'worker' }));
    let log = '';
    const signal = AbortSignal.timeout(5000);
    for await (const chunk of grpc.remote.logs({ namespace: 'default', name: 'talker' }, { tailLines: 7 }, signal)) {
      log += Buffer.from(chunk).toString();
    }
    expect(log).toBe('main tail=7\nsecond\n');
  });
});

describe('errors over gRPC', () => {
  test('every refusal reaches the client as the same error the pipeline threw', async () => {
    await grpc.remote.create('ConfigMap', configMap('twice'));
    const bad = { ...pod('Bad_Name'), spec: { containers: [{ name: 'x' }, { name: 'x' }] } } as Draft<Pod>;
    const attempts: Array<(client: TestGrpc['client'] | TestGrpc['remote']) => Promise<unknown>> = [
      (client) => client.get('Pod', 'nobody', 'default'),
      (client) => client.create('ConfigMap', configMap('twice')),
      (client) => client.create('Pod', bad),
      (client) => client.create('ConfigMap', { metadata: { name: 'x', namespace: 'no-such' } }),
      (client) => client.list('Pod', { labelSelector: '===' }),
    ];
    for (const attempt of attempts) {
      const [remote, local] = await Promise.all([failure(attempt(grpc.remote)), failure(attempt(grpc.client))]);
      expect(remote.toStatus()).toEqual(local.toStatus());
    }
  });

  test('an error with thousands of causes still arrives, shortened', async () => {
    const containers = Array.from({ length: 3000 }, (_, i) => ({ name: `Not Valid ${i}`, image: 'x' }));
    const error = await failure(grpc.remote.create('Pod', { ...pod('huge'), spec: { containers } } as Draft<Pod>));
    expect(error.reason).toBe('Invalid');
    expect(error.details.causes?.length).toBeGreaterThan(0);
  });

  test('a server that is gone is ServiceUnavailable for writes at once, within their deadline', async () => {
    const other = await startTestGrpc();
    const client = await other.clientOf({ user: 'ann', groups: ['system:masters'] });
    await client.list('Node');
    await other.server.close(0);
    await expect(client.create('ConfigMap', configMap('late'))).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    await other.stop();
  });

  test('a request over 4 MiB is refused', async () => {
    const data = { big: 'x'.repeat(5 * 1024 * 1024) };
    const error = await failure(grpc.remote.create('ConfigMap', configMap('big', data)));
    expect(error.reason).toBe('RequestEntityTooLarge');
  });

  test('bytes that are no message are a bad request', async () => {
    const [service] = grpc.schema.kinds.filter(({ entry }) => entry.kind === 'Pod');
    const method = service?.methods.Get;
    if (!method) throw new Error('no Pods');
    const garbage = { ...method, requestSerialize: () => Buffer.from([0xff, 0xff, 0xff]) };
    await expect(grpc.remote.channel.unary(garbage, {})).rejects.toMatchObject({ reason: 'BadRequest' });
  });
});

describe('watching over gRPC', () => {
  test('kinds together: what is there, then every change in order', async () => {
    await grpc.remote.create('ConfigMap', configMap('seen-before'));
    const stop = new AbortController();
    const batches: WatchBatch[] = [];
    const watching = (async () => {
      for await (const batch of grpc.remote.watch(['ConfigMap', 'Secret'], stop.signal)) batches.push(batch);
    })();
    await eventually(() => batches.some(({ synced }) => synced));
    await grpc.remote.create('Secret', { metadata: { name: 'later', namespace: 'default' }, stringData: { a: 'b' } });
    await grpc.remote.delete('ConfigMap', 'seen-before', { namespace: 'default' });
    const of = (name: string) =>
      batches.flatMap(({ events }) => events).filter(({ object }) => object.metadata.name === name);
    await eventually(() => of('seen-before').length === 2);
    expect(of('seen-before').map(({ type }) => type)).toEqual(['ADDED', 'DELETED']);
    expect(of('later').map(({ type, kind }) => `${type} ${kind}`)).toEqual(['ADDED Secret']);
    const revisions = batches.filter(({ initial }) => !initial).map(({ revision }) => revision);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
    stop.abort();
    await watching;
  });

  test('one kind: the present objects, a bookmark, then changes; only what is selected', async () => {
    const selector = { namespace: 'default', labelSelector: 'watch=yes' };
    const labels = { watch: 'yes' };
    await grpc.remote.create('ConfigMap', { metadata: { name: 'w-1', namespace: 'default', labels } });
    const stop = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { type, object } of grpc.remote.watchKind('ConfigMap', selector, stop.signal)) {
        seen.push(`${type} ${object.metadata.name ?? ''}`.trim());
      }
    })();
    await eventually(() => seen.some((line) => line.startsWith('BOOKMARK')));
    await grpc.remote.create('ConfigMap', configMap('w-not'));
    await grpc.remote.create('ConfigMap', { metadata: { name: 'w-2', namespace: 'default', labels } });
    await eventually(() => seen.includes('ADDED w-2'));
    expect(seen).toEqual(['ADDED w-1', 'BOOKMARK', 'ADDED w-2']);
    stop.abort();
    await watching;
  });

  test('a kind of two versions has a service for each, over the same objects', async () => {
    const { channel } = grpc.remote;
    const service = grpc.schema.kinds.find(({ name }) => name === 'coracle.v1.AutoscalingV1HorizontalPodAutoscalers');
    if (!service?.methods.Create || !service.methods.List) throw new Error('no autoscalers of version 1');
    const object = {
      apiVersion: 'autoscaling/v1',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'two', namespace: 'default' },
      spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 3, targetCPUUtilizationPercentage: 50 },
    } as unknown as KubeObject;
    const made = await channel.unary(service.methods.Create, { object }, { timeoutMs: 10_000 });
    expect(made).toMatchObject({ apiVersion: 'autoscaling/v1', spec: { targetCPUUtilizationPercentage: 50 } });
    const { items } = await channel.unary(service.methods.List, { namespace: 'default' }, { timeoutMs: 10_000 });
    expect(items).toEqual([made]);
    expect((await grpc.client.get('HorizontalPodAutoscaler', 'two', 'default')).spec.metrics).toMatchObject([
      { type: 'Resource', resource: { name: 'cpu', target: { averageUtilization: 50 } } },
    ]);
    await grpc.client.delete('HorizontalPodAutoscaler', 'two', { namespace: 'default' });
  });

  test('a watcher that does not read is held back and, once it reads, has missed nothing', async () => {
    const call = grpc.remote.channel;
    const [service] = grpc.schema.kinds.filter(({ entry }) => entry.kind === 'ConfigMap');
    if (!service?.methods.Watch) throw new Error('no ConfigMaps');
    const stop = new AbortController();
    const request = { namespace: 'default', label_selector: 'bulk=yes' };
    const events = call.serverStream(service.methods.Watch, request, stop.signal)[Symbol.asyncIterator]();
    expect((await events.next()).value?.type).toBe('BOOKMARK');
    const data = { text: 'x'.repeat(20_000) };
    for (let i = 0; i < 200; i++) {
      await grpc.client.create('ConfigMap', {
        metadata: { name: `bulk-${i}`, namespace: 'default', labels: { bulk: 'yes' } },
        data,
      });
    }
    const names = [];
    while (names.length < 200) names.push((await events.next()).value?.object?.metadata.name);
    expect(names).toEqual(Array.from({ length: 200 }, (_, i) => `bulk-${i}`));
    stop.abort();
    await events.return?.(undefined);
  });

  test('leaving a watch ends it at the server', async () => {
    const abort = new AbortController();
    for await (const _ of grpc.remote.watch(['Node'], abort.signal)) break;
    // A graceful close waits for open calls: it is prompt only when none is left.
    const other = await startTestGrpc();
    const stop = new AbortController();
    for await (const _ of other.remote.watch(['Node'], stop.signal)) break;
    const started = performance.now();
    await other.server.close(8000);
    expect(performance.now() - started).toBeLessThan(4000);
    await other.stop();
  });
});

test('a stream that is read late still returns its error', async () => {
  const stop = new AbortController();
  const stream = grpc.remote.channel.duplex(grpc.schema.sessions.Connect, stop.signal);
  const messages = incomingOf(stream)[Symbol.asyncIterator]();
  await new Promise((resolve) => stream.once('status', resolve));
  await expect(messages.next()).rejects.toThrow('only nodes may open sessions');
});

async function failure(attempt: Promise<unknown>): Promise<ApiError> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ApiError)) throw new Error(`no ApiError: ${String(error)}`);
  return error;
}
