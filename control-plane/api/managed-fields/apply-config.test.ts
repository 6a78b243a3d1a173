import { describe, expect, it } from 'vitest';
import { ownedShapeOf } from '../../../shared/schema/proto/shapes.ts';
import { type Applied, applyConfig, applyOver } from './apply.ts';
import { printPath } from './field-set.ts';
import type { Entry, Writer } from './ownership.ts';

const deployment = ownedShapeOf('k8s.io.api.apps.v1.Deployment');
const pod = ownedShapeOf('k8s.io.api.core.v1.Pod');
const map = ownedShapeOf('k8s.io.api.core.v1.ConfigMap');
const writer = (manager: string, more: Partial<Writer> = {}): Writer => ({
  manager,
  operation: 'Apply',
  apiVersion: 'v1',
  time: '2026-01-01T00:00:00Z',
  ...more,
});

function applied(outcome: Applied) {
  if (outcome.type !== 'applied') throw new Error(`conflicts: ${outcome.conflicts.map(({ path }) => printPath(path))}`);
  return outcome;
}
const conflicts = (outcome: Applied) =>
  outcome.type === 'conflicts' ? outcome.conflicts.map(({ entry, path }) => [entry.manager, printPath(path)]) : [];
const managers = (entries: readonly Entry[]) => entries.map(({ manager, operation }) => `${manager} ${operation}`);

/** Kubernetes' documentation, "Server-Side Apply": nginx-deployment, whose replicas pass to an autoscaler. */
describe('the examples of Kubernetes’ documentation', () => {
  const config = {
    metadata: { labels: { app: 'nginx' } },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'nginx' } },
      template: { metadata: { labels: { app: 'nginx' } }, spec: { containers: [{ name: 'nginx', image: 'nginx:1' }] } },
    },
  };
  const { replicas: _replicas, ...withoutReplicas } = config.spec;
  const replicas = (count: number) => ({ spec: { replicas: count } });
  const byUser = () => applied(applyConfig(deployment, { object: {}, entries: [] }, config, writer('kubectl'), false));

  it('a value that another manager set is a conflict, which names the manager and the field', () => {
    const user = byUser();
    const other = applyConfig(deployment, user, replicas(5), writer('hpa'), false);
    expect(conflicts(other)).toEqual([['kubectl', '.spec.replicas']]);
  });

  it('the same value is shared, and stays when one of both gives it up', () => {
    const user = byUser();
    const shared = applied(applyConfig(deployment, user, replicas(3), writer('hpa'), false));
    expect(managers(shared.entries)).toEqual(['hpa Apply', 'kubectl Apply']);
    const given = { ...config, spec: withoutReplicas };
    const after = applied(applyConfig(deployment, shared, given, writer('kubectl'), false));
    expect(after.object).toEqual(config);
    const free = applied(applyConfig(deployment, after, replicas(5), writer('hpa'), false));
    expect(free.object).toEqual({ ...config, spec: { ...config.spec, replicas: 5 } });
  });

  it('forced, the field is the new manager’s alone, and the old one then conflicts', () => {
    const user = byUser();
    const forced = applied(applyConfig(deployment, user, replicas(5), writer('hpa'), true));
    expect(forced.object).toEqual({ ...config, spec: { ...config.spec, replicas: 5 } });
    expect(forced.entries.find(({ manager }) => manager === 'hpa')?.fieldsV1).toEqual({
      'f:spec': { 'f:replicas': {} },
    });
    const again = applyConfig(deployment, forced, config, writer('kubectl'), false);
    expect(conflicts(again)).toEqual([['hpa', '.spec.replicas']]);
  });

  it('a field that its sole manager leaves out is removed', () => {
    const user = byUser();
    const given = { ...config, spec: withoutReplicas };
    const after = applied(applyConfig(deployment, user, given, writer('kubectl'), false));
    expect(after.object).toEqual(given);
  });
});

