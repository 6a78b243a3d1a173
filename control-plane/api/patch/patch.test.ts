import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messages } from '../../../shared/generated/schema.ts';
import type { MessageSchema } from '../../../shared/schema/proto/message.ts';
import { patchTypes } from '../../../shared/schema/proto/patch-types.ts';
import { deepEqual } from './equal.ts';
import { applyJsonPatch } from './json.ts';
import { applyMergePatch } from './merge.ts';
import { applyStrategicPatch } from './strategic.ts';

type Schema = Readonly<Record<string, MessageSchema>>;

const pod = 'k8s.io.api.core.v1.Pod';
const containers = (...items: object[]) => ({ spec: { containers: items } });
const strategic = (target: unknown, patch: unknown, type = pod, schema: Schema = messages) =>
  applyStrategicPatch(target, patch, patchTypes(schema)(type) ?? new Map());

const schema: Schema = {
  thing: {
    fields: {
      names: { number: 1, type: 'string', repeated: true, patchStrategy: ['merge'] },
      items: { number: 2, type: 'item', repeated: true, patchStrategy: ['merge'], patchMergeKey: 'name' },
      atomic: { number: 3, type: 'string', repeated: true },
      source: { number: 4, type: 'item', patchStrategy: ['retainKeys'] },
    },
  },
  item: {
    fields: {
      name: { number: 1, type: 'string' },
      value: { number: 2, type: 'string' },
      more: { number: 3, type: 'string' },
    },
  },
};
const thing = (target: unknown, patch: unknown) => strategic(target, patch, 'thing', schema);

