import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duplicateFields } from './duplicates.ts';
import { readYaml } from './yaml.ts';

const found = (text: string): string[] => duplicateFields(text, JSON.parse(text));

describe('the duplicates in a JSON text', () => {
  it.each([
    ['{"spec":{"replicas":1,"replicas":2}}', ['duplicate field "spec.replicas"']],
    ['{"a": 1 , "a" : 2, "b":[{"c":1},{"c":1,"c":[]}]}', ['duplicate field "a"', 'duplicate field "b[1].c"']],
    ['{"a":{"b":1},"a":{"b":2}}', ['duplicate field "a"']],
    ['{"a\\"b":1,"a\\u0022b":2}', ['duplicate field "a\\"b"']],
    ['{"metadata":{"labels":{"x":"1","x":"1"}}}', ['duplicate field "metadata.labels.x"']],
    ['{"a":"b\\\\","c":"\\":","a2":":"}', []],
    ['[{"a":1},{"a":1}]', []],
    ['"a"', []],
  ])('%s: %j', (text, expected) => {
    expect(found(text)).toEqual(expected);
  });

  it('are none in text written by JSON.stringify', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat({ max: 2 }), (value, space) => {
        expect(found(JSON.stringify(value, null, space))).toEqual([]);
      }),
    );
  });

  it('is found wherever a member is repeated', () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), fc.jsonValue(), (name, one, other) => {
        const key = JSON.stringify(name);
        expect(found(`{${key}:${JSON.stringify(one)},"-":[],${key}:${JSON.stringify(other)}}`).length).toBeGreaterThan(
          0,
        );
      }),
    );
  });

  it('are found with bounded stack and memory at any depth', () => {
    const deep = `{"a":1,"a":${'[{"a":'.repeat(20_000)}1${'}]'.repeat(20_000)}}`;
    expect(duplicateFields(deep, {})).toEqual(['duplicate field "a"']);
  });
});

describe('YAML', () => {
  it('are reported with their path, and the last value is used', () => {
    expect(readYaml('a: 1\nb:\n  - c: 1\n    c: 2\na: 3\n')).toEqual({
      value: { a: 3, b: [{ c: 2 }] },
      duplicates: [
        'yaml: unmarshal errors:\n  line 4: key "c" already set in map\n  line 5: key "a" already set in map',
      ],
    });
  });

  it('is refused when it is none', () => {
    expect(() => readYaml('a: [')).toThrow();
    expect(() => readYaml('a: &x [*x, *x]\nb: *y\n')).toThrow();
  });
});

describe('YAML of many tokens', () => {
  it('is refused before it takes its reader long, and long texts in it are not', () => {
    expect(() => readYaml('- a\n'.repeat(100_000))).toThrow('Request entity too large: limit is 30000 tokens of YAML');
    expect(readYaml(`a: |\n${' x: [y, z]\n'.repeat(100_000)}`).duplicates).toEqual([]);
    expect(() => readYaml(`a: |\n${'  abc\n'.repeat(450_000)}`)).toThrow('limit is 1572864 characters of YAML');
  });

  it('reads JSON as what it is, however much it has, unless something stands there twice', () => {
    const large = JSON.stringify(Object.fromEntries(Array.from({ length: 19_000 }, (_, i) => [`k${i}`, i])));
    expect(readYaml(large)).toEqual({ value: JSON.parse(large), duplicates: [] });
    expect(readYaml('{"a": 1, "a": 2}').duplicates).toHaveLength(1);
    expect(readYaml('{a: 1}').value).toEqual({ a: 1 });
  });

  it('goes no deeper than any object, however it is written, and stops at the first fault', () => {
    const blocks = Array.from({ length: 600 }, (_, i) => `${' '.repeat(i)}a:`).join('\n');
    for (const deep of ['[ '.repeat(12_000), '- '.repeat(12_000), '? '.repeat(12_000), '{a: '.repeat(7_000), blocks]) {
      expect(() => readYaml(deep)).toThrow('the body is nested deeper than 256 levels');
    }
    expect(() => readYaml(`a: b\n${'}'.repeat(20_000)}`)).toThrow(/at line 2, column 1$/);
    expect(() => readYaml('a: 1\n---\nb: 1\n')).toThrow('more than one document at line 2, column 1');
    expect(() => readYaml('a: [')).toThrow(/at line 1, column \d+$/);
  });
});
