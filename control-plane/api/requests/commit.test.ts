import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { ConfigMap, Kind } from '../../../shared/generated/types.ts';
import { kindNamed } from '../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { systemRandom } from '../../../shared/random.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { MemoryStore } from '../../store/memory.ts';
import type { Txn } from '../../store/store.ts';
import type { Api, RequestContext } from '../api.ts';
import { Pipeline } from '../pipeline.ts';
import { WriteCore } from './write-core.ts';
import type { ObjectChange, WriteHook } from './write-hook.ts';

let store: MemoryStore;
let server: TestApi;
beforeEach(async () => {
  store = new MemoryStore({ clock: systemClock });
  server = await startTestApi({ store });
});
afterEach(() => server.stop());

/** Another server on the same store, which has only these write hooks. */
function apiWith(...writeHooks: WriteHook[]): { api: Api; txns: Txn[] } {
  const txns: Txn[] = [];
  const watched = {
    get: (key: string) => store.get(key),
    txn: (txn: Txn) => {
      txns.push(txn);
      return store.txn(txn);
    },
  };
  const core = new WriteCore({
    store: watched as unknown as MemoryStore,
    cache: server.cache,
    authorizer: { authorize: () => ({ allowed: true }) },
    clock: systemClock,
    random: systemRandom,
    plugins: [],
    writeHooks,
  });
  return { api: new Pipeline({ core, handlers: {}, subresources: {} }), txns };
}

function contextOf(): RequestContext {
  return { identity: { user: 'ann', groups: [] }, signal: new AbortController().signal, warnings: [] };
}

const target = (name: string, kind: Kind = 'ConfigMap') => ({ entry: kindNamed(kind), namespace: 'default', name });
const configMap = (name: string, data: Record<string, string> = {}) => ({
  metadata: { name, namespace: 'default' },
  data,
});
const create = (api: Api, object: ReturnType<typeof configMap>, options = {}) =>
  api.create(contextOf(), { entry: kindNamed('ConfigMap'), namespace: 'default' }, object, options);
const patch = (api: Api, name: string, data: Record<string, string>, options = {}) =>
  api.patch(contextOf(), target(name), { type: 'merge', body: { data } }, options);
const itemAt = async (key: string) => (await store.get(key)).item?.value;

/** Reserves `/slots/SLOT` for the config map whose data has that slot, and fills in a free one of two. */
const slots: WriteHook = {
  kinds: ['ConfigMap'],
  contribute({ before, after }, observed) {
    const slotOf = (object: KubeObject | undefined) => (object as ConfigMap | undefined)?.data?.slot;
    const named = slotOf(after);
    const free = ['1', '2'].find((slot) => !observed.exists(`/slots/${slot}`)) ?? '3';
    const slot = named ?? free;
    if (!after || slot === slotOf(before)) return undefined;
    const key = `/slots/${slot}`;
    return {
      object: { ...after, data: { ...(after as ConfigMap).data, slot } } as KubeObject,
      guards: [{ key, revision: 0 }],
      writes: [{ type: 'put', key, value: after.metadata.name }],
      refused(current) {
        if (named && current.has(key)) throw new ApiError('Conflict', `slot ${slot} is taken`);
      },
    };
  },
};

