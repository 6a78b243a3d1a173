import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MessageSchema } from '../../../shared/schema/proto/message.ts';
import { patchTypeOf, patchTypes } from '../../../shared/schema/proto/patch-types.ts';
import { applyStrategicPatch } from './strategic.ts';

/** Types with each of the ways in which a field merges. */
const schema: Readonly<Record<string, MessageSchema>> = {
  thing: {
    fields: {
      names: { number: 1, type: 'string', repeated: true, patchStrategy: ['merge'] },
      items: { number: 2, type: 'item', repeated: true, patchStrategy: ['merge'], patchMergeKey: 'name' },
      atomic: { number: 3, type: 'string', repeated: true },
      source: { number: 4, type: 'source', patchStrategy: ['retainKeys'] },
      whole: { number: 5, type: 'source', patchStrategy: ['replace'] },
      byName: { number: 6, type: 'source', map: true },
      common: { number: 7, type: 'common', inline: true },
      plainCommon: { number: 8, type: 'otherCommon', inline: true },
    },
  },
  item: { fields: { name: { number: 1, type: 'string' }, value: { number: 2, type: 'string' } } },
  source: {
    fields: { names: { number: 1, type: 'string', repeated: true, patchStrategy: ['merge'] } },
  },
  common: { fields: { first: { number: 1, type: 'string' } } },
  otherCommon: {
    fields: { inlined: { number: 1, type: 'item', repeated: true, patchStrategy: ['merge'], patchMergeKey: 'name' } },
  },
};
const thing = (target: unknown, patch: unknown) =>
  applyStrategicPatch(target, patch, patchTypes(schema)('thing') ?? new Map());
const kind = (name: string) => (target: object, patch: object) =>
  applyStrategicPatch(target, patch, patchTypeOf(`k8s.io.api.${name}`) ?? new Map());
const pod = kind('core.v1.Pod');
const named = (...names: string[]) => names.map((name) => ({ name }));

describe('lists of Kubernetes’ kinds merge by the keys that its API reference names', () => {
  const container = (more: object) => ({ spec: { containers: [{ name: 'a', ...more }] } });

  it('a container’s ports by their number, its environment by name, its mounts by path', () => {
    const before = container({
      ports: [
        { containerPort: 80, name: 'http' },
        { containerPort: 443, name: 'https' },
      ],
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
      volumeMounts: [{ mountPath: '/a', name: 'x', readOnly: true }],
      command: ['sh', '-c'],
    });
    const patch = container({
      ports: [{ containerPort: 443, name: 'tls' }],
      env: [
        { name: 'A', $patch: 'delete' },
        { name: 'B', value: '3' },
      ],
      volumeMounts: [{ mountPath: '/a', name: 'y' }],
      command: ['true'],
    });
    expect(pod(before, patch)).toStrictEqual(
      container({
        ports: [
          { containerPort: 80, name: 'http' },
          { containerPort: 443, name: 'tls' },
        ],
        env: [{ name: 'B', value: '3' }],
        volumeMounts: [{ mountPath: '/a', name: 'y', readOnly: true }],
        command: ['true'],
      }),
    );
  });

  it('a service’s ports by port, conditions by type, owners by uid, finalizers by themselves', () => {
    const ports = [
      { port: 80, targetPort: 8080 },
      { port: 443, targetPort: 8443 },
    ];
    const service = kind('core.v1.Service');
    expect(service({ spec: { ports } }, { spec: { ports: [{ port: 443, name: 'tls' }] } })).toStrictEqual({
      spec: { ports: [ports[0], { port: 443, targetPort: 8443, name: 'tls' }] },
    });
    const conditions = [
      { type: 'Ready', status: 'True' },
      { type: 'PodScheduled', status: 'True' },
    ];
    const failed = { status: { conditions: [{ type: 'Ready', status: 'False' }] } };
    expect(pod({ status: { conditions } }, failed)).toStrictEqual({
      status: { conditions: [{ type: 'Ready', status: 'False' }, conditions[1]] },
    });
    const metadata = { finalizers: ['a', 'b'], ownerReferences: [{ uid: 'u1', name: 'x' }] };
    const other = { metadata: { finalizers: ['c'], ownerReferences: [{ uid: 'u2', name: 'x' }] } };
    expect(pod({ metadata }, other)).toStrictEqual({
      metadata: {
        finalizers: ['c', 'a', 'b'],
        ownerReferences: [
          { uid: 'u2', name: 'x' },
          { uid: 'u1', name: 'x' },
        ],
      },
    });
  });

  it('tolerations not at all: the patch’s list replaces the object’s', () => {
    const patch = { spec: { tolerations: [{ key: 'b' }] } };
    expect(pod({ spec: { tolerations: [{ key: 'a' }] } }, patch)).toStrictEqual(patch);
  });

  it('those of a type that stands inline in another', () => {
    const [inlined, patched] = [named('a', 'b'), { inlined: [{ name: 'b', value: 'x' }] }];
    expect(thing({ inlined }, patched)).toStrictEqual({ inlined: [{ name: 'a' }, { name: 'b', value: 'x' }] });
    const ephemeral = (env: object[]) => ({ spec: { ephemeralContainers: [{ name: 'debug', env }] } });
    const [a, b] = [
      { name: 'A', value: '1' },
      { name: 'B', value: '2' },
    ];
    expect(pod(ephemeral([a]), ephemeral([b]))).toStrictEqual(ephemeral([b, a]));
  });
});

