import { describe, expect, it } from 'vitest';
import { isExact, parseExactly } from './exact-numbers.ts';
import { readYaml } from './yaml.ts';

const why = 'a number that cannot be kept exactly: integers have at most 53 bits, others at most 17 digits';

describe('a number of a text', () => {
  it.each([
    ['9007199254740991', true],
    ['-9007199254740991', true],
    ['9007199254740992', true],
    ['1152921504606846976', false],
    ['9007199254740993', false],
    ['3546343826724305832', false],
    ['0.1', true],
    ['0.10000000000000001', false],
    ['123456789.123456789012', false],
    ['9007199254740991.4', false],
    ['1e3', true],
    ['1e22', true],
    ['1e400', false],
    ['1e-400', false],
    ['100000000000000000000e-18', true],
    ['-0', true],
    ['0.0000000000000000', true],
  ])('%s is kept exactly: %s', (literal, exact) => {
    expect(isExact(literal)).toBe(exact);
  });
});

describe('JSON', () => {
  it('is the same as ever where its numbers are kept, whatever its texts look like', () => {
    const value = { a: [1, 2.5, { 'b:c': '9007199254740993' }], d: '1e400 "x": 12345678901234567890', e: -0.5 };
    expect(parseExactly(JSON.stringify(value, null, 2))).toEqual(value);
  });

  it.each([
    ['{"spec": {"x": 9007199254740993}}', 'spec.x', '9007199254740993'],
    ['{"a": "9007199254740993", "b": [0, {"c": 3546343826724305832}]}', 'b[1].c', '3546343826724305832'],
    [
      '{"a": {"b": 1, "c": "d"}, "data": {"n.m/o": [1, 2, -12345678901234567890]}}',
      'data[n.m/o][2]',
      '-12345678901234567890',
    ],
    ['{"a\\"b": 1e400}', 'a"b', '1e400'],
    ['9007199254740993', '', '9007199254740993'],
  ])('%s is refused by the place of its number', (text, field, literal) => {
    const error = (() => {
      try {
        return parseExactly(text);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toMatchObject({
      reason: 'BadRequest',
      message: `${field && `${field}: `}Invalid value: ${literal}: ${why}`,
      details: { causes: [{ field }] },
    });
  });

  it('is checked at a cost of its own size, however deep it is', () => {
    const deep = `${'[1,'.repeat(100_000)}9007199254740993${']'.repeat(100_000)}`;
    expect(() => parseExactly(deep)).toThrow();
  });

  it('is checked at a cost of its own length, however many zeros are in it', () => {
    const long = `1.${'0'.repeat(2_000_000)}1`;
    expect(isExact(long)).toBe(false);
    expect(isExact(`${long.slice(0, -1)}0`)).toBe(true);
    expect(() => parseExactly(`{"spec":{"replicas":${long}}}`)).toThrow('spec.replicas: Invalid value');
  });
});

describe('YAML', () => {
  it.each([
    ['spec:\n  x: 9007199254740993\n', 'spec.x'],
    ['a:\n- 1\n- b: {c: 3546343826724305832}\n', 'a[1].b.c'],
    ['a: .inf\n', 'a'],
    ['a: 0x20000000000001\n', 'a'],
    ['9007199254740993: a\n', '9007199254740993'],
  ])('%s is refused by the place of its number', (text, field) => {
    expect(() => readYaml(text)).toThrow(new RegExp(`^${field.replace(/[[\]]/g, '\\$&')}: Invalid value: `));
  });

  it('is the same as ever where its numbers are kept', () => {
    const text = 'a: 9007199254740991\nb: "9007199254740993"\nc: 0x1F\nd: 1.5\n';
    expect(readYaml(text).value).toEqual({ a: 9007199254740991, b: '9007199254740993', c: 31, d: 1.5 });
  });
});
