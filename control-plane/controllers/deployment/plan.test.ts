import { describe, expect, it } from 'vitest';
import type { ReplicaSet } from '../../../shared/generated/types.ts';
import { deployment, replicaSet } from '../../../test/support/deployments.ts';
import { findNewReplicaSet, sizeOf, surplusHistory, templateHash, wanted } from './plan.ts';

describe('templates', () => {
  it('with the same content have the same hash, in any order of fields', () => {
    const a = { metadata: { labels: { a: '1', b: '2' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const b = { spec: { containers: [{ image: 'i', name: 'c' }] }, metadata: { labels: { b: '2', a: '1' } } };
    expect(templateHash(a as never, 0)).toBe(templateHash(b as never, 0));
    expect(templateHash(a as never, 0)).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{10}$/);
    expect(new Set(templateHash(a as never, 0)).size).toBeGreaterThan(4);
  });

  it('with other contents, another order of a list or after a collision have another hash', () => {
    const of = (...images: string[]) =>
      ({ spec: { containers: images.map((image) => ({ name: 'c', image })) } }) as never;
    const hashes = [templateHash(of('a', 'b'), 0), templateHash(of('b', 'a'), 0), templateHash(of('a', 'b'), 1)];
    hashes.push(templateHash(of('a', 'B'), 0), templateHash({ spec: { containers: [] }, metadata: {} } as never, 0));
    expect(new Set(hashes).size).toBe(5);
  });

  it('match their ReplicaSet by content, not by the hash label', () => {
    const labelled = replicaSet('new', 1);
    (labelled.spec.template?.metadata?.labels ?? {})['pod-template-hash'] = 'x';
    expect(findNewReplicaSet(deployment(1), [replicaSet('old', 1), labelled])).toBe(labelled);
    const other = replicaSet('new', 1);
    (other.spec.template?.metadata?.labels ?? {}).tier = 'x';
    expect(findNewReplicaSet(deployment(1), [other])).toBeUndefined();
  });

  it('match the oldest of several ReplicaSets, then the first by name, and none without a template', () => {
    const named = (name: string, created: number): ReplicaSet => {
      const set = replicaSet('new', 1, 1, { created });
      return { ...set, metadata: { ...set.metadata, name } };
    };
    const bare = { ...replicaSet('bare', 1), spec: { replicas: 1 } } as ReplicaSet;
    const sets = [bare, named('young', 9), named('b', 3), named('a', 3)];
    expect(findNewReplicaSet(deployment(1), sets)?.metadata.name).toBe('a');
    expect(findNewReplicaSet(deployment(1), sets.toReversed())?.metadata.name).toBe('a');
    expect(sets[0]).toBe(bare);
  });

  it('without labels match the ReplicaSet that was created from them', () => {
    const spec = { containers: [{ name: 'c', image: 'i' }] };
    const subject = deployment(1, undefined, { template: { spec } });
    const set = replicaSet('x', 1);
    const cut = {
      ...set,
      spec: { ...set.spec, template: { metadata: { labels: { 'pod-template-hash': 'x' } }, spec } },
    };
    expect(findNewReplicaSet(subject, [cut as ReplicaSet])).toBe(cut);
  });
});

it('one pod is desired by default', () => {
  expect(wanted({ ...deployment(1), spec: {} } as never)).toBe(1);
  expect(sizeOf({ ...replicaSet('a', 3), spec: {} } as never)).toBe(1);
  expect([wanted(deployment(0)), sizeOf(replicaSet('a', 0))]).toEqual([0, 0]);
});

describe('the revision history', () => {
  const old = (name: string, revision: number | undefined, created = 0) =>
    replicaSet(name, 0, 0, {
      created,
      ...(revision === undefined ? {} : { annotations: { 'deployment.kubernetes.io/revision': `${revision}` } }),
    });
  const forgotten = (limit: number | undefined, ...sets: ReplicaSet[]) =>
    surplusHistory(deployment(1, undefined, { revisionHistoryLimit: limit }), sets).map(
      ({ metadata }) => metadata.name,
    );

  it('keeps the highest revisions, compared as numbers, then the youngest', () => {
    expect(forgotten(1, old('ten', 10), old('nine', 9))).toEqual(['nine']);
    expect(forgotten(1, old('nine', 9), old('ten', 10))).toEqual(['nine']);
    expect(forgotten(1, old('young', 3, 8), old('old', 3, 7))).toEqual(['old']);
    expect(forgotten(2, old('a', 1), old('none', undefined), old('b', 2))).toEqual(['none']);
  });

  it('keeps ten by default, none with a limit of 0, and deletes nothing below the limit', () => {
    const twelve = Array.from({ length: 12 }, (_, index) => old(`r${index}`, index));
    expect(forgotten(undefined, ...twelve)).toEqual(['r0', 'r1']);
    expect(forgotten(0, ...twelve)).toHaveLength(12);
    expect(forgotten(12, ...twelve)).toEqual([]);
    expect(forgotten(13, ...twelve)).toEqual([]);
  });

  it.each<[string, (set: ReplicaSet) => object]>([
    ['wants pods', (set) => ({ spec: { ...set.spec, replicas: 1 } })],
    ['has pods', (set) => ({ status: { ...set.status, replicas: 1 } })],
    ['is being deleted', (set) => ({ metadata: { ...set.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } })],
    ['was changed since its status was written', (set) => ({ metadata: { ...set.metadata, generation: 2 } })],
    ['has no status', () => ({ status: undefined })],
  ])('keeps a ReplicaSet that %s', (_what, change) => {
    const set = old('a', 1);
    expect(forgotten(0, { ...set, ...change(set) } as ReplicaSet)).toEqual([]);
    expect(forgotten(0, set)).toEqual(['a']);
  });
});
