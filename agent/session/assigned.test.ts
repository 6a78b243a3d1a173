import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../shared/object.ts';
import type { Assignment } from '../../shared/session.ts';
import { AssignedScene } from '../../test/support/assigned.ts';
import type { AssignedTable } from './assigned.ts';
import { assignedKinds } from './assigned-kinds.ts';
import { Unusable } from './unusable.ts';

const kinds = ['Pod', 'ConfigMap', 'Secret', 'Peer', 'ApiServer', 'OwnNode'] as const;
type Kind = (typeof kinds)[number];
type Scene = AssignedScene<typeof assignedKinds>;

const isNamed = (kind: Kind): boolean => kind === 'Peer' || kind === 'ApiServer' || kind === 'OwnNode';

const versions: Readonly<Record<string, (name: string, version: string) => object>> = {
  Peer: (name, version) => ({ name, address: `192.0.2.${version}`, podCIDR: '10.64.1.0/24' }),
  ApiServer: (_name, version) => ({ address: `192.0.2.${version}`, port: 6443 }),
  OwnNode: (_name, version) => ({ labels: { version }, taints: [], allocatable: {} }),
};

function given(kind: Kind, name: string, version = '1', uid = 'u', namespace = 'shop'): Assignment {
  const object: object =
    versions[kind]?.(name, version) ??
    ({ kind, metadata: { name, namespace, uid, resourceVersion: version } } as unknown as KubeObject);
  return { kind, namespace: isNamed(kind) ? '' : namespace, name, removed: false, object };
}

function taken(kind: Kind, name: string): Assignment {
  return { kind, namespace: isNamed(kind) ? '' : 'shop', name, removed: true };
}

const keyOf = (kind: Kind, name: string): string => (isNamed(kind) ? name : `shop/${name}`);

function apply(scene: Scene, changes: Assignment[], mode: 'COMPLETE' | 'INCREMENTAL' = 'INCREMENTAL') {
  scene.assigned.apply({ mode, changes });
  return scene.takeChanged();
}

const start = (): Scene => new AssignedScene(assignedKinds);

/** What a change of these keys is reported as. */
const changesOf = (kind: Kind, ...names: string[]) => ({
  [kind]: names.map((name) => keyOf(kind, name)),
});

describe.each(kinds)('a %s', (kind) => {
  it('that is assigned is held, and counts as a change, and so does a newer one', () => {
    const scene = start();
    expect(apply(scene, [given(kind, 'a')])).toEqual(changesOf(kind, 'a'));
    const newer = given(kind, 'a', '2');
    expect(apply(scene, [newer])).toEqual(changesOf(kind, 'a'));
    expect([...scene.assigned.of(kind)]).toEqual([[keyOf(kind, 'a'), newer.object]]);
  });

  it('that is removed is gone, which is a change; the others stay', () => {
    const scene = start();
    apply(scene, [given(kind, 'a'), given(kind, 'b')]);
    expect(apply(scene, [taken(kind, 'a')])).toEqual(changesOf(kind, 'a'));
    expect([...scene.assigned.of(kind).keys()]).toEqual([keyOf(kind, 'b')]);
  });

  it('that a COMPLETE message does not name is removed, which is a change; so is one that it removes', () => {
    const scene = start();
    apply(scene, [given(kind, 'a'), given(kind, 'b'), given(kind, 'c')]);
    expect(apply(scene, [given(kind, 'b'), taken(kind, 'c')], 'COMPLETE')).toEqual(changesOf(kind, 'a', 'c'));
    expect([...scene.assigned.of(kind).keys()]).toEqual([keyOf(kind, 'b')]);
  });

  it('stays when changes name others', () => {
    const scene = start();
    apply(scene, [given(kind, 'a')]);
    expect(apply(scene, [])).toEqual({});
    expect(scene.assigned.of(kind).size).toBe(1);
    expect(apply(scene, [], 'COMPLETE')).toEqual(changesOf(kind, 'a'));
    expect(apply(scene, [], 'COMPLETE')).toEqual({});
  });
});

describe.each(['Pod', 'ConfigMap', 'Secret'] as const)('a %s', (kind) => {
  it('of the same version and uid is no change, and one of another uid is', () => {
    const scene = start();
    apply(scene, [given(kind, 'a')]);
    expect(apply(scene, [given(kind, 'a')])).toEqual({});
    expect(apply(scene, [given(kind, 'a')], 'COMPLETE')).toEqual({});
    expect(apply(scene, [given(kind, 'a', '1', 'another')])).toEqual(changesOf(kind, 'a'));
  });

  it('that is not there is no change when it is removed', () => {
    expect(apply(start(), [taken(kind, 'a')])).toEqual({});
  });

  it('is another in another namespace', () => {
    const scene = start();
    apply(scene, [given(kind, 'a'), given(kind, 'a', '1', 'u', 'other')]);
    expect([...scene.assigned.of(kind).keys()].sort()).toEqual(['other/a', 'shop/a']);
  });
});

it('what is assigned is what was assigned last of each name, in whatever order things came and went', () => {
  const change = fc.record({
    kind: fc.constantFrom(...kinds),
    name: fc.constantFrom('a', 'b'),
    version: fc.integer({ min: 1, max: 3 }),
    removed: fc.boolean(),
    complete: fc.integer({ min: 0, max: 9 }),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const scene = start();
      const expected = new Map<string, unknown>();
      for (const { kind, name, version, removed, complete } of changes) {
        const message = removed ? taken(kind, name) : given(kind, name, String(version));
        if (complete === 0) expected.clear();
        expected.delete(`${kind} ${name}`);
        if (!removed) expected.set(`${kind} ${name}`, message.object);
        apply(scene, [message], complete === 0 ? 'COMPLETE' : 'INCREMENTAL');
      }
      const held = kinds.flatMap((kind) =>
        [...scene.assigned.of(kind)].map(([key, object]): [string, unknown] => [
          `${kind} ${key.split('/').at(-1)}`,
          object,
        ]),
      );
      expect(Object.fromEntries(held)).toEqual(Object.fromEntries(expected));
    }),
  );
});

