import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ObjectReader } from './field-sets.ts';

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
  it('gives what JSON gives, whatever the object holds', () => {
    const reader = new ObjectReader();
    fc.assert(
      fc.property(object, (value) => {
        const text = JSON.stringify(value);
        expect(reader.read(text)).toEqual(JSON.parse(text));
        expect(JSON.stringify(reader.read(text))).toBe(text);
      }),
      { numRuns: 500 },
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

  it('says of what is no JSON that it is none', () => {
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
});
