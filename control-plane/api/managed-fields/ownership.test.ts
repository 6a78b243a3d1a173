import { describe, expect, it } from 'vitest';
import type { ManagedFieldsEntry } from '../../../shared/generated/types.ts';
import { ownedShapeOf } from '../../../shared/schema/proto/shapes.ts';
import { SharedFieldSets } from '../../store/cache/field-sets.ts';
import type { FieldSet } from './field-set.ts';
import {
  disown,
  type Entry,
  entryOf,
  inOrder,
  isOf,
  ownNew,
  ownUpdated,
  startingEntries,
  type Writer,
} from './ownership.ts';

const root = ownedShapeOf('k8s.io.api.core.v1.ConfigMap');
const map = (data: Record<string, string>) => ({ data });
const fields = (...names: string[]): FieldSet => ({
  'f:data': Object.fromEntries(names.map((name) => [`f:${name}`, {}])),
});
const writer = (manager: string, more: Partial<Writer> = {}): Writer => ({
  manager,
  operation: 'Update',
  apiVersion: 'v1',
  time: '2026-01-01T00:00:09Z',
  ...more,
});
const entry = (manager: string, set: FieldSet, more: Partial<Writer> = {}): Entry =>
  entryOf(writer(manager, { time: '2026-01-01T00:00:01Z', ...more }), set);
const owners = (entries: readonly Entry[]) => entries.map(({ manager, fieldsV1 }) => [manager, fieldsV1]);