describe('strategic merge patch', () => {
  it('merges containers by name and keeps what the patch does not name', () => {
    const before = containers({ name: 'a', image: 'a:1', tty: true }, { name: 'b', image: 'b:1' });
    expect(strategic(before, containers({ name: 'a', image: 'a:2' }, { name: 'c', image: 'c:1' }))).toEqual(
      containers({ name: 'a', image: 'a:2', tty: true }, { name: 'c', image: 'c:1' }, { name: 'b', image: 'b:1' }),
    );
  });

  it('orders what it names as it stands there: what is new comes first, what it does not name keeps its place', () => {
    const names = (before: object[], patch: object[]) =>
      (thing({ items: before }, { items: patch }) as { items: { name: string }[] }).items.map(({ name }) => name);
    const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
    expect(names([a, b, c], [c, a])).toEqual(['b', 'c', 'a']);
    expect(names([a, b], [c])).toEqual(['c', 'a', 'b']);
    expect(names([a, b], [{ ...b, value: 'x' }, c])).toEqual(['a', 'b', 'c']);
    expect(thing({ names: ['a', 'b', 'b'] }, { names: ['c', 'b'] })).toEqual({ names: ['c', 'a', 'b'] });
  });

  it('removes with null, and items with $patch: delete', () => {
    const before = { metadata: { labels: { a: '1', b: '2' } }, ...containers({ name: 'a' }, { name: 'b' }) };
    const patch = { metadata: { labels: { a: null } }, ...containers({ name: 'a', $patch: 'delete' }) };
    expect(strategic(before, patch)).toEqual({ metadata: { labels: { b: '2' } }, ...containers({ name: 'b' }) });
  });

  it('replaces an object with $patch: replace, and a list whose items include it', () => {
    expect(thing({ source: { name: 'a', value: 'x' } }, { source: { $patch: 'replace', name: 'b' } })).toEqual({
      source: { name: 'b' },
    });
    expect(thing({ items: [{ name: 'a' }] }, { items: [{ $patch: 'replace' }, { name: 'b' }] })).toEqual({
      items: [{ name: 'b' }],
    });
  });

  it('keeps only the keys that $retainKeys names', () => {
    const patch = { source: { $retainKeys: ['name', 'more'], more: 'z' } };
    expect(thing({ source: { name: 'a', value: 'x' } }, patch)).toEqual({ source: { name: 'a', more: 'z' } });
  });

  it('adds to and deletes from lists of scalars', () => {
    expect(thing({ names: ['a', 'b'] }, { names: ['b', 'c'] })).toEqual({ names: ['a', 'b', 'c'] });
    expect(thing({ atomic: ['a', 'b'] }, { '$deleteFromPrimitiveList/atomic': ['a'] })).toEqual({ atomic: ['b'] });
    expect(thing({}, { '$deleteFromPrimitiveList/names': ['a'] })).toEqual({});
    expect(thing({ names: ['a', 'b'] }, { '$deleteFromPrimitiveList/names': ['a'] })).toEqual({ names: ['b'] });
    const both = { names: ['c'], '$deleteFromPrimitiveList/names': ['a'] };
    expect(thing({ names: ['a', 'b'] }, both)).toEqual({ names: ['c', 'b'] });
  });

  it('orders as $setElementOrder says and keeps the server’s own items in their places', () => {
    const before = { items: [{ name: 'a' }, { name: 'server' }, { name: 'b' }] };
    const patch = { items: [{ name: 'c' }], '$setElementOrder/items': [{ name: 'b' }, { name: 'a' }, { name: 'c' }] };
    const { items } = thing(before, patch) as { items: { name: string }[] };
    expect(items.map(({ name }) => name)).toEqual(['server', 'b', 'a', 'c']);
  });

  it('puts what is new where what it deletes has been, as to the server’s own items', () => {
    const before = { items: [{ name: 'a' }, { name: 'b' }, { name: 'server' }] };
    const patch = {
      items: [{ name: 'c' }, { name: 'a', $patch: 'delete' }],
      '$setElementOrder/items': [{ name: 'b' }, { name: 'c' }],
    };
    expect(thing(before, patch)).toEqual({ items: [{ name: 'b' }, { name: 'server' }, { name: 'c' }] });
  });

  it('refuses items in another order than the one that it asks for', () => {
    const patch = { items: [{ name: 'b' }, { name: 'a' }], '$setElementOrder/items': [{ name: 'a' }, { name: 'b' }] };
    expect(() => thing({ items: [{ name: 'a' }] }, patch)).toThrow(
      /^The order in patch list:\n\[map\[name:b\] map\[name:a\]\]/,
    );
    const scalars = { names: ['b', 'a'], '$setElementOrder/names': ['a', 'b'] };
    expect(() => thing({ names: ['a'] }, scalars)).toThrow(/doesn't match \$setElementOrder list/);
  });

  it('takes what the object lacks as it stands in the patch, without what is there for a directive', () => {
    const items = [{ name: 'a', value: null }, { name: 'b', $patch: 'delete' }, { name: 'a' }];
    expect(thing({}, { items })).toEqual({ items: [{ name: 'a' }, { name: 'a' }] });
    expect(thing({}, { source: { $patch: 'delete' } })).toEqual({});
  });

  it.each([
    [
      'a directive that is none',
      { source: { $patch: 'merge' } },
      'unknown patch type: merge in map: map[$patch:merge]',
    ],
    ['one of an item', { items: [{ name: 'a', $patch: 'x' }] }, 'unknown patch type: x in map: map[$patch:x name:a]'],
    [
      'a list to be merged',
      { items: [{ name: 'a', $patch: 'merge' }] },
      'merging lists cannot yet be specified in the patch',
    ],
    ['keys that are not kept', { source: { $retainKeys: ['name'], more: 'z' } }, 'invalid patch format of retainKeys'],
  ])('refuses %s', (_what, patch, message) => {
    expect(() => thing({ source: { name: 'a' }, items: [{ name: 'a' }] }, patch)).toThrow(message);
  });

  it('replaces lists that have no merge strategy', () => {
    expect(thing({ atomic: ['a', 'b'] }, { atomic: ['c'] })).toEqual({ atomic: ['c'] });
  });

  it('refuses items without their merge key', () => {
    expect(() => strategic(containers({ name: 'a' }), containers({ image: 'x' }))).toThrow(
      /does not contain declared merge key: name/,
    );
  });

  const item = fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), value: fc.string() }, { requiredKeys: ['name'] });
  const things = fc.record(
    {
      names: fc.uniqueArray(fc.constantFrom('x', 'y', 'z')),
      items: fc.uniqueArray(item, { selector: ({ name }) => name }),
      atomic: fc.array(fc.string()),
      source: item,
    },
    { requiredKeys: [] },
  );

  it('law: applying a patch twice is applying it once, and neither input changes', () => {
    fc.assert(
      fc.property(things, things, (target, patch) => {
        const [before, asked] = [structuredClone(target), structuredClone(patch)];
        const once = thing(target, patch);
        expect(thing(once, patch)).toEqual(once);
        expect([target, patch]).toEqual([before, asked]);
      }),
    );
  });

  it('law: what a patch names stands in its order, and what it does not name in that of the object', () => {
    const names = (value: unknown): string[] =>
      ((value as { items?: { name: string }[] }).items ?? []).map(({ name }) => name);
    fc.assert(
      fc.property(things, things, (target, patch) => {
        const [before, asked, after] = [names(target), names(patch), names(thing(target, patch))];
        expect(after.filter((name) => asked.includes(name))).toEqual(asked);
        expect(after.filter((name) => !asked.includes(name))).toEqual(before.filter((name) => !asked.includes(name)));
      }),
    );
  });

  it('law: an object is its own patch', () => {
    fc.assert(
      fc.property(things, (target) => {
        expect(thing(target, target)).toEqual(target);
        expect(thing({}, target)).toEqual(target);
      }),
    );
  });
});

