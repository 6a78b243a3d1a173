import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../shared/clock.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { configMapDraft } from '../../../test/support/drafts.ts';
import { MemoryStore } from '../../store/memory.ts';
import type { Store } from '../../store/store.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

describe('several servers on one store', () => {
  let other: TestApi;
  beforeEach(async () => {
    other = await startTestApi({ store: unclosable(server.store) });
  });
  afterEach(() => other.stop());

  it('reads the latest write of another server', async () => {
    for (let i = 0; i < 50; i++) {
      await server.client.create('ConfigMap', configMapDraft(`c${i}`));
      expect((await other.client.get('ConfigMap', `c${i}`, 'default')).metadata.name).toBe(`c${i}`);
      const { items } = await other.client.list('ConfigMap', { namespace: 'default' });
      expect(items).toHaveLength(i + 1);
    }
  });

  it('do not take a state that another has replaced for nothing to do', async () => {
    const first = await server.client.create('ConfigMap', configMapDraft('a', { k: '1' }));
    await other.client.get('ConfigMap', 'a', 'default');
    const patch = (k: string) => ({ type: 'merge', body: { data: { k } } }) as const;
    const second = server.client.patch('ConfigMap', 'a', patch('2'), { namespace: 'default' });
    await second;
    const third = await other.client.patch('ConfigMap', 'a', patch('1'), { namespace: 'default' });
    expect(third.data).toEqual({ k: '1' });
    expect(Number(third.metadata.resourceVersion)).toBeGreaterThan(Number(first.metadata.resourceVersion));
    expect((await server.client.get('ConfigMap', 'a', 'default')).data).toEqual({ k: '1' });
  });
});

it('the store is read once for many concurrent reads', async () => {
  const store = new MemoryStore({ clock: systemClock });
  let asked = 0;
  const counting = new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (name === 'get') asked++;
        return value.apply(target, args);
      };
    },
  });
  const many = await startTestApi({ store: counting });
  asked = 0;
  await Promise.all(Array.from({ length: 1_000 }, () => many.client.get('Namespace', 'default')));
  expect(asked).toBeLessThan(5);
  await many.stop();
});

/** The same store for a second server, which does not close it. */
function unclosable(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'close') return () => Promise.resolve();
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