describe('two managers on one item of a list', () => {
  const item = (more: object) => ({ spec: { containers: [{ name: 'a', ...more }] } });
  const byOne = () =>
    applied(applyConfig(pod, { object: {}, entries: [] }, item({ image: 'a:1' }), writer('one'), false));
  const byBoth = () => applied(applyConfig(pod, byOne(), item({ tty: true }), writer('two'), false));

  it('have both of their fields in it', () => {
    const both = byBoth();
    expect(both.object).toEqual(item({ image: 'a:1', tty: true }));
    expect(both.entries.map(({ fieldsV1 }) => JSON.stringify(fieldsV1).includes('"f:name"'))).toEqual([true, true]);
  });

  it('each remove their own fields; the item is removed with the last', () => {
    const both = byBoth();
    const left = applied(applyConfig(pod, both, {}, writer('one'), false));
    expect([left.object, managers(left.entries)]).toEqual([item({ tty: true }), ['two Apply']]);
    const none = applied(applyConfig(pod, left, {}, writer('two'), false));
    expect([none.object, none.entries]).toEqual([{}, []]);
  });

  it('a field of an item that has no known manager stays while the item does', () => {
    const one = byOne();
    const live = item({ image: 'a:1', stdin: true });
    const after = applied(applyConfig(pod, { object: live, entries: one.entries }, item({}), writer('one'), false));
    expect(after.object).toEqual(item({ stdin: true }));
  });

  it('fields that an updater set in an item of another owner are removed with the item, and so is their ownership', () => {
    const one = byOne();
    const updater: Entry = {
      manager: 'u',
      operation: 'Update',
      apiVersion: 'v1',
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:spec': { 'f:containers': { 'k:{"name":"a"}': { 'f:stdin': {} } } } },
    };
    const live = item({ image: 'a:1', stdin: true });
    const after = applied(
      applyConfig(pod, { object: live, entries: [...one.entries, updater] }, {}, writer('one'), false),
    );
    expect([after.object, after.entries]).toEqual([{}, []]);
  });
});

describe('an apply', () => {
  const data = (values: Record<string, string>) => ({ data: values });
  const byFirst = () => applied(applyConfig(map, { object: {}, entries: [] }, data({ a: '1' }), writer('one'), false));

  it('of the same again changes nothing, not even the time; of another version it does', () => {
    const first = byFirst();
    const later = writer('one', { time: '2026-02-02T00:00:00Z' });
    const again = applied(applyConfig(map, first, data({ a: '1' }), later, false));
    expect(again.entries[0]).toBe(first.entries[0]);
    const other = { ...later, apiVersion: 'v2' };
    expect(applied(applyConfig(map, first, data({ a: '1' }), other, false)).entries).toEqual([
      { ...first.entries[0], apiVersion: 'v2', time: later.time },
    ]);
    const changed = applied(applyConfig(map, first, data({ a: '2' }), later, false));
    expect(changed.entries[0]?.time).toBe(later.time);
    const fewer = applied(
      applyConfig(map, { object: data({ a: '1' }), entries: first.entries }, data({}), later, false),
    );
    expect(fewer.entries[0]).toMatchObject({ time: later.time, fieldsV1: { 'f:data': {} } });
    const more = applied(
      applyConfig(
        map,
        { object: data({ a: '1', b: '1' }), entries: first.entries },
        data({ a: '1', b: '1' }),
        later,
        false,
      ),
    );
    expect(more.entries[0]?.time).toBe(later.time);
  });

  it('is no update of the same name, nor an apply to a subresource', () => {
    const first = byFirst();
    const update = { ...writer('one'), operation: 'Update' as const };
    const entries = [...first.entries].map((entry): Entry => ({ ...entry, operation: update.operation }));
    const outcome = applyConfig(
      map,
      { object: first.object, entries: entries },
      data({ a: '2' }),
      writer('one'),
      false,
    );
    expect(conflicts(outcome)).toEqual([['one', '.data.a']]);
    const status = applyConfig(map, first, data({ a: '2' }), writer('one', { subresource: 'status' }), false);
    expect(conflicts(status)).toEqual([['one', '.data.a']]);
  });

  it('names every conflict, with each manager', () => {
    const first = byFirst();
    const two = applied(applyConfig(map, first, data({ a: '1', b: '1' }), writer('two'), false));
    const outcome = applyConfig(map, two, data({ a: '2', b: '2' }), writer('three'), false);
    expect(conflicts(outcome)).toEqual([
      ['one', '.data.a'],
      ['two', '.data.a'],
      ['two', '.data.b'],
    ]);
  });

  it('takes an absent field that another manager owns for a conflict when it sets it', () => {
    const first = byFirst();
    const outcome = applyConfig(map, { object: {}, entries: first.entries }, data({ a: '2' }), writer('two'), false);
    expect(conflicts(outcome)).toEqual(
      [
        ['one', '.data'],
        ['one', '.data.a'],
      ].filter(([, path]) => path === '.data.a'),
    );
  });

  it('is refused when both together have too many values, but not for what was too many before', () => {
    const revision = ownedShapeOf('k8s.io.api.apps.v1.ControllerRevision');
    // One value that is owned as a whole and has many below it, and labels beside it.
    const state = (below: number) => ({ data: { list: new Array<number>(below).fill(0) }, revision: 1 });
    const labels = (count: number) => ({
      metadata: { labels: Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, ''])) },
    });
    const merged = (below: number, config: object) => () =>
      applied(applyConfig(revision, { object: state(below), entries: [] }, config, writer('one'), false)).object;
    expect(merged(20_000 - 3 - 2 - 10, labels(10))()).toEqual({ ...state(20_000 - 15), ...labels(10) });
    expect(merged(20_000 - 3 - 2 - 10, labels(11))).toThrow(/values/);
    expect(merged(20_010, { revision: 1 })()).toEqual(state(20_010));
    expect(merged(20_010, labels(1))).toThrow(/values/);
  });
});