describe('the owner of a new object', () => {
  it('is its writer, of all that was sent but what the server makes', () => {
    const sets = new SharedFieldSets();
    const pod = ownedShapeOf('k8s.io.api.core.v1.Pod');
    const object = { metadata: { labels: { a: '1' } }, status: { phase: 'Running' } };
    const labels = { 'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } } };
    expect(ownNew(pod, object, writer('w'), new Set(['status']), sets)).toEqual([entryOf(writer('w'), labels)]);
    expect(ownNew(pod, object, writer('w'), new Set(), sets)?.[0]?.fieldsV1).toEqual({
      ...labels,
      'f:status': { 'f:phase': {} },
    });
    expect(ownNew(root, {}, writer('w'), new Set(), sets)).toBeUndefined();
  });

  it('is named by one set for equal objects', () => {
    const sets = new SharedFieldSets();
    const [one] = ownNew(root, map({ a: '1' }), writer('w'), new Set(), sets) ?? [];
    const [other] = ownNew(root, map({ a: '2' }), writer('w'), new Set(), sets) ?? [];
    expect(other?.fieldsV1).toBe(one?.fieldsV1);
  });
});

describe('an update', () => {
  const live = map({ a: '1', b: '1', c: '1' });
  const entries = [entry('one', fields('a', 'b')), entry('two', fields('c'))];

  it('gives what it adds or changes to its writer, and takes the owner of what it removes', () => {
    const after = ownUpdated(root, live, map({ a: '2', c: '1', d: '1' }), entries, writer('three'));
    expect(owners(after)).toEqual([
      ['two', fields('c')],
      ['three', fields('a', 'd')],
    ]);
    expect(after.map(({ time }) => time)).toEqual(['2026-01-01T00:00:01Z', '2026-01-01T00:00:09Z']);
  });

  it('adds to what its writer has, in a new time, and leaves the others’ entries as they are', () => {
    const after = ownUpdated(root, live, map({ a: '1', b: '1', c: '2' }), entries, writer('one'));
    expect(owners(after)).toEqual([['one', fields('a', 'b', 'c')]]);
    expect(after[0]?.time).toBe('2026-01-01T00:00:09Z');
    const more = ownUpdated(root, live, { ...live, data: { ...live.data, d: '1' } }, entries, writer('two'));
    expect(owners(more)).toEqual([
      ['one', fields('a', 'b')],
      ['two', fields('c', 'd')],
    ]);
    expect(more[0]).toBe(entries[0]);
  });

  it('that changes nothing, or an object without tracked fields, leaves the entries', () => {
    expect(ownUpdated(root, live, structuredClone(live), entries, writer('three'))).toBe(entries);
    const none: Entry[] = [];
    expect(ownUpdated(root, live, map({}), none, writer('three'))).toBe(none);
  });

  it('that only removes makes its writer no owner', () => {
    expect(owners(ownUpdated(root, live, map({ a: '1' }), entries, writer('three')))).toEqual([['one', fields('a')]]);
    expect(owners(ownUpdated(root, live, map({ a: '1' }), entries, writer('two')))).toEqual([['one', fields('a')]]);
  });

  it('takes from an applier as from any other writer', () => {
    const applied = [entry('one', fields('a', 'b'), { operation: 'Apply' })];
    const after = ownUpdated(root, map({ a: '1', b: '1' }), map({ a: '1', b: '2' }), applied, writer('one'));
    expect(after.map(({ operation, fieldsV1 }) => [operation, fieldsV1])).toEqual([
      ['Apply', fields('a')],
      ['Update', fields('b')],
    ]);
  });

  it('keeps ten writers, and puts the oldest of a version together, in the time of the youngest of them', () => {
    const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`;
    const before = Array.from({ length: 10 }, (_, i) =>
      entry(`w${i}`, fields(`k${i}`), { time: at(i), apiVersion: i === 1 ? 'v2' : 'v1' }),
    );
    const appliers = Array.from({ length: 3 }, (_, i) => entry(`a${i}`, fields(`a${i}`), { operation: 'Apply' }));
    const next = (live: object) => ({ data: { ...(live as { data: object }).data, last: '1' } });
    const object = map({});
    const after = ownUpdated(root, object, next(object), [...appliers, ...before], writer('w10', { time: at(10) }));
    expect(after.filter(({ operation }) => operation === 'Apply')).toEqual(appliers);
    const updates = after.filter(({ operation }) => operation === 'Update');
    expect(updates.map(({ manager, apiVersion, time }) => [manager, apiVersion, time])).toEqual([
      ['w1', 'v2', at(1)],
      ['ancient-changes', 'v1', at(2)],
      ...[3, 4, 5, 6, 7, 8, 9, 10].map((i) => [`w${i}`, 'v1', at(i)]),
    ]);
    expect(updates[1]?.fieldsV1).toEqual(fields('k0', 'k2'));
    const nine = [...appliers, ...before.slice(1)];
    expect(ownUpdated(root, object, next(object), nine, writer('w10', { time: at(10) }))).toHaveLength(13);
  });
});

describe('the oldest of more than ten writers', () => {
  const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`;
  const crowd = (count: number, more: (i: number) => Partial<Entry>) =>
    Array.from({ length: count }, (_, i) => ({ ...entry(`w${i}`, fields(`k${i}`)), ...more(i) }));
  const updated = (entries: readonly Entry[], manager: string, time: string) =>
    ownUpdated(root, map({}), map({ [manager]: '1' }), entries, writer(manager, { time }));
  const managers = (entries: readonly Entry[]) => entries.map(({ manager }) => manager);

  it('are found by their times, in whatever order the entries stand', () => {
    const entries = crowd(10, (i) => ({ time: at((i * 7 + 5) % 10) }));
    const after = updated(entries, 'new', at(20));
    expect(after).toHaveLength(10);
    expect(after[0]).toEqual(entry('ancient-changes', fields('k5', 'k8'), { time: at(1) }));
  });

  it('are found by their names among those of one second', () => {
    const after = updated(crowd(10, () => ({ time: at(1) })).reverse(), 'new', at(2));
    expect(after[0]).toEqual(entry('ancient-changes', fields('k0', 'k1'), { time: at(1) }));
    expect(managers(after).slice(1)).toEqual([2, 3, 4, 5, 6, 7, 8, 9].map((i) => `w${i}`).concat('new'));
  });

  it('are those without a time first; without one in all of them the merged entry has none', () => {
    const one = updated(
      crowd(10, (i) => ({ time: i === 6 ? undefined : at(i + 1) })),
      'new',
      at(20),
    );
    expect(one[0]).toEqual(entry('ancient-changes', fields('k0', 'k6'), { time: at(1) }));
    const none = updated(
      crowd(10, () => ({ time: undefined })),
      'new',
      at(20),
    );
    const merged = none.find(({ manager }) => manager === 'ancient-changes');
    expect(merged).toMatchObject({ time: undefined, fieldsV1: fields('k0', 'k1') });
  });

  it('join what was merged before in one entry, also when all wrote in the same second', () => {
    const first = updated(
      crowd(10, (i) => ({ manager: `a${i}`, time: at(1) })),
      'new',
      at(1),
    );
    const second = updated(first, 'newer', at(1));
    expect(second.filter(({ manager }) => manager === 'ancient-changes')).toEqual([
      entry('ancient-changes', fields('k0', 'k1', 'k2'), { time: at(1) }),
    ]);
    expect(second).toHaveLength(10);
  });

  it('that have no time leave the merged entry the time that it has', () => {
    const merged = entry('ancient-changes', fields('old'), { time: at(3) });
    const after = updated([merged, ...crowd(9, (i) => ({ time: i === 0 ? undefined : at(5) }))], 'new', at(20));
    expect(after[0]).toEqual({ ...merged, fieldsV1: fields('old', 'k0') });
  });
});

describe('disowning', () => {
  it('takes from each what is written and what is removed, and those that are left with nothing go', () => {
    const entries = [entry('one', fields('a', 'b', 'c')), entry('two', fields('a')), entry('three', fields('d'))];
    const left = disown(entries, { added: fields('a'), removed: fields('b') });
    expect(owners(left)).toEqual([
      ['one', fields('c')],
      ['three', fields('d')],
    ]);
    expect(left[1]).toBe(entries[2]);
    expect(owners(disown(entries, { modified: fields('d') }))).toEqual([
      ['one', fields('a', 'b', 'c')],
      ['two', fields('a')],
    ]);
  });

  it('leaves what is to be kept', () => {
    const entries = [entry('one', fields('a')), entry('two', fields('a'))];
    expect(disown(entries, { removed: fields('a') }, ({ manager }) => manager === 'two')).toEqual([entries[1]]);
  });
});

describe('an entry', () => {
  it('is a writer’s by name, way of writing, subresource and version; an applier’s in any version', () => {
    const mine = entry('one', {}, { subresource: 'status' });
    expect(isOf(mine, writer('one', { subresource: 'status' }))).toBe(true);
    expect(isOf(mine, writer('one'))).toBe(false);
    expect(isOf(mine, writer('two', { subresource: 'status' }))).toBe(false);
    expect(isOf(mine, writer('one', { subresource: 'status', apiVersion: 'v2' }))).toBe(false);
    expect(isOf(mine, writer('one', { subresource: 'status', operation: 'Apply' }))).toBe(false);
    expect(
      isOf(entry('one', {}, { operation: 'Apply' }), writer('one', { operation: 'Apply', apiVersion: 'v2' })),
    ).toBe(true);
  });

  it('stands by operation, time, manager, version and subresource', () => {
    const ordered = [
      entry('z', {}, { operation: 'Apply', time: 'T9' }),
      entry('z', {}, { time: 'T1' }),
      entry('a', {}, { time: 'T2', apiVersion: 'v2' }),
      entry('b', {}, { time: 'T2' }),
      entry('b', {}, { time: 'T2', subresource: 'status' }),
      entry('b', {}, { time: 'T2', apiVersion: 'v2' }),
    ];
    expect(inOrder([...ordered].reverse())).toEqual(ordered);
    expect(entryOf(writer('a'), {})).not.toHaveProperty('subresource');
  });
});

describe('the entries that an update goes out from', () => {
  const live = [entry('one', fields('a')), entry('two', fields('b'))];
  const [first, second] = live as [Entry, Entry];
  const sent = (...entries: object[]) => startingEntries(live, entries as ManagedFieldsEntry[]);

  it('are those there are, when the client sends none or the same', () => {
    expect(startingEntries(live, undefined)).toBe(live);
    expect(startingEntries(live, live)).toBe(live);
    expect(sent({ ...first }, { ...second })).toBe(live);
    expect(startingEntries(undefined, undefined)).toEqual([]);
  });

  it('are none when the client resets them', () => {
    expect([sent(), sent({}), startingEntries(undefined, [])]).toEqual([[], [], []]);
    expect(sent({}, second)).toBe(live);
  });

  it('are what the client sends, in order, without empty ones', () => {
    const time = '2025-01-01T00:00:00Z';
    expect(sent(second, { ...first, time })).toEqual([{ ...first, time }, second]);
    expect(sent({ ...first, fieldsV1: {} }, second)).toEqual([second]);
    expect(sent({ ...first, fieldsV1: { 'f:data': { 'f:z': {}, 'f:y': {} } } })).toEqual([
      { ...first, fieldsV1: fields('y', 'z') },
    ]);
    expect(sent(first)).toEqual([first]);
  });

  it.each([
    ['manager', { manager: 'other' }],
    ['operation', { operation: 'Apply' }],
    ['version', { apiVersion: 'v2' }],
    ['time', { time: '2026-01-01T00:00:05Z' }],
    ['subresource', { subresource: 'status' }],
    ['fields', { fieldsV1: fields('c') }],
  ])('are the client’s when only the %s of one differs', (_what, more) => {
    expect(sent(first, { ...second, ...more })).toContainEqual({ ...second, ...more });
  });

  it('have the last of each writer: in each version for updates, in all for applies', () => {
    const apply = { ...first, operation: 'Apply' };
    expect(sent(first, { ...first, fieldsV1: fields('c') })).toEqual([{ ...first, fieldsV1: fields('c') }]);
    expect(sent(first, { ...first, apiVersion: 'v2' })).toHaveLength(2);
    expect(sent(apply, { ...apply, apiVersion: 'v2' })).toEqual([{ ...apply, apiVersion: 'v2' }]);
    expect(sent(first, { ...first, subresource: 'status' })).toHaveLength(2);
  });

  it('keep an absent time absent', () => {
    const { time: _time, ...untimed } = first;
    expect(sent(untimed)).toEqual([{ ...untimed, time: undefined }]);
  });

  it.each([
    ['another operation', { operation: 'Patch' }],
    ['no version', { apiVersion: '' }],
    ['another type of fields', { fieldsType: 'FieldsV2' }],
    ['a key that is no JSON', { fieldsV1: { 'k:{': {} } }],
  ])('are those there are when one that is sent has %s', (_what, more) => {
    expect(sent(first, { ...second, ...more })).toBe(live);
  });
});