describe('merge patch (RFC 7386)', () => {
  it.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'foo' }, null, null],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j with %j is %j', (target, patch, result) => {
    expect(applyMergePatch(target, patch)).toEqual(result);
  });
});

describe('JSON patch (RFC 6902)', () => {
  it('adds, removes, replaces, moves, copies and tests', () => {
    const patch = [
      { op: 'test', path: '/a/0', value: 1 },
      { op: 'add', path: '/a/1', value: 9 },
      { op: 'add', path: '/a/-', value: 4 },
      { op: 'remove', path: '/b' },
      { op: 'replace', path: '/x~1y', value: { z: 1 } },
      { op: 'copy', from: '/x~1y', path: '/copy' },
      { op: 'move', from: '/copy/z', path: '/moved' },
    ];
    expect(applyJsonPatch({ a: [1, 2], b: 1, 'x/y': 2 }, patch)).toEqual({
      a: [1, 9, 2, 4],
      'x/y': { z: 1 },
      copy: {},
      moved: 1,
    });
  });

  it('counts from the end of a list by negative places, and takes what is not there for null in a test', () => {
    const patch = [
      { op: 'test', path: '/c', value: null },
      { op: 'replace', path: '/a/-1', value: 9 },
      { op: 'add', path: '/a/-1', value: 4 },
      { op: 'remove', path: '/a/-3' },
    ];
    expect(applyJsonPatch({ a: [1, 2] }, patch)).toEqual({ a: [9, 4] });
  });

  it('refuses more than ten thousand operations, in Kubernetes’ words', () => {
    const patch = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a', value: 1 }));
    expect(() => applyJsonPatch({ a: 1 }, patch)).toThrow(
      'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001',
    );
  });

  it('changes nothing of the document when an operation does not fit', () => {
    const document = { a: 1 };
    const patch = [
      { op: 'remove', path: '/a' },
      { op: 'test', path: '/b', value: 1 },
    ];
    expect(() => applyJsonPatch(document, patch)).toThrow(/path \/b does not exist/);
    expect(document).toEqual({ a: 1 });
  });

  it('takes no path into what every object has', () => {
    expect(() => applyJsonPatch({}, [{ op: 'add', path: '/__proto__/x', value: 1 }])).toThrow();
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});

describe('deepEqual', () => {
  it('agrees with equality of JSON whatever the order of members', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(deepEqual(a, JSON.parse(JSON.stringify(a)))).toBe(true);
        if (deepEqual(a, b)) expect(b).toEqual(a);
      }),
    );
  });
});

describe('refusals of patches', () => {
  it('repeat the beginning of what is wrong with a patch, however large and deep it is', () => {
    const deep = Array.from({ length: 200 }).reduce<object>((inner) => ({ a: inner }), {
      $patch: 'x',
      b: 'x'.repeat(2e6),
    });
    const wide = { a: {}, $patch: 'x', ...Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, i])) };
    for (const patch of [deep, wide]) expect(() => strategic({ a: deep }, patch)).toThrow(/^.{1,10000}$/s);
  });
});
