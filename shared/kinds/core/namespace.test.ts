import { describe, expect, test } from 'vitest';
import { writtenPart } from '../../../test/support/kind-rules.ts';
import type { Namespace } from '../../generated/types.ts';
import { kindNamed } from '../index.ts';

const { strategy } = kindNamed('Namespace');

function namespaceOf(body: object = {}, metadata: object = {}): Namespace {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a', uid: 'u', ...metadata }, ...body } as Namespace;
}

describe('a new namespace', () => {
  const created = (body: object = {}, metadata: object = {}): Namespace => {
    const namespace = namespaceOf(body, metadata);
    strategy.nameGenerated?.(namespace);
    strategy.prepareCreate?.(namespace);
    return namespace;
  };

  test('has the finalizer that holds it until it is empty, once, and a label of its name', () => {
    expect(created()).toMatchObject({
      metadata: { labels: { 'kubernetes.io/metadata.name': 'a' } },
      spec: { finalizers: ['kubernetes'] },
    });
    expect(created({ spec: { finalizers: ['own', 'kubernetes'] } }).spec).toEqual({
      finalizers: ['own', 'kubernetes'],
    });
    expect(created({ spec: { finalizers: ['own'] } }).spec?.finalizers).toEqual(['own', 'kubernetes']);
    const labels = { app: 'x', 'kubernetes.io/metadata.name': 'other' };
    expect(created({}, { labels }).metadata.labels).toEqual({ app: 'x', 'kubernetes.io/metadata.name': 'a' });
    expect(created({}, { name: '' }).metadata.labels).toBeUndefined();
  });

  test('is active', () => {
    expect(created({ status: { phase: 'Terminating' } }).status).toEqual({ phase: 'Active' });
  });
});

test('an update keeps the finalizers of the spec; only the subresource finalize changes them, and nothing else', () => {
  const old = namespaceOf({ spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } });
  const next = namespaceOf({ spec: { finalizers: [] } });
  strategy.prepareUpdate?.(next, old);
  expect(next.spec).toEqual({ finalizers: ['kubernetes'] });
  const bare = namespaceOf({ spec: { finalizers: ['own'] } });
  strategy.prepareUpdate?.(bare, namespaceOf());
  expect(bare.spec).toBeUndefined();

  const written = namespaceOf({ spec: {}, status: { phase: 'Terminating' } }, { labels: { app: 'x' } });
  expect(writtenPart('finalize', old, written, 0)).toEqual({
    object: { ...old, spec: { finalizers: [] } },
    faults: [],
  });
});

test('a namespace that is being deleted is Terminating, waits for the finalizers of its spec, and has no grace period', () => {
  const namespace = namespaceOf({ spec: { finalizers: ['kubernetes'] } }, { deletionGracePeriodSeconds: 0 });
  strategy.deletion?.mark?.(namespace);
  expect(namespace.status).toEqual({ phase: 'Terminating' });
  expect(namespace.metadata.deletionGracePeriodSeconds).toBeUndefined();
  expect(strategy.deletion?.finalizers?.(namespace)).toEqual(['kubernetes']);
  expect(strategy.deletion?.finalizers?.(namespaceOf())).toEqual([]);
});
