import { describe, expect, it } from 'vitest';
import type { ManagedFieldsEntry } from '../../../shared/generated/types.ts';
import { kindNamed } from '../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { SharedFieldSets } from '../../store/cache/field-sets.ts';
import type { MutateOptions } from '../api.ts';
import { beforeFirstApply, resetOf, setEntries, timed, trackNew, trackUpdate, writerOf } from './tracking.ts';

const configMap = kindNamed('ConfigMap');
const pod = kindNamed('Pod');
const now = Date.parse('2026-01-01T00:00:00.900Z');

function writer(manager: string, subresource?: 'status') {
  return writerOf({ def: configMap, context: {}, options: { fieldManager: manager }, subresource }, now);
}

function object(data: Record<string, string>, managedFields?: readonly ManagedFieldsEntry[]): KubeObject {
  const metadata = { name: 'a', ...(managedFields ? { managedFields } : {}) } as KubeObject['metadata'];
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data } as KubeObject;
}

const entriesOf = (one: KubeObject) => one.metadata.managedFields;
const ownersOf = (one: KubeObject) => entriesOf(one)?.map(({ manager, fieldsV1 }) => [manager, fieldsV1]);

describe('the writer of a request', () => {
  const managerOf = (agent: string | undefined, options: MutateOptions = {}) =>
    writerOf({ def: configMap, context: { userAgent: agent }, options }, now).manager;

  it('is its field manager, or else the program that asks, as far as it can be printed, or unknown', () => {
    expect(managerOf('kubectl/v1.32.4 (linux/amd64)', { fieldManager: 'mine' })).toBe('mine');
    expect(managerOf('kubectl/v1.32.4 (linux/amd64)', { fieldManager: '' })).toBe('kubectl');
    expect([managerOf('curl'), managerOf('/x'), managerOf(''), managerOf(undefined)]).toEqual([
      'curl',
      'unknown',
      'unknown',
      'unknown',
    ]);
    expect(managerOf('a\u0007b\u009fä~ c\n/1')).toBe('abä~ c');
    expect(managerOf('x'.repeat(129))).toBe('x'.repeat(128));
  });

  it('writes in the stored version, in whole seconds, and through the subresource that it names', () => {
    const def = kindNamed('Deployment');
    const source = { def, context: { userAgent: 'a' }, options: {}, subresource: 'status' } as const;
    expect(writerOf(source, now, 'Apply')).toEqual({
      manager: 'a',
      operation: 'Apply',
      apiVersion: 'apps/v1',
      subresource: 'status',
      time: '2026-01-01T00:00:00Z',
    });
    expect(writer('a')).toEqual({ manager: 'a', operation: 'Update', apiVersion: 'v1', time: '2026-01-01T00:00:00Z' });
  });
});

