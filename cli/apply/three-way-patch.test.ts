import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyStrategicPatch } from '../../control-plane/api/patch/strategic.ts';
import { messages } from '../../shared/generated/schema.ts';
import { kinds } from '../../shared/kinds/index.ts';
import type { FieldSchema } from '../../shared/schema/proto/message.ts';
import { patchTypeOf } from '../../shared/schema/proto/patch-types.ts';
import { arbitraryObject } from '../../test/support/arbitrary-objects.ts';
import { threeWayPatch } from './three-way-patch.ts';

const type = 'k8s.io.api.core.v1.Pod';

type Json = Record<string, unknown>;

/** What the server holds after an apply. */
function apply(original: Json | undefined, modified: Json, current: Json): Json {
  const patch = threeWayPatch(original, modified, current, type);
  return (patch ? applyStrategicPatch(current, patch, patchTypeOf(type) ?? new Map()) : current) as Json;
}

const container = (name: string, more: Json = {}): Json => ({ name, ...more });
const pod = (spec: Json, metadata: Json = { name: 'p' }): Json => ({ metadata, spec });

describe('the patch of an apply', () => {
  test('is none when the object is as the manifest says, whatever else it has', () => {
    const wanted = pod({ containers: [container('a', { image: 'x' })] });
    const current = pod(
      { containers: [container('a', { image: 'x', imagePullPolicy: 'Always' }), container('b')], nodeName: 'n' },
      { name: 'p', uid: 'u' },
    );
    expect(threeWayPatch(wanted, wanted, current, type)).toBeUndefined();
  });

  test('names list items by their key and changes only what differs in them', () => {
    const current = pod({ containers: [container('a', { image: 'x', tty: true }), container('b', { image: 'y' })] });
    const wanted = pod({ containers: [container('a', { image: 'z' }), container('b', { image: 'y' })] });
    expect(threeWayPatch(undefined, wanted, current, type)).toEqual({
      spec: { containers: [{ name: 'a', image: 'z' }], '$setElementOrder/containers': [{ name: 'a' }, { name: 'b' }] },
    });
  });

  test('removes fields and items that the manifest once had, and only those', () => {
    const before = pod({ hostNetwork: true, containers: [container('a', { tty: true }), container('b')] });
    const current = pod({
      hostNetwork: true,
      hostPID: true,
      containers: [container('a', { tty: true }), container('b'), container('c')],
    });
    const after = apply(before, pod({ containers: [container('a')] }), current);
    expect(after).toEqual(pod({ hostPID: true, containers: [container('a'), container('c')] }));
  });

  test('replaces one source of a volume by another', () => {
    const before = pod({ volumes: [{ name: 'v', emptyDir: {} }] });
    const after = apply(before, pod({ volumes: [{ name: 'v', hostPath: { path: '/x' } }] }), before);
    expect(after).toEqual(pod({ volumes: [{ name: 'v', hostPath: { path: '/x' } }] }));
  });

  test('replaces a list without keys as a whole, and merges a list of scalars that is a set', () => {
    const current = pod(
      { containers: [container('a', { command: ['x', 'y'] })] },
      { name: 'p', finalizers: ['own/a', 'their/b'] },
    );
    const before = pod({}, { name: 'p', finalizers: ['own/a'] });
    const wanted = pod({ containers: [container('a', { command: ['z'] })] }, { name: 'p', finalizers: ['own/c'] });
    const after = apply(before, wanted, current) as { metadata: { finalizers: string[] }; spec: Json };
    expect(after.spec).toEqual({ containers: [container('a', { command: ['z'] })] });
    expect([...after.metadata.finalizers].sort()).toEqual(['own/c', 'their/b']);
  });

  test('is none the second time, for any manifests and any state', () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 });
    const labels = fc.dictionary(fc.constantFrom('k1', 'k2', 'k3'), fc.constantFrom('v1', 'v2'));
    const containers = names.chain((list) =>
      fc.tuple(
        ...list.map((name) =>
          fc.record(
            { name: fc.constant(name), image: fc.constantFrom('x', 'y'), tty: fc.boolean() },
            { requiredKeys: ['name'] },
          ),
        ),
      ),
    );
    const state = fc
      .record({ labels, containers, hostNetwork: fc.option(fc.boolean(), { nil: undefined }) })
      .map((drawn) => ({
        metadata: { name: 'p', labels: drawn.labels },
        spec: {
          containers: [...drawn.containers],
          ...(drawn.hostNetwork === undefined ? {} : { hostNetwork: drawn.hostNetwork }),
        },
      }));
    fc.assert(
      fc.property(fc.option(state, { nil: undefined }), state, state, (original, modified, current) => {
        const after = apply(original, modified, current);
        expect(threeWayPatch(modified, modified, after, type)).toBeUndefined();
        expect(after).toMatchObject({ metadata: modified.metadata });
      }),
      { numRuns: 300 },
    );
  });

  test('of any two objects of any kind makes the one of the other, and changes nothing a second time', () => {
    const pairs = fc.constantFrom(...kinds).chain((kind) => {
      const one = arbitraryObject(kind)
        .map((object) => fields(object as unknown as Json))
        .filter((object) => isKeyed(object, kind.message));
      return fc.record({ type: fc.constant(kind.message), a: one, b: one });
    });
    fc.assert(
      fc.property(pairs, ({ type, a, b }) => {
        const patch = threeWayPatch(a, b, a, type);
        const after = patch ? (applyStrategicPatch(a, patch, patchTypeOf(type) ?? new Map()) as Json) : a;
        expect(normal(after, type)).toEqual(normal(b, type));
        const again = patch ? (applyStrategicPatch(after, patch, patchTypeOf(type) ?? new Map()) as Json) : after;
        expect(normal(again, type)).toEqual(normal(b, type));
      }),
      { numRuns: 300 },
    );
  });
});