describe('a strategic merge patch', () => {
  it('merges members that no type declares as plain JSON, and replaces their lists', () => {
    const before = { other: { a: 1, list: [1] }, scalar: 'x' };
    expect(thing(before, { other: { b: 2, list: [2] }, scalar: { c: 3 } })).toStrictEqual({
      other: { a: 1, b: 2, list: [2] },
      scalar: { c: 3 },
    });
  });

  it('merges the values of a map by its keys, and knows no fields of the value’s type among the keys', () => {
    const before = { byName: { names: { names: ['a'] }, x: { names: ['a'] } } };
    expect(thing(before, { byName: { x: { names: ['b'] }, y: null } })).toStrictEqual({
      byName: { names: { names: ['a'] }, x: { names: ['b'] } },
    });
    expect(thing({ byName: { names: ['a'] } }, { byName: { names: ['b'] } })).toStrictEqual({
      byName: { names: ['b'] },
    });
  });

  it('replaces a field whose strategy is to be replaced, and a value of another kind', () => {
    expect(thing({ whole: { a: 1 } }, { whole: { b: 2 } })).toStrictEqual({ whole: { b: 2 } });
    expect(thing({ source: { a: 1 } }, { source: 'x' })).toStrictEqual({ source: 'x' });
    expect(thing({ source: ['a'] }, { source: { b: 2 } })).toStrictEqual({ source: { b: 2 } });
    expect(thing({ names: 'a' }, { names: ['b'] })).toStrictEqual({ names: ['b'] });
    expect(thing({ items: { name: 'a' } }, { items: named('b') })).toStrictEqual({ items: named('b') });
    expect(thing('no object', { source: { a: 1 } })).toStrictEqual({ source: { a: 1 } });
  });

  it('empties an object with $patch: delete, and removes members by null', () => {
    expect(thing({ source: { a: 1 } }, { source: { $patch: 'delete' } })).toStrictEqual({ source: {} });
    expect(thing({ source: { a: 1 } }, { $patch: 'delete' })).toStrictEqual({});
    expect(thing({ source: { a: 1 }, b: 2 }, { source: null, none: null })).toStrictEqual({ b: 2 });
    expect(thing({ source: { a: 1 } }, { $patch: 'replace', b: { c: null } })).toStrictEqual({ b: {} });
  });

  it('takes values out of a list before it adds to it, whichever stands first in the patch', () => {
    const [names, removed] = [['a', 'c'], '$deleteFromPrimitiveList/names'];
    const expected = { names: ['a', 'c'] };
    expect(thing({ names: ['a', 'b'] }, { names, [removed]: ['a', 'b'] })).toStrictEqual(expected);
    expect(thing({ names: ['a', 'b'] }, { [removed]: ['a', 'b'], names })).toStrictEqual(expected);
    expect(thing({}, { names, [removed]: ['a'] })).toStrictEqual(expected);
    expect(thing({}, { [removed]: ['a'] })).toStrictEqual({});
    expect(thing({ names: 'a' }, { [removed]: ['a'] })).toStrictEqual({ names: 'a' });
  });

  it('only sorts a list of which it names nothing but the order', () => {
    const order = (field: string, wanted: unknown[]) => ({ [`$setElementOrder/${field}`]: wanted });
    const items = [{ name: 'a', value: '1' }, { name: 'server' }, { name: 'b' }];
    expect(thing({ items }, order('items', named('b', 'a')))).toStrictEqual({ items: [items[1], items[2], items[0]] });
    expect(thing({ items }, order('items', named('server', 'a', 'b', 'gone')))).toStrictEqual({
      items: [items[1], items[0], items[2]],
    });
    expect(thing({ names: ['a', 'b', 'c'] }, order('names', ['c', 'a']))).toStrictEqual({ names: ['b', 'c', 'a'] });
    expect(thing({}, order('items', named('b')))).toStrictEqual({});
    expect(thing({ items: 'x' }, order('items', named('b')))).toStrictEqual({ items: 'x' });
    expect(thing({ names: ['b'] }, { ...order('names', ['a', 'b']), names: ['a'] })).toStrictEqual({
      names: ['a', 'b'],
    });
    for (const field of ['unknown', 'constructor', 'toString']) {
      const [sorted, fewer] = [order(field, [1, 2]), { [`$deleteFromPrimitiveList/${field}`]: [1] }];
      const texts = [sorted, fewer].map((patch) => JSON.stringify(thing({ [field]: [2, 1] }, patch)));
      expect(texts).toEqual([`{"${field}":[1,2]}`, `{"${field}":[2]}`]);
    }
  });

  it('puts what is new before what only the server knows, in the order that it asks for', () => {
    const patch = { items: named('n2', 'n1'), '$setElementOrder/items': named('n2', 'n1') };
    expect(thing({ items: named('server') }, patch)).toStrictEqual({ items: named('n2', 'n1', 'server') });
    expect(thing({}, patch)).toStrictEqual({ items: named('n2', 'n1') });
    const empty = { items: named('n1'), '$setElementOrder/items': [] };
    expect(thing({ items: named('server') }, empty)).toStrictEqual({ items: named('n1', 'server') });
    const gone = {
      items: [{ name: 'a', $patch: 'delete' }, ...named('n1')],
      '$setElementOrder/items': named('n1'),
    };
    expect(thing({}, gone)).toStrictEqual({ items: named('n1') });
  });

  it('merges into the first of those that have the same key', () => {
    const before = { items: [{ name: 'a', value: '1' }, { name: 'b' }, { name: 'a', value: '2' }] };
    const { items } = thing(before, { items: [{ name: 'a', value: '3' }] }) as { items: unknown[] };
    expect(items).toContainEqual({ name: 'a', value: '3' });
    expect(items).toContainEqual({ name: 'a', value: '2' });
    expect(items).toHaveLength(3);
  });

  it('keeps what it removes by null out of $retainKeys, and drops what that does not name', () => {
    const source = { $retainKeys: ['b', 'c'], b: 2, gone: null };
    expect(thing({ source: { a: 1, c: 3, gone: 4 } }, { source })).toStrictEqual({ source: { c: 3, b: 2 } });
    const strategy = { $retainKeys: ['type'], type: 'Recreate', rollingUpdate: null };
    const deployment = kind('apps.v1.Deployment');
    const before = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } };
    expect(deployment(before, { spec: { strategy } })).toStrictEqual({ spec: { strategy: { type: 'Recreate' } } });
  });

  it('leaves no directive behind in what it adds', () => {
    const added = {
      $retainKeys: ['name'],
      name: 'x',
      none: null,
      '$setElementOrder/names': ['a'],
      '$deleteFromPrimitiveList/names': ['b'],
      names: ['a', null],
      inner: { $patch: 'delete' },
      list: [{ $patch: 'replace' }, { deep: { $retainKeys: [] } }],
    };
    const bare = { name: 'x', names: ['a', null], list: [{ deep: {} }] };
    expect(thing({}, { source: added })).toStrictEqual({ source: bare });
    expect(thing({ items: named('a') }, { items: [added] })).toStrictEqual({ items: [bare, { name: 'a' }] });
  });

  it.each([
    ['a patch that is a list', [], 'a strategic merge patch must be an object'],
    ['items that are no objects', { items: ['a'] }, 'the items of a list merged by name must be objects'],
    ['a new item’s directive that is none', { items: [{ name: 'new', $patch: 'x' }] }, 'unknown patch type: x'],
    ['deletions without their key', { items: [{ $patch: 'delete' }] }, 'does not contain declared merge key: name'],
    ['an order that is no list', { '$setElementOrder/items': 'a' }, 'invalid patch format of setElementOrder list'],
    [
      'an order that is no list, beside its list',
      { names: ['a'], '$setElementOrder/names': {} },
      'invalid patch format of setElementOrder list',
    ],
    ['values to take out that are no list', { '$deleteFromPrimitiveList/names': 'a' }, 'invalid patch format of primi'],
    ['$retainKeys that is no list', { source: { $retainKeys: 'a' } }, 'invalid patch format of retainKeys'],
    ['one key too many', { source: { $retainKeys: ['a'], a: 1, b: 2 } }, 'invalid patch format of retainKeys'],
    ['an item that its order does not name', { names: ['a', 'b'], '$setElementOrder/names': ['a'] }, "doesn't match"],
  ])('refuses %s', (_what, patch, message) => {
    const target = { items: named('a'), names: ['a'], source: { a: 1 } };
    expect(() => thing(target, patch)).toThrow(message);
    expect(target).toStrictEqual({ items: named('a'), names: ['a'], source: { a: 1 } });
  });
});

