import { beforeEach, describe, expect, it } from 'vitest';
import type { KubeObject } from '../../../shared/object.ts';
import { fits, packed, packedBytes, packedJson, withRevision } from './packed.ts';

const parse = (text: string): KubeObject => JSON.parse(text);
const plain = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name: 'a',
    namespace: 'default',
    annotations: { note: 'ö'.repeat(5_000) },
    managedFields: [{ manager: 'm', fieldsV1: { 'f:data': {} } }],
    labels: { app: 'x' },
  },
  data: { text: 'x'.repeat(50_000), __proto__x: '' },
  immutable: true,
};
const text = JSON.stringify(plain);

describe('a packed object', () => {
  let object: KubeObject;
  beforeEach(() => {
    object = packed(text, 7, parse);
  });
  const expected = { ...plain, metadata: { ...plain.metadata, resourceVersion: '7' } };

  it('is read, copied and written like a parsed object', () => {
    expect(object).toEqual(expected);
    expect(JSON.parse(JSON.stringify(object))).toEqual(expected);
    expect({ ...object }).toEqual(expected);
    expect(structuredClone(object)).toEqual(expected);
    expect(Object.keys(object)).toEqual(Object.keys(plain));
    expect(packedBytes({ ...object })).toBe(0);
    expect(packedBytes(object)).toBe(Buffer.byteLength(text));
  });

  it('keeps small fields beside its bytes, and parses them only for large fields', () => {
    let parses = 0;
    const counted = packed(text, 7, (given) => {
      parses++;
      return parse(given);
    });
    expect(counted.metadata.labels).toEqual({ app: 'x' });
    expect((counted as { immutable?: boolean }).immutable).toBe(true);
    expect(parses).toBe(1);
    expect((counted as { data?: object }).data).toEqual(plain.data);
    expect(counted.metadata.annotations).toEqual(plain.metadata.annotations);
    expect(parses).toBe(2);
  });

  it('returns its JSON with its resourceVersion without parsing, also with another revision', () => {
    const json = (one: KubeObject): unknown => JSON.parse(Buffer.concat(packedJson(one) ?? []).toString());
    expect(json(object)).toEqual(expected);
    const later = withRevision(object, 9);
    expect(json(later)).toEqual({ ...plain, metadata: { ...plain.metadata, resourceVersion: '9' } });
    expect(packedBytes(later)).toBe(packedBytes(object));
    expect(object.metadata.resourceVersion).toBe('7');
  });

  it('has no bytes when it is not written in the server’s format', () => {
    expect(packedJson(packed(`{"data":{"x":"\\"metadata\\":{"},"metadata":{"name":"a"}}`, 7, parse))).toBeUndefined();
    expect(packedJson(packed(`{"apiVersion":"v1","kind":"X","metadata":{}}`, 7, parse))).toBeUndefined();
  });

  it('is immutable when it is read from its bytes', () => {
    expect(() => Object.assign(object, { data: {} })).toThrow(TypeError);
  });
});

describe('the fields kept beside the bytes of a packed object', () => {
  const reads = (members: object): number => {
    let parses = 0;
    const text = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, ...members });
    const object = packed(text, 1, (given) => {
      parses++;
      return parse(given);
    });
    for (const name of Object.keys(members)) void (object as unknown as Record<string, unknown>)[name];
    return parses - 1;
  };

  it('take at most about 2 KiB', () => {
    expect([reads({ data: 'x'.repeat(2_048) }), reads({ data: 'x'.repeat(2_049) })]).toEqual([0, 1]);
    expect([reads({ data: { x: 'y'.repeat(2_000) } }), reads({ data: { x: 'y'.repeat(2_040) } })]).toEqual([0, 1]);
    expect([reads({ data: new Array(100).fill(1) }), reads({ data: new Array(200).fill(1) })]).toEqual([0, 1]);
    expect([reads({ data: null, more: true }), reads({ data: [[[{}]]] })]).toEqual([0, 0]);
    expect(reads({ data: { a: 'x'.repeat(1_000), b: { c: 'x'.repeat(1_000), d: 'x'.repeat(100) } } })).toBe(1);
  });

  it('are measured without unpacking', () => {
    const object = packed(text, 7, parse);
    const size = packedBytes(object);
    expect([fits(object, size), fits(object, size - 1)]).toEqual([true, false]);
    expect([fits('ab', 2), fits('ab', 1), fits(1, 8), fits(1, 7), fits(null, 8), fits({}, 16), fits({}, 15)]).toEqual([
      true,
      false,
      true,
      false,
      true,
      true,
      false,
    ]);
  });
});

it('an object that is not packed is recognized, and gets another revision as a copy', () => {
  const object = parse('{"metadata":{"name":"a","resourceVersion":"1"}}');
  expect([packedBytes(object), packedJson(object)]).toEqual([0, undefined]);
  expect(withRevision(object, 2)).toEqual({ metadata: { name: 'a', resourceVersion: '2' } });
  expect(object.metadata.resourceVersion).toBe('1');
});

it('a packed object with another revision reads the large fields of its metadata, and shares its bytes', () => {
  const object = packed(text, 7, parse);
  const later = withRevision(withRevision(object, 8), 9);
  expect(later).toEqual({ ...plain, metadata: { ...plain.metadata, resourceVersion: '9' } });
  expect(later.metadata.annotations).toEqual(plain.metadata.annotations);
  expect(object.metadata.resourceVersion).toBe('7');
});

it('text that is not an object is not packed', () => {
  expect(() => packed('{', 1, parse)).toThrow(SyntaxError);
});