function fields({ apiVersion: _v, kind: _k, ...rest }: Json): Json {
  return rest;
}

function fieldsOf(type: string): Array<[string, FieldSchema]> {
  return Object.entries(messages[type]?.fields ?? {}).flatMap(
    ([name, field]): Array<[string, FieldSchema]> => (field.inline ? fieldsOf(field.type) : [[name, field]]),
  );
}

/** Whether all items of lists that merge have keys of their own: others no patch can tell apart. */
function isKeyed(object: Json, type: string): boolean {
  return fieldsOf(type).every(([name, field]) => {
    const value = object[name];
    if (value === undefined || !(field.type in messages))
      return !mergesScalars(field, value) || isUnique(value as unknown[]);
    if (field.map) return Object.values(value as Json).every((one) => isKeyed(one as Json, field.type));
    if (!field.repeated) return typeof value !== 'object' || isKeyed(value as Json, field.type);
    const items = value as Json[];
    const key = field.patchStrategy?.includes('merge') ? field.patchMergeKey : undefined;
    const keys = items.map((item) => (key === undefined ? '' : item[key]));
    return (
      (key === undefined || (isUnique(keys) && !keys.includes(undefined))) &&
      items.every((item) => typeof item !== 'object' || isKeyed(item, field.type))
    );
  });
}

function mergesScalars(field: FieldSchema, value: unknown): boolean {
  return Array.isArray(value) && field.patchStrategy?.includes('merge') === true;
}

function isUnique(values: readonly unknown[]): boolean {
  return new Set(values.map((value) => JSON.stringify(value))).size === values.length;
}

/** With lists of scalars that merge in one order, and without what is empty: to the server that is the same as nothing. */
function normal(object: Json, type: string): Json {
  const out: Record<string, unknown> = {};
  for (const [name, field] of fieldsOf(type)) {
    const value = object[name];
    if (value === undefined) continue;
    const one = (item: unknown): unknown =>
      field.type in messages && typeof item === 'object' && item !== null ? normal(item as Json, field.type) : item;
    if (field.map) out[name] = Object.fromEntries(Object.entries(value as Json).map(([key, item]) => [key, one(item)]));
    else if (!field.repeated) out[name] = one(value);
    else if (mergesScalars(field, value) && !field.patchMergeKey) out[name] = [...(value as unknown[])].sort();
    else out[name] = (value as unknown[]).map(one);
    const made = out[name];
    if (typeof made === 'object' && made !== null && Object.keys(made).length === 0) delete out[name];
  }
  return out;
}
