import { describe, expect, it } from 'vitest';
import type { Kind } from '../../../shared/generated/types.ts';
import { builtinKinds } from '../../../shared/kinds/index.ts';
import { isStored, kindTable } from '../../../shared/kinds/table.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { packed } from './packed.ts';
import { CacheState } from './state.ts';

const object = (kind: string, name: string, namespace?: string): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, ...(namespace ? { namespace } : {}) } as KubeObject['metadata'],
});
const names = (objects: readonly KubeObject[]) => objects.map(({ metadata }) => metadata.name);

describe('the state of the cache', () => {
  it('has the objects of each kind in key order, of all namespaces or one', () => {
    const state = new CacheState(builtinKinds.stored.map(({ id }) => id));
    for (const key of ['b/1', 'a/2', 'a/1']) {
      const [namespace, name] = key.split('/') as [string, string];
      state.set('Pod', key, object('Pod', name, namespace), 10);
    }
    const node = object('Node', 'n');
    state.set('Node', 'n', node, 10);
    expect(names(state.list('Pod'))).toEqual(['1', '2', '1']);
    expect(names(state.list('Pod', 'a'))).toEqual(['1', '2']);
    expect([state.list('Pod', 'none'), state.list('Secret')]).toEqual([[], []]);
    expect(['a', 'b', 'none', undefined].map((namespace) => state.count('Pod', namespace))).toEqual([2, 1, 0, 3]);
    expect([state.list('Node'), state.count('Node', 'a'), state.get('Node', 'n')]).toEqual([[node], 0, node]);
    expect(state.get('Pod', 'n')).toBeUndefined();
  });

  it('has the last state of a key, and no deleted objects', () => {
    const state = new CacheState(builtinKinds.stored.map(({ id }) => id));
    const [older, newer] = [object('Pod', '1', 'a'), object('Pod', '1', 'a')];
    state.set('Pod', 'a/1', older, 10);
    state.set('Pod', 'a/1', newer, 30);
    state.set('Pod', 'a/2', object('Pod', '2', 'a'), 5);
    expect([state.get('Pod', 'a/1') === newer, state.list('Pod', 'a')[0] === newer, state.count('Pod')]).toEqual([
      true,
      true,
      2,
    ]);
    expect([state.cost(older), state.cost(newer), state.memory]).toEqual([0, 30, { heap: 35, bytes: 0 }]);
    state.delete('Pod', 'a/unknown');
    state.delete('Pod', 'a/1');
    expect([names(state.list('Pod')), names(state.list('Pod', 'a')), state.cost(newer), state.memory.heap]).toEqual([
      ['2'],
      ['2'],
      0,
      5,
    ]);
    state.delete('Pod', 'a/2');
    state.delete('Pod', 'a/2');
    expect([state.count('Pod'), state.count('Pod', 'a'), state.list('Pod', 'a'), state.memory.heap]).toEqual([
      0,
      0,
      [],
      0,
    ]);
    state.set('Pod', 'a/3', object('Pod', '3', 'a'), 1);
    expect(names(state.list('Pod', 'a'))).toEqual(['3']);
  });

  it('counts the memory of packed objects outside of the heap', () => {
    const state = new CacheState(builtinKinds.stored.map(({ id }) => id));
    const text = JSON.stringify({ ...object('ConfigMap', '1', 'a'), data: { x: 'y'.repeat(1_000) } });
    state.set(
      'ConfigMap',
      'a/1',
      packed(text, 1, (one) => JSON.parse(one)),
      100,
    );
    state.set(
      'ConfigMap',
      'a/2',
      packed(text, 1, (one) => JSON.parse(one)),
      100,
    );
    expect(state.memory).toEqual({ heap: 200, bytes: 2 * text.length });
    state.set('ConfigMap', 'a/2', object('ConfigMap', '2', 'a'), 7);
    expect(state.memory).toEqual({ heap: 107, bytes: text.length });
    state.delete('ConfigMap', 'a/1');
    expect(state.memory).toEqual({ heap: 7, bytes: 0 });
  });

  it('has no objects of a kind that is not stored', () => {
    const state = new CacheState(builtinKinds.stored.map(({ id }) => id));
    const kind = kindTable.find((entry) => !isStored(entry))?.kind as Kind;
    state.set(kind, '1', object(kind, '1'), 10);
    state.delete(kind, '1');
    expect([state.get(kind, '1'), state.list(kind), state.count(kind), state.memory.heap]).toEqual([
      undefined,
      [],
      0,
      0,
    ]);
  });
});