describe('taking over from client-side apply', () => {
  const live = { data: { a: '1', b: '2', c: '3' } };
  const owner: Entry = {
    manager: 'kubectl-client-side-apply',
    operation: 'Update',
    apiVersion: 'v1',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:data': { 'f:a': {}, 'f:b': {}, 'f:c': {} } },
  };
  const over = (config: object, previous: object | undefined, force = false) =>
    applyOver(map, { object: live, entries: [owner] }, config, { writer: writer('kubectl'), force }, () => previous);

  it('what was applied before and is unchanged since is no conflict', () => {
    const outcome = applied(over({ data: { a: '9' } }, { data: { a: '1', b: '2' } }));
    expect(outcome.object).toEqual({ data: { a: '9', b: '2', c: '3' } });
    expect(outcome.entries.find(({ manager }) => manager === 'kubectl')?.fieldsV1).toEqual({
      'f:data': { 'f:a': {} },
    });
  });

  it('what another one changed, added or never applied is one', () => {
    const before = { data: { a: '0', b: '2' } };
    expect(conflicts(over({ data: { a: '9', b: '9', c: '9' } }, before))).toEqual([
      ['kubectl-client-side-apply', '.data.a'],
      ['kubectl-client-side-apply', '.data.c'],
    ]);
    expect(conflicts(over({ data: { a: '9' } }, undefined))).toHaveLength(1);
    expect(conflicts(over({ data: { a: '9' } }, {}))).toHaveLength(1);
  });

  it('what was applied before is asked only when there are conflicts', () => {
    const never = (): never => {
      throw new Error('asked');
    };
    expect(
      applyOver(
        map,
        { object: live, entries: [owner] },
        { data: { a: '1' } },
        { writer: writer('kubectl'), force: false },
        never,
      ).type,
    ).toBe('applied');
    expect(
      applyOver(
        map,
        { object: live, entries: [owner] },
        { data: { a: '9' } },
        { writer: writer('kubectl'), force: true },
        never,
      ).type,
    ).toBe('applied');
  });
});
