import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messages } from '../../../shared/generated/schema.ts';
import { kinds } from '../../../shared/kinds/index.ts';
import { goTypes } from '../../../shared/schema/proto/go-types.ts';
import { ownedShapeOf } from '../../../shared/schema/proto/shapes.ts';
import type { Shape, Struct } from '../../../shared/schema/shape.ts';
import { arbitraryObject } from '../../../test/support/arbitrary-objects.ts';
import { SharedFieldSets } from '../../store/cache/field-sets.ts';
import { addedText } from './added-text.ts';
import { applyConfig } from './apply.ts';
import { addedFields, compare } from './compare.ts';
import { difference, type FieldSet, intersection, isEmpty, pathsOf, readFieldSet, union } from './field-set.ts';
import { fieldsOf, merge, removeFields } from './merge.ts';
import { type Entry, ownNew, ownUpdated, type Writer } from './ownership.ts';
import { typedFaults } from './typed-faults.ts';
import { elementOf, fieldValue, type Json } from './values.ts';

const writer = (manager: string, operation: Writer['operation'] = 'Apply'): Writer => ({
  manager,
  operation,
  apiVersion: 'v1',
  time: '2026-01-01T00:00:00Z',
});
const nothing: ReadonlySet<string> = new Set();

/** Objects of any kind whose lists name nothing twice, as an apply demands; without what the server says. */
const objects = fc.constantFrom(...kinds.filter((kind) => kind.stored === kind)).chain((kind) => {
  const root = kind.schema.ownedShape;
  const one = arbitraryObject(kind)
    .map((object) => configOf(root, object as unknown as Record<string, unknown>))
    .filter((object) => typedFaults(kind.schema.shape, object).length === 0);
  return fc.record({ root: fc.constant(root), a: one, b: one, c: one });
});

function configOf(root: Struct, object: Record<string, unknown>): object {
  const { apiVersion: _v, kind: _k, metadata, ...rest } = object;
  const known = root.byName.get('metadata')?.shape as Struct;
  const kept = Object.entries((metadata ?? {}) as object).filter(([name]) => known.byName.has(name));
  return { ...rest, ...(kept.length > 0 ? { metadata: Object.fromEntries(kept) } : {}) };
}

function apply(root: Struct, live: object, config: object, entries: readonly Entry[], who: Writer, force = true) {
  const outcome = applyConfig(root, { object: live, entries }, config, who, force);
  if (outcome.type !== 'applied') throw new Error('refused');
  return outcome;
}

const setOf = (entries: readonly Entry[], manager: string): FieldSet =>
  entries.find((entry) => entry.manager === manager)?.fieldsV1 ?? {};

/** Whether the path leads to something that the value has, or that Kubernetes' type of it has in any case. */
function exists(shape: Shape, value: unknown, [element, ...rest]: readonly string[]): boolean {
  if (element === undefined) return value !== undefined;
  if (value === undefined || shape.type === 'leaf') return false;
  if (shape.type === 'struct') {
    const field = shape.fields.find((one) => one.element === element);
    return field !== undefined && exists(field.shape, fieldValue(value as Json, field), rest);
  }
  if (shape.type === 'map') return exists(shape.value, (value as Json)[element.slice(2)], rest);
  const item = (value as unknown[]).find((one) => elementOf(shape, one) === element);
  return shape.type === 'set' ? item !== undefined && rest.length === 0 : exists(shape.item, item, rest);
}