describe('laws of strategic merge patches', () => {
  const fields = { name: fc.constantFrom('a', 'b', 'c', 'd'), value: fc.constantFrom('1', '2') };
  const item = fc.record(fields, { noNullPrototype: true });
  const items = fc.uniqueArray(item, { selector: ({ name }) => name });
  type Item = { name: string; value: string };
  const byName = (list: readonly Item[]) => new Map(list.map((one) => [one.name, one.value]));

  /** The patch that kubectl makes of two configurations: what differs, what goes, and the order of all. */
  function patchOf(from: readonly Item[], to: readonly Item[]): object {
    const [before, after] = [byName(from), byName(to)];
    const changed = to.filter(({ name, value }) => before.get(name) !== value);
    const gone = from.filter(({ name }) => !after.has(name)).map(({ name }) => ({ $patch: 'delete', name }));
    return { '$setElementOrder/items': to.map(({ name }) => ({ name })), items: [...changed, ...gone] };
  }

  it('a patch made of the difference of two lists leads from one to the other', () => {
    fc.assert(
      fc.property(items, items, (from, to) => {
        expect(thing({ items: from }, patchOf(from, to))).toStrictEqual({ items: to });
      }),
    );
  });

  it('what only the server knows stays, with what it says, whatever a patch of others adds, changes and deletes', () => {
    const added = fc.uniqueArray(fc.constantFrom('s1', 's2', 's3')).map((names) => named(...names));
    fc.assert(
      fc.property(items, items, added, fc.nat(4), (from, to, servers, at) => {
        const live = [...from.slice(0, at), ...servers, ...from.slice(at)];
        const { items: made } = thing({ items: live }, patchOf(from, to)) as { items: Item[] };
        expect(made.filter(({ name }) => name.startsWith('s'))).toStrictEqual(servers);
        expect(made.filter(({ name }) => !name.startsWith('s'))).toStrictEqual(to);
      }),
    );
  });

  it('a list of scalars holds what it held, without what is taken out, and what is added, each once', () => {
    const some = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'));
    fc.assert(
      fc.property(some, some, some, (before, removed, names) => {
        const patch = { names, '$deleteFromPrimitiveList/names': removed };
        const { names: made } = thing({ names: before }, patch) as { names: string[] };
        const expected = new Set([...before.filter((one) => !removed.includes(one)), ...names]);
        expect([...made].sort()).toStrictEqual([...expected].sort());
      }),
    );
  });
});