describe('an object', () => {
  it('that is no version of its kind ends the session, and nothing of the message is applied', () => {
    const scene = start();
    const wrong = { ...given('Pod', 'b'), object: { kind: 'Pod', metadata: { name: 'b' } } };
    expect(() => apply(scene, [given('Pod', 'a'), wrong])).toThrow('a session message does not hold a Pod');
    expect(() => apply(scene, [{ ...given('OwnNode', 'n'), object: {} }])).toThrow('does not hold a node');
    expect(scene.assigned.of('Pod').size).toBe(0);
  });

  it.each(['Peer', 'ApiServer'] as const)('that the node can go on without, a %s, is left out and logged', (kind) => {
    const scene = start();
    apply(scene, [given(kind, 'a'), given(kind, 'b')]);
    const wrong = (name: string): Assignment => ({ ...given(kind, name), object: { name, address: 'x' } });
    expect(apply(scene, [wrong('a'), wrong('n'.repeat(300))])).toEqual({ [kind]: ['a'] });
    expect([...scene.assigned.of(kind).keys()]).toEqual(['b']);
    expect(scene.logged.map(({ kind, name }) => [kind, name])).toEqual([
      [kind, 'a'],
      [kind, 'n'.repeat(253)],
    ]);
  });

  it('of a kind that is not known is ignored, with one line in the log', () => {
    const scene = start();
    const other = { kind: 'Later', namespace: '', name: 'x', removed: false, object: { a: 1 } };
    expect(apply(scene, [other, given('Pod', 'a'), other])).toEqual({ Pod: ['shop/a'] });
    apply(scene, [{ ...other, removed: true }], 'COMPLETE');
    expect(scene.logged).toMatchObject([{ kind: 'Later' }]);
  });
});

describe('a subscriber', () => {
  it('is called once for its kinds, when one of them changed, with the state after the message', () => {
    const scene = start();
    const calls: string[][] = [];
    scene.assigned.subscribe(['Pod', 'Secret'], (changes) => {
      calls.push([...changes.of('Pod'), ...changes.of('Secret'), `of ${scene.assigned.of('Secret').size}`]);
    });
    apply(scene, [given('Pod', 'a'), given('Secret', 's'), given('Peer', 'p')]);
    apply(scene, [given('Peer', 'p', '2'), given('Pod', 'a')]);
    apply(scene, [taken('Secret', 's')]);
    expect(calls).toEqual([
      ['shop/a', 'shop/s', 'of 1'],
      ['shop/s', 'of 0'],
    ]);
  });

  it('is called for a COMPLETE message, whether it changed something or not', () => {
    const scene = start();
    const calls: boolean[] = [];
    scene.assigned.subscribe(['Peer'], ({ complete }) => calls.push(complete));
    apply(scene, [], 'COMPLETE');
    apply(scene, []);
    apply(scene, [given('Peer', 'p')]);
    expect(calls).toEqual([true, false]);
  });
});

describe('the checkpoint', () => {
  it('holds the ConfigMaps and Secrets, and gives them back', () => {
    const scene = start();
    apply(scene, [given('ConfigMap', 'c'), given('Secret', 's'), given('Pod', 'p'), given('Peer', 'x')]);
    apply(scene, [given('Secret', 't'), taken('ConfigMap', 'c')]);
    expect([...scene.documents.keys()].sort()).toEqual(['secrets/shop/s', 'secrets/shop/t']);
    const next = start();
    next.assigned.restore(new Map<string, unknown>([...scene.documents, ['pods/u', {}], ['node', {}]]));
    expect([...next.assigned.of('Secret')]).toEqual([
      ['shop/s', given('Secret', 's').object],
      ['shop/t', given('Secret', 't').object],
    ]);
    expect(next.assigned.of('Pod').size).toBe(0);
    expect(next.takeChanged()).toEqual({});
  });

  it('leaves out what it cannot read, with a line in the log', () => {
    const scene = start();
    scene.assigned.restore(new Map<string, unknown>([['secrets/shop/s', 7]]));
    expect(scene.assigned.of('Secret').size).toBe(0);
    expect(scene.logged).toMatchObject([{ document: 'secrets/shop/s' }]);
  });
});

it('a further kind is one entry of the table', () => {
  const zone = {
    parse(value: unknown): { size: number } {
      const { size } = value as { size?: unknown };
      if (typeof size !== 'number') throw new Unusable('it has no size');
      return { size };
    },
    checkpoint: 'zones',
  };
  const table = { ...assignedKinds, Zone: zone } satisfies AssignedTable;
  const scene = new AssignedScene(table);
  const zoneOf = (name: string, object: object): Assignment => ({
    kind: 'Zone',
    namespace: '',
    name,
    removed: false,
    object,
  });
  scene.assigned.apply({ mode: 'COMPLETE', changes: [zoneOf('a', { size: 1, extra: 'x' }), zoneOf('b', {})] });
  expect(scene.takeChanged()).toEqual({ Zone: ['a'] });
  expect(scene.assigned.of('Zone').get('a')?.size).toBe(1);
  const next = new AssignedScene(table);
  next.assigned.restore(scene.documents);
  expect([...next.assigned.of('Zone')]).toEqual([['a', { size: 1 }]]);
});