describe('server-side apply, for objects of any kind', () => {
  it('applied twice is applied once', () => {
    fc.assert(
      fc.property(objects, ({ root, a, b }) => {
        const first = apply(root, a, b, [], writer('one'));
        const second = apply(root, first.object, b, first.entries, writer('one'));
        expect(second.object).toEqual(first.object);
        expect(second.entries).toEqual(first.entries);
      }),
      { numRuns: 200 },
    );
  });

  it('shows what was applied, and its manager owns just that', () => {
    fc.assert(
      fc.property(objects, ({ root, a, b, c }) => {
        const before = apply(root, a, b, [], writer('one'));
        const { object, entries } = apply(root, before.object, c, before.entries, writer('two'));
        expect(setOf(entries, 'two')).toEqual(fieldsOf(root, c) ?? {});
        // Merging it again would change nothing: all of it is there.
        expect(compare(root, object, merge(root, object, c))).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  it('removes fields that their sole manager leaves out, and no fields of another', () => {
    fc.assert(
      fc.property(objects, ({ root, a, b, c }) => {
        const one = apply(root, {}, a, [], writer('one'));
        const two = apply(root, one.object, b, one.entries, writer('two'));
        const after = apply(root, two.object, c, two.entries, writer('one'));
        const owned = union(setOf(after.entries, 'one'), setOf(after.entries, 'two'));
        const left = fieldsOf(root, after.object) ?? {};
        // Made from nothing by two managers: whatever there is belongs to one of them.
        expect([...pathsOf(difference(left, owned))].filter((path) => !isAbove(owned, path))).toEqual([]);
        for (const path of pathsOf(setOf(after.entries, 'two'))) expect(exists(root, after.object, path)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('leaves nothing when the sole manager applies nothing', () => {
    fc.assert(
      fc.property(objects, ({ root, a }) => {
        const one = apply(root, {}, a, [], writer('one'));
        const after = apply(root, one.object, {}, one.entries, writer('one'));
        expect(after.object).toEqual({});
        expect(after.entries).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('refuses fields that another manager owns with another value, and becomes their only owner when forced', () => {
    fc.assert(
      fc.property(objects, ({ root, a, b }) => {
        const one = apply(root, {}, a, [], writer('one'));
        const plain = applyConfig(root, one, b, writer('two'), false);
        const forced = apply(root, one.object, b, one.entries, writer('two'));
        const diff = compare(root, one.object, forced.object) ?? {};
        const changed = union(diff.modified ?? {}, diff.added ?? {});
        expect(plain.type).toBe(isEmpty(intersection(setOf(one.entries, 'one'), changed)) ? 'applied' : 'conflicts');
        expect(intersection(setOf(forced.entries, 'one'), changed)).toEqual({});
      }),
      { numRuns: 200 },
    );
  });

  it('keeps the applied order in lists with keys', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd', 'e', 'f')),
        fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd', 'e', 'f')),
        (live, wanted) => {
          const root = ownedShapeOf('k8s.io.api.core.v1.Pod');
          const pod = (names: readonly string[]): object => ({ spec: { containers: names.map((name) => ({ name })) } });
          const merged = merge(root, pod(live), pod(wanted)) as { spec: { containers: { name: string }[] } };
          const names = merged.spec.containers.map(({ name }) => name);
          expect(names.filter((name) => wanted.includes(name))).toEqual(wanted);
          const others = live.filter((name) => !wanted.includes(name));
          expect(names.filter((name) => !wanted.includes(name))).toEqual(others);
        },
      ),
    );
  });
});

/** Whether the path stands for a struct around what is owned. */
function isAbove(set: FieldSet, path: readonly string[]): boolean {
  let node: FieldSet | undefined = set;
  for (const element of path) node = node?.[element];
  return node !== undefined;
}

describe('ownership of updates, for objects of any kind', () => {
  it('names exactly the existing fields, in any format and order', () => {
    fc.assert(
      fc.property(objects, ({ root, a, b, c }) => {
        let entries: readonly Entry[] = ownNew(root, a, writer('one', 'Update'), nothing, new SharedFieldSets()) ?? [];
        if (entries.length === 0) return;
        entries = ownUpdated(root, a, b, entries, writer('two', 'Update'));
        const applied = entries.length > 0 ? apply(root, b, c, entries, writer('three')) : undefined;
        const final = applied?.object ?? b;
        for (const entry of applied?.entries ?? entries) {
          for (const path of pathsOf(entry.fieldsV1)) {
            expect([path, exists(root, final, path)]).toEqual([path, true]);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('finds the same fields of a new object as a comparison with nothing', () => {
    fc.assert(
      fc.property(objects, ({ root, a }) => {
        const set = addedFields(root, a, true);
        expect(addedText(root, a, nothing)).toBe(set === undefined ? '' : JSON.stringify(set));
      }),
      { numRuns: 300 },
    );
  });

  it('has no field of two updates', () => {
    fc.assert(
      fc.property(objects, ({ root, a, b, c }) => {
        let entries: readonly Entry[] = ownNew(root, a, writer('one', 'Update'), nothing, new SharedFieldSets()) ?? [];
        entries = ownUpdated(root, a, b, entries, writer('two', 'Update'));
        entries = ownUpdated(root, b, c, entries, writer('three', 'Update'));
        for (const one of entries) {
          for (const other of entries) {
            if (one !== other) expect(intersection(one.fieldsV1, other.fieldsV1)).toEqual({});
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('keeps the oldest of more than ten writers under one name', () => {
    const root = ownedShapeOf('k8s.io.api.core.v1.ConfigMap');
    let live: object = { data: { k0: '0' } };
    let entries: readonly Entry[] = ownNew(root, live, writer('w0', 'Update'), nothing, new SharedFieldSets()) ?? [];
    for (let i = 1; i < 15; i++) {
      const next = { data: { ...(live as { data: object }).data, [`k${i}`]: String(i) } };
      const at = { ...writer(`w${i}`, 'Update'), time: new Date(i * 1000).toISOString() };
      entries = ownUpdated(root, live, next, entries, at);
      live = next;
    }
    expect(entries).toHaveLength(10);
    const old = setOf(entries, 'ancient-changes');
    expect(old).toMatchObject({ 'f:data': { 'f:k1': {}, 'f:k2': {} } });
    expect(setOf(entries, 'w14')).toEqual({ 'f:data': { 'f:k14': {} } });
  });
});

describe('the additions from Kubernetes’ Go types', () => {
  it('name only existing messages and fields', () => {
    const has = (message: string, field: string): boolean =>
      Object.entries(messages[message]?.fields ?? {}).some(
        ([name, { inline, type }]) => name === field || (inline === true && has(type, field)),
      );
    expect([...goTypes.atomic].filter((message) => !messages[message])).toEqual([]);
    const fields = [...goTypes.structs, ...goTypes.lists];
    expect(fields.filter((path) => !has(...(path.split(/\.(?=[^.]*$)/) as [string, string])))).toEqual([]);
  });
});

describe('sets of fields, for objects of any kind', () => {
  it('are sets: of two, what both have, and what only one has, together are the union', () => {
    fc.assert(
      fc.property(objects, ({ root, a, b }) => {
        const [left, right] = [fieldsOf(root, a) ?? {}, fieldsOf(root, b) ?? {}];
        const both = union(left, right);
        const parts = union(union(difference(left, right), difference(right, left)), intersection(left, right));
        expect(parts).toEqual(both);
        expect(JSON.stringify(both)).toBe(JSON.stringify(readFieldSet(both)));
      }),
      { numRuns: 100 },
    );
  });

  it('say what to take away: an object without all of its fields is nothing', () => {
    fc.assert(
      fc.property(objects, ({ root, a }) => {
        const left = removeFields(root, a, fieldsOf(root, a) ?? {});
        expect(left === undefined || isEmpty(fieldsOf(root, left) ?? {})).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});
