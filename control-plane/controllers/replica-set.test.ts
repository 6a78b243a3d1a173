import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import type { Kind, KindMap, ReplicaSet } from '../../shared/generated/types.ts';
import type { Draft } from '../../shared/object.ts';
import { startTestApi, type TestApi } from '../../test/support/api-server.ts';
import { startControllers } from '../../test/support/controllers.ts';
import { eventually } from '../../test/support/eventually.ts';
import { component } from '../api/identity.ts';
import { LocalClient } from '../api/local-client.ts';
import { createReplicaController } from './replica-set.ts';

/** Counts the pods that were asked for. */
class Counting extends LocalClient {
  tried = 0;

  override async create<K extends Kind>(kind: K, object: Draft<KindMap[K]>): Promise<KindMap[K]> {
    if (kind === 'Pod') this.tried++;
    // A controller that never rests must not keep the test from seeing it.
    await setImmediate();
    return super.create(kind, object);
  }
}

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

it('says once why its pods are refused, and goes on trying with a backoff', async () => {
  const { client } = server;
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await client.create('Namespace', { metadata: { name: 'strict', labels } });
  const counting = new Counting({ api: server.api, identity: component('test'), clock: systemClock });
  const stop = await startControllers(counting, (deps) => createReplicaController('ReplicaSet', deps));
  try {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'main', image: 'some:1' }] } };
    const spec = { replicas: 1, selector: { matchLabels: { a: 'b' } }, template };
    await client.create('ReplicaSet', { metadata: { name: 'web', namespace: 'strict' }, spec });
    const read = (): Promise<ReplicaSet> => client.get('ReplicaSet', 'web', 'strict');
    const first = await eventually(async () => {
      const found = await read();
      return found.status?.conditions?.some(({ type }) => type === 'ReplicaFailure') ? found : undefined;
    });
    const before = counting.tried;
    await eventually(() => counting.tried >= before + 4);
    expect((await read()).metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  } finally {
    await stop();
  }
});