describe('tracking', () => {
  it('gives a new object’s fields to its writer, but for those that the server makes', () => {
    const made = object({ a: '1' });
    trackNew(configMap, made, writer('one'), new SharedFieldSets());
    expect(ownersOf(made)).toEqual([['one', { 'f:data': { '.': {}, 'f:a': {} } }]]);
    const running = { ...object({}), kind: 'Pod', spec: { nodeName: 'n' }, status: { phase: 'Running' } } as KubeObject;
    trackNew(pod, running, writer('one'), new SharedFieldSets());
    expect(JSON.stringify(entriesOf(running))).not.toContain('f:status');
    const empty = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } } as KubeObject;
    trackNew(configMap, empty, writer('one'), new SharedFieldSets());
    expect(empty.metadata).not.toHaveProperty('managedFields');
  });

  it.each(['Event', 'Lease', 'NodeGuard', 'JoinToken', 'NodeEnrollment'] as const)(
    'leaves out a new %s, which only programs write',
    (kind) => {
      const def = kindNamed(kind);
      const made = { kind, metadata: { name: 'a', labels: { a: 'b' } } } as unknown as KubeObject;
      trackNew(def, made, writer('one'), new SharedFieldSets());
      expect(made.metadata).not.toHaveProperty('managedFields');
    },
  );

  it('records who set an object’s fields before its first apply', () => {
    const before = beforeFirstApply(
      configMap,
      object({ a: '1' }),
      { ...writer('one'), operation: 'Apply' },
      new SharedFieldSets(),
    );
    expect(before).toMatchObject([
      { manager: 'before-first-apply', operation: 'Update', fieldsV1: { 'f:data': { 'f:a': {} } } },
    ]);
    const empty = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } } as KubeObject;
    expect(beforeFirstApply(configMap, empty, writer('one'), new SharedFieldSets())).toEqual([]);
  });

  it('gives changed fields to the writer of an update, and ignores managedFields from clients of a subresource', () => {
    const live = object({ a: '1', b: '1' });
    trackNew(configMap, live, writer('one'), new SharedFieldSets());
    const next = object({ a: '1', b: '2' }, entriesOf(live));
    trackUpdate(configMap, live, next, entriesOf(live), writer('two'));
    expect(ownersOf(next)).toEqual([
      ['one', { 'f:data': { '.': {}, 'f:a': {} } }],
      ['two', { 'f:data': { 'f:b': {} } }],
    ]);
    const reset = object({ a: '1', b: '2' }, []);
    trackUpdate(configMap, live, reset, [], writer('two'));
    expect(reset.metadata).not.toHaveProperty('managedFields');
    const status = object({ a: '1', b: '2' }, []);
    trackUpdate(configMap, live, status, [], writer('two', 'status'));
    expect(ownersOf(status)).toEqual(ownersOf(next));
  });

  it('leaves an object alone whose fields were never tracked, and one of which nothing changed', () => {
    const [live, next] = [object({ a: '1' }), object({ a: '2' })];
    trackUpdate(configMap, live, next, undefined, writer('two'));
    expect(next.metadata).not.toHaveProperty('managedFields');
    const tracked = object({ a: '1' });
    trackNew(configMap, tracked, writer('one'), new SharedFieldSets());
    const same = object({ a: '1' }, entriesOf(tracked));
    const { metadata } = same;
    trackUpdate(configMap, tracked, same, entriesOf(tracked), writer('two'));
    expect(same.metadata).toBe(metadata);
    const gone = object({}, entriesOf(tracked));
    delete (gone as { data?: unknown }).data;
    trackUpdate(configMap, tracked, gone, undefined, writer('two'));
    expect(gone.metadata).not.toHaveProperty('managedFields');
  });

  it('sets entries on a copy of the metadata, and none for none', () => {
    const made = object({}, [{ manager: 'one' }]);
    const { metadata } = made;
    setEntries(made, []);
    expect(made.metadata).toEqual({ name: 'a' });
    expect(metadata).toHaveProperty('managedFields');
    setEntries(made, undefined);
    expect(made.metadata).toEqual({ name: 'a' });
    setEntries(made, [{ manager: 'two' }]);
    expect(made.metadata).toEqual({ name: 'a', managedFields: [{ manager: 'two' }] });
  });

  it('keeps the times of the owners when nothing else about them is new', () => {
    const entry = { manager: 'one', operation: 'Apply', time: 'T1', fieldsV1: { 'f:a': {} } };
    const live = object({}, [entry]);
    const later = object({ a: '1' }, [{ ...entry, time: 'T2' }]);
    expect(entriesOf(timed(live, later))).toBe(entriesOf(live));
    expect(timed(live, later)).toMatchObject({ data: { a: '1' }, metadata: { name: 'a' } });
    for (const other of [
      [{ ...entry, time: 'T2', manager: 'two' }],
      [{ ...entry, time: 'T2', fieldsV1: {} }],
      [entry, entry],
      [],
    ]) {
      const next = object({}, other);
      expect(timed(live, next)).toBe(next);
    }
    const same = object({}, entriesOf(live));
    expect(timed(live, same)).toBe(same);
    expect(entriesOf(later)).toEqual([{ ...entry, time: 'T2' }]);
  });

  it('takes the status of kinds that have one for the server’s to write', () => {
    expect([resetOf(pod).has('status'), resetOf(configMap).has('status')]).toEqual([true, false]);
  });
});
