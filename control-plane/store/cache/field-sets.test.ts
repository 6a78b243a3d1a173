import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { heapBytes, ObjectReader } from './field-sets.ts';

const names = fc.oneof(
  fc.string(),
  fc.constantFrom('.', 'f:a"b', 'k:{"name":"x\\\\"}', '"managedFields":[', '"fieldsV1":{', '__proto__'),
);
const treeOf = (depth: number): fc.Arbitrary<object> =>
  depth === 0 ? fc.constant({}) : fc.dictionary(names, treeOf(depth - 1), { maxKeys: 3, noNullPrototype: true });
const tree = treeOf(4);

const object = fc.record({
  metadata: fc.record(
    {
      name: fc.string(),
      annotations: fc.dictionary(fc.string(), fc.constantFrom('"managedFields":[{"fieldsV1":{}}]', '}', 'x')),
      managedFields: fc.array(
        fc.record({ manager: fc.string(), fieldsV1: tree, subresource: fc.string() }, { requiredKeys: ['manager'] }),
      ),
    },
    { requiredKeys: ['name'] },
  ),
  data: fc.oneof(fc.jsonValue(), fc.record({ managedFields: fc.array(fc.record({ fieldsV1: tree })) })),
});

describe('reading stored objects', () => {
  it('returns the same as JSON.parse for any object', () => {
    const reader = new ObjectReader();
    fc.assert(
      fc.property(object, (value) => {
        const text = JSON.stringify(value);
        expect(reader.read(text)).toEqual(JSON.parse(text));
        expect(JSON.stringify(reader.read(text))).toBe(text);
      }),
      { numRuns: 100 },
    );
  });

  it('shares equal sets of fields between objects', () => {
    const reader = new ObjectReader();
    const pod = (name: string): string =>
      JSON.stringify({
        metadata: { name, managedFields: [{ manager: 'm', fieldsV1: { 'f:spec': { 'f:a': {}, 'f:b': {} } } }] },
      });
    const [one, other] = [reader.read(pod('a')), reader.read(pod('b'))] as {
      metadata: { managedFields: { fieldsV1: object }[] };
    }[];
    expect(one?.metadata.managedFields[0]?.fieldsV1).toBe(other?.metadata.managedFields[0]?.fieldsV1);
  });

  it('rejects text that is not JSON', () => {
    const reader = new ObjectReader();
    for (const text of [
      '',
      '{',
      '{"metadata":{"managedFields":[{"fieldsV1":{',
      '{"managedFields":[{"fieldsV1":{"a":1}}',
    ]) {
      expect(() => reader.read(text)).toThrow(SyntaxError);
    }
  });

  type Read = { metadata: { managedFields: { fieldsV1: Record<string, object> }[] } };
  const withSet = (set: object, name = 'a'): string =>
    JSON.stringify({ metadata: { name, managedFields: [{ manager: 'm', fieldsV1: set }] } });
  const setOf = (reader: ObjectReader, set: object) =>
    (reader.read(withSet(set)) as Read).metadata.managedFields[0]?.fieldsV1 as Record<string, object>;

  it('keeps a set as long as it is used again, and drops others', () => {
    const reader = new ObjectReader();
    const [used, unused] = [{ 'f:used': {} }, { 'f:unused': {} }];
    const [first, other] = [setOf(reader, used), setOf(reader, unused)];
    for (let i = 0; i < 2_000; i++) {
      setOf(reader, { [`f:${i}`]: {} });
      if (i % 100 === 0) expect(setOf(reader, used)).toBe(first);
    }
    expect(setOf(reader, unused)).toEqual(other);
    expect(setOf(reader, unused)).not.toBe(other);
  });

  it('keeps sets of up to 16 KiB of text', () => {
    const reader = new ObjectReader();
    const set = (length: number) => ({ ['f'.repeat(length - '{"":{}}'.length)]: {} });
    expect(setOf(reader, set(16 * 1024))).toBe(setOf(reader, set(16 * 1024)));
    expect(setOf(reader, set(16 * 1024 + 1))).not.toBe(setOf(reader, set(16 * 1024 + 1)));
  });

  it('has one object for all leaves, which is immutable', () => {
    const reader = new ObjectReader();
    const [one, other] = [setOf(reader, { 'f:a': {}, 'f:b': {} }), setOf(reader, { 'f:c': {} })];
    expect(one['f:a']).toBe(other['f:c']);
    expect(Object.isFrozen(one['f:a'])).toBe(true);
  });

  it('measures an object by its text and values, without shared sets', () => {
    expect([heapBytes('{}'), heapBytes('{"a":1,"b":[1,2]}')]).toEqual([2 + 100, 17 + 3 * 100]);
    const reader = new ObjectReader();
    const set = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`f:${i}`, {}]));
    const rest = withSet({}).length - 1 + 3 * 100;
    const costs = ['a', 'b'].map((name) => {
      reader.read(withSet(set, name));
      return reader.cost;
    });
    expect(costs).toEqual([rest + heapBytes(JSON.stringify(set)), rest]);
    reader.read('{"a":1}');
    expect(reader.cost).toBe(heapBytes('{"a":1}'));
  });

  it('reads sets of any depth, and fields that only look like sets', () => {
    const reader = new ObjectReader();
    const deep = (depth: number): object => (depth === 0 ? {} : { 'f:x': deep(depth - 1) });
    for (const depth of [1, 62, 63, 64, 65, 200]) expect(setOf(reader, deep(depth))).toEqual(deep(depth));
    for (const value of [
      { metadata: { managedFields: [{ fieldsV1: {} }, null, { fieldsV1: { 'f:a': {} } }] } },
      { metadata: { managedFields: [{ fieldsV1: 0 }, { fieldsV1: { a: {} } }] } },
      { metadata: { managedFields: [{ fieldsV1: { a: [] } }, { fieldsV1: { a: { b: 1 } } }] } },
      { metadata: { managedFields: [{ fieldsV1: { 'a"\\': { '}': {} } } }] } },
      { metadata: { managedFields: [] }, other: { managedFields: [{ fieldsV1: { a: {} } }] } },
      { metadata: { managedFields: [{ nested: { fieldsV1: {} } }] } },
      { managedFields: [{ fieldsV1: {} }] },
      null,
    ]) {
      expect(reader.read(JSON.stringify(value))).toEqual(value);
    }
  });

  it('reads sets with whitespace', () => {
    const reader = new ObjectReader();
    for (const set of ['{ }', '{ "a": {} }', '{"a": {}}', '{"a":{} }', '{"a":{}, "b":{}}', '{"a":{},"b":{}}']) {
      const text = `{"metadata":{"managedFields":[{"fieldsV1":${set}}]}}`;
      expect(reader.read(text)).toEqual(JSON.parse(text));
    }
    for (const set of ['{"a":{}', '{"a"}', '{"a":}', '{a:{}}', '{"a":{},}', '{"a":{}"b":{}}', '{"a":{}]}']) {
      expect(() => reader.read(`{"metadata":{"managedFields":[{"fieldsV1":${set}}]}}`)).toThrow(SyntaxError);
    }
  });
});
