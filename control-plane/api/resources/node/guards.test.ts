import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../shared/clock.ts';
import { startTestApi, type TestApi } from '../../../../test/support/api-server.ts';
import { BrakedStore } from '../../../../test/support/braked-store.ts';
import { eventually } from '../../../../test/support/eventually.ts';
import { MemoryStore } from '../../../store/memory.ts';

let store: BrakedStore;
let server: TestApi;
beforeEach(async () => {
  store = new BrakedStore(new MemoryStore({ clock: systemClock }));
  server = await startTestApi({ store });
});
afterEach(() => server.stop());

const addNode = () => server.client.create('Node', { metadata: { name: 'n' }, spec: {} });
const addPod = (name = 'p') =>
  server.client.create('Pod', {
    metadata: { name, namespace: 'default' },
    spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] },
  });
const guard = async () => (await store.get('/coracle/registry/coracle.io/nodeguards/n')).item;

describe('the guard of a node', () => {
  it('changes with each pod that comes to the node by itself', async () => {
    await addNode();
    await eventually(() => server.cache.get('Node', 'n') !== undefined);
    const revisions = [(await guard())?.revision];
    for (const name of ['a', 'b']) {
      await addPod(name);
      revisions.push((await guard())?.revision);
    }
    expect(new Set(revisions).size).toBe(3);
  });

  it('is not created again for a deleted node, even if the cache shows the node', async () => {
    await addNode();
    await eventually(() => server.cache.get('Node', 'n') !== undefined);
    store.watches.hold();
    await server.client.delete('Node', 'n');
    await addPod();
    expect(await guard()).toBeUndefined();
  });

  it('is that of the present node, although the cache shows none, or another one of its name', async () => {
    const first = await addNode();
    await eventually(() => server.cache.get('Node', 'n') !== undefined);
    store.watches.hold();
    await server.client.delete('Node', 'n');
    const { metadata } = await addNode();
    const before = (await guard())?.revision ?? 0;
    await addPod();
    const after = await guard();
    expect(after?.revision).toBeGreaterThan(before);
    expect(JSON.parse(after?.value ?? '{}').metadata.uid).toBe(metadata.uid);
    expect(metadata.uid).not.toBe(first.metadata.uid);
  });
});
