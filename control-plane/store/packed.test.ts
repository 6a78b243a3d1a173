import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../shared/object.ts';
import { packed, packedBytes, packedJson, withRevision } from './packed.ts';

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
  const object = packed(text, 7, parse);
  const expected = { ...plain, metadata: { ...plain.metadata, resourceVersion: '7' } };

  it('reads, copies and is written as if it had been parsed', () => {
    expect(object).toEqual(expected);
    expect(JSON.parse(JSON.stringify(object))).toEqual(expected);
    expect({ ...object }).toEqual(expected);
    expect(structuredClone(object)).toEqual(expected);
    expect(Object.keys(object)).toEqual(Object.keys(plain));
    expect(packedBytes({ ...object })).toBe(0);
    expect(packedBytes(object)).toBe(Buffer.byteLength(text));
  });

  it('keeps what is small beside its bytes, and parses them only for what is large', () => {
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

  it('has its JSON with its resourceVersion without being parsed, also as of another revision', () => {
    const json = (one: KubeObject): unknown => JSON.parse(Buffer.concat(packedJson(one) ?? []).toString());
    expect(json(object)).toEqual(expected);
    const later = withRevision(object, 9);
    expect(json(later)).toEqual({ ...plain, metadata: { ...plain.metadata, resourceVersion: '9' } });
    expect(packedBytes(later)).toBe(packedBytes(object));
    expect(object.metadata.resourceVersion).toBe('7');
  });

  it('has none when it is not written as the server writes objects', () => {
    expect(packedJson(packed(`{"data":{"x":"\\"metadata\\":{"},"metadata":{"name":"a"}}`, 7, parse))).toBeUndefined();
    expect(packedJson(packed(`{"apiVersion":"v1","kind":"X","metadata":{}}`, 7, parse))).toBeUndefined();
  });

  it('cannot be changed where it is read from its bytes', () => {
    expect(() => Object.assign(object, { data: {} })).toThrow(TypeError);
  });
});