describe('a write hook', () => {
  test('extends the transaction of the object, and fills in the stored and returned object', async () => {
    const { api, txns } = apiWith(slots);
    const { object } = await create(api, configMap('a'));
    expect(object).toMatchObject({ data: { slot: '1' } });
    expect(txns).toHaveLength(1);
    expect(await itemAt('/slots/1')).toBe('a');
    expect(await server.client.get('ConfigMap', 'a', 'default')).toMatchObject({ data: { slot: '1' } });
  });

  test('is called again with the state that the refused transaction returned, until its guards hold', async () => {
    const { api, txns } = apiWith(slots);
    await create(api, configMap('a'));
    const { object } = await create(api, configMap('b'));
    expect(object).toMatchObject({ data: { slot: '2' } });
    expect(txns).toHaveLength(3);
  });

  test('may give up instead, and nothing is stored', async () => {
    const { api } = apiWith(slots);
    await create(api, configMap('a'));
    await expect(create(api, configMap('b', { slot: '1' }))).rejects.toThrow('slot 1 is taken');
    await create(api, configMap('c', { slot: '2' }));
    await expect(patch(api, 'c', { slot: '1' })).rejects.toThrow('slot 1 is taken');
    expect(await server.client.list('ConfigMap', { namespace: 'default' })).toMatchObject({
      items: expect.not.arrayContaining([
        expect.objectContaining({ metadata: expect.objectContaining({ name: 'b' }) }),
      ]),
    });
    expect(await itemAt('/slots/1')).toBe('a');
  });

  test('does not give up for an object that exists already or has changed: that is found first', async () => {
    const { api } = apiWith(slots);
    await create(api, configMap('a', { slot: '1' }));
    await expect(create(api, configMap('a', { slot: '1' }))).rejects.toMatchObject({ reason: 'AlreadyExists' });
  });

  test('sees the states before and after, of its kinds only', async () => {
    const seen: (string | undefined)[][] = [];
    const note = ({ def, before, after }: ObjectChange): undefined =>
      void seen.push([def.kind, before?.metadata.name, after?.metadata.name]);
    const { api } = apiWith({ kinds: ['ConfigMap'], contribute: note }, { kinds: ['Secret'], contribute: note });
    await create(api, configMap('a'));
    await patch(api, 'a', { x: 'y' });
    await api.delete(contextOf(), target('a'));
    expect(seen).toEqual([
      ['ConfigMap', undefined, 'a'],
      ['ConfigMap', 'a', 'a'],
      ['ConfigMap', 'a', undefined],
    ]);
  });

  test('may put the object on a lease, which a dry run does not grant', async () => {
    let granted = 0;
    const lease = (): Promise<string> => {
      granted++;
      return store.grantLease(60);
    };
    const { api, txns } = apiWith({ contribute: () => ({ lease }) });
    await create(api, configMap('a'), { dryRun: true });
    expect(granted).toBe(0);
    await create(api, configMap('a'));
    expect(granted).toBe(1);
    expect(txns.at(-1)?.writes).toEqual([expect.objectContaining({ type: 'put', lease: expect.any(String) })]);
  });
});

describe('a dry run', () => {
  test('is the same transaction without its writes', async () => {
    const { api, txns } = apiWith(slots);
    const { object } = await create(api, configMap('a'), { dryRun: true });
    expect(object).toMatchObject({ data: { slot: '1' } });
    await create(api, configMap('a'));
    const [dry, real] = txns;
    expect(dry?.guards).toEqual(real?.guards);
    expect([dry?.writes.length, real?.writes.length]).toEqual([0, 2]);
  });

  test('is refused like the write: by hooks, by an existing name, and by an earlier concurrent write', async () => {
    const { api, txns } = apiWith(slots);
    await create(api, configMap('a', { slot: '1' }));
    await create(api, configMap('b', { slot: '2' }));
    const dryRun = { dryRun: true };
    await expect(create(api, configMap('a'), dryRun)).rejects.toMatchObject({ reason: 'AlreadyExists' });
    await expect(create(api, configMap('c', { slot: '1' }), dryRun)).rejects.toThrow('slot 1 is taken');
    await expect(patch(api, 'b', { slot: '1' }, dryRun)).rejects.toThrow('slot 1 is taken');
    const before = txns.length;
    await server.client.patch(
      'ConfigMap',
      'b',
      { type: 'merge', body: { data: { x: '1' } } },
      { namespace: 'default' },
    );
    const { object } = await patch(api, 'b', { y: '2' }, dryRun);
    expect(object).toMatchObject({ data: { slot: '2', x: '1', y: '2' } });
    expect(txns.slice(before).flatMap(({ writes }) => writes)).toEqual([]);
  });
});
