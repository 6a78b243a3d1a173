import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../shared/object.ts';
import type { Assignment } from '../../shared/session.ts';
import { type Assigned, applyAssignments, nothingAssigned } from './assignments.ts';

const kinds = ['Pod', 'ConfigMap', 'Secret', 'Peer', 'ApiServer'] as const;
type Kind = (typeof kinds)[number];
const lists: Readonly<Record<Kind, keyof Assigned>> = {
  Pod: 'pods',
  ConfigMap: 'configMaps',
  Secret: 'secrets',
  Peer: 'peers',
  ApiServer: 'apiServers',
};

const isNamed = (kind: Kind): boolean => kind === 'Peer' || kind === 'ApiServer';

function given(kind: Kind, name: string, version = '1', uid = 'u', namespace = 'shop'): Assignment {
  const object = isNamed(kind)
    ? { name, address: version, podCIDR: '', port: 1 }
    : ({ kind, metadata: { name, namespace, uid, resourceVersion: version } } as unknown as KubeObject);
  return { kind, namespace: isNamed(kind) ? '' : namespace, name, removed: false, object };
}

function taken(kind: Kind, name: string): Assignment {
  return { kind, namespace: isNamed(kind) ? '' : 'shop', name, removed: true };
}

const keyOf = (kind: Kind, name: string): string => (isNamed(kind) ? name : `shop/${name}`);

/** The lists that say they have changed, with the keys where those are named. */
function apply(assigned: Assigned, changes: Assignment[], mode: 'COMPLETE' | 'INCREMENTAL' = 'INCREMENTAL') {
  const changed = applyAssignments(assigned, { mode, changes });
  const entries = Object.entries(changed).flatMap(([list, value]): Array<[string, unknown]> => {
    if (typeof value === 'boolean') return value ? [[list, true]] : [];
    return value.size > 0 ? [[list, [...value].sort()]] : [];
  });
  return Object.fromEntries(entries);
}

/** What a change of these keys is reported as. */
const changesOf = (kind: Kind, ...names: string[]) => ({
  [lists[kind]]: isNamed(kind) ? true : names.map((name) => keyOf(kind, name)),
});

describe.each(kinds)('a %s', (kind) => {
  it('that is assigned is there, and counts as a change, and so does a newer one', () => {
    const assigned = nothingAssigned();
    expect(apply(assigned, [given(kind, 'a')])).toEqual(changesOf(kind, 'a'));
    const newer = given(kind, 'a', '2');
    expect(apply(assigned, [newer])).toEqual(changesOf(kind, 'a'));
    expect([...assigned[lists[kind]]]).toEqual([[keyOf(kind, 'a'), newer.object]]);
  });

  it('that is removed is gone, which is a change; the others stay', () => {
    const assigned = nothingAssigned();
    apply(assigned, [given(kind, 'a'), given(kind, 'b')]);
    expect(apply(assigned, [taken(kind, 'a')])).toEqual(changesOf(kind, 'a'));
    expect([...assigned[lists[kind]].keys()]).toEqual([keyOf(kind, 'b')]);
  });

  it('that a whole list does not name is gone, which is a change; so is one that it says to remove', () => {
    const assigned = nothingAssigned();
    apply(assigned, [given(kind, 'a'), given(kind, 'b'), given(kind, 'c')]);
    expect(apply(assigned, [given(kind, 'b'), taken(kind, 'c')], 'COMPLETE')).toEqual(changesOf(kind, 'a', 'c'));
    expect([...assigned[lists[kind]].keys()]).toEqual([keyOf(kind, 'b')]);
  });

  it('stays when changes name others', () => {
    const assigned = nothingAssigned();
    apply(assigned, [given(kind, 'a')]);
    expect(apply(assigned, [])).toEqual({});
    expect(assigned[lists[kind]].size).toBe(1);
    expect(apply(assigned, [], 'COMPLETE')).toEqual(changesOf(kind, 'a'));
    expect(apply(assigned, [], 'COMPLETE')).toEqual({});
  });
});

describe.each(['Pod', 'ConfigMap', 'Secret'] as const)('a %s', (kind) => {
  it('of the same version and uid is no news, and one of another uid is', () => {
    const assigned = nothingAssigned();
    apply(assigned, [given(kind, 'a')]);
    expect(apply(assigned, [given(kind, 'a')])).toEqual({});
    expect(apply(assigned, [given(kind, 'a')], 'COMPLETE')).toEqual({});
    expect(apply(assigned, [given(kind, 'a', '1', 'another')])).toEqual(changesOf(kind, 'a'));
  });

  it('that is not there is no news when it is removed', () => {
    expect(apply(nothingAssigned(), [taken(kind, 'a')])).toEqual({});
  });

  it('is another in another namespace', () => {
    const assigned = nothingAssigned();
    apply(assigned, [given(kind, 'a'), given(kind, 'a', '1', 'u', 'other')]);
    expect([...assigned[lists[kind]].keys()].sort()).toEqual(['other/a', 'shop/a']);
  });
});

it('what is assigned is what was assigned last of each name, in whatever order things came and went', () => {
  const change = fc.record({
    kind: fc.constantFrom(...kinds),
    name: fc.constantFrom('a', 'b'),
    version: fc.nat(2),
    removed: fc.boolean(),
    complete: fc.integer({ min: 0, max: 9 }),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const assigned = nothingAssigned();
      const expected = new Map<string, unknown>();
      for (const { kind, name, version, removed, complete } of changes) {
        const message = removed ? taken(kind, name) : given(kind, name, String(version));
        if (complete === 0) expected.clear();
        expected.delete(`${kind} ${name}`);
        if (!removed) expected.set(`${kind} ${name}`, message.object);
        apply(assigned, [message], complete === 0 ? 'COMPLETE' : 'INCREMENTAL');
      }
      const held = kinds.flatMap((kind) =>
        [...assigned[lists[kind]]].map(([key, object]): [string, unknown] => [
          `${kind} ${key.split('/').at(-1)}`,
          object,
        ]),
      );
      expect(Object.fromEntries(held)).toEqual(Object.fromEntries(expected));
    }),
  );
});
