import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  intValue,
  milliValue,
  parseQuantity,
  QuantityError,
  quantityOf,
  quantityOfMillis,
  subtractQuantities,
} from './quantity.ts';

describe('canonicalQuantity', () => {
  it.each([
    ['0', '0'],
    ['0.0', '0'],
    ['0Mi', '0'],
    ['-0', '0'],
    ['100m', '100m'],
    ['0.1', '100m'],
    ['0.5', '500m'],
    ['.5', '500m'],
    ['1.', '1'],
    ['1000m', '1'],
    ['1500m', '1500m'],
    ['1000', '1k'],
    ['1200', '1200'],
    ['12e3', '12e3'],
    ['1e3', '1e3'],
    ['1000e0', '1e3'],
    ['1E', '1E'],
    ['1E2', '100'],
    ['1.5Gi', '1536Mi'],
    ['1024Mi', '1Gi'],
    ['1000Ki', '1000Ki'],
    ['1024', '1024'],
    ['0.5Ki', '512'],
    ['0.1Gi', '107374182400m'],
    ['0.0001Mi', '104857600u'],
    ['1.0001Ki', '1024102400u'],
    ['1n', '1n'],
    ['0.1n', '1n'],
    ['-0.1n', '-1n'],
    ['1e-3', '1e-3'],
    ['-1.5', '-1500m'],
    ['+2', '2'],
    ['10E', '9223372036854775807'],
    ['1e400', '9223372036854775807'],
    ['0e400', '0'],
    ['1e-400', '1e-9'],
    [' 1', undefined],
    ['', undefined],
    ['.', undefined],
    ['1.2.3', undefined],
    ['1 Gi', undefined],
    ['1ki', undefined],
    ['1KiB', undefined],
    ['1mm', undefined],
    ['1e', undefined],
    ['Gi', undefined],
    ['9'.repeat(200), undefined],
  ])('%s → %s', (text, expected) => {
    if (expected === undefined) expect(() => canonicalQuantity(text)).toThrow(QuantityError);
    else expect(canonicalQuantity(text)).toBe(expected);
  });

  it('takes a JSON number for its decimal text', () => {
    expect(canonicalQuantity(2)).toBe('2');
    expect(canonicalQuantity(0.25)).toBe('250m');
  });

  it('gives the same amount back, and is a fixed point', () => {
    fc.assert(
      fc.property(quantityText, (text) => {
        const canonical = canonicalQuantity(text);
        expect(canonicalQuantity(canonical)).toBe(canonical);
        expect(parseQuantity(canonical).nanos).toBe(parseQuantity(text).nanos);
      }),
    );
  });
});

describe('milliValue and intValue', () => {
  it.each([
    ['100m', 100, 1],
    ['0.1', 100, 1],
    ['1', 1000, 1],
    ['1u', 1, 1],
    ['128Mi', 134217728000, 134217728],
    ['1.5Gi', 1610612736000, 1610612736],
    ['1M', 1e9, 1e6],
    ['-1500m', -1500, -2],
  ])('%s is %d thousandths, %d whole', (text, millis, whole) => {
    expect(milliValue(text)).toBe(millis);
    expect(intValue(text)).toBe(whole);
  });

  it('round away from zero, and agree with the exact amount', () => {
    fc.assert(
      fc.property(quantityText, (text) => {
        const nanos = parseQuantity(text).nanos;
        const amount = nanos < 0n ? -nanos : nanos;
        fc.pre(amount < 9_000_000_000_000_000n);
        expect(Math.abs(milliValue(text))).toBe(Math.ceil(Number(amount) / 1e6));
        expect(Math.abs(intValue(text))).toBe(Math.ceil(Number(amount) / 1e9));
      }),
    );
  });
});

describe('arithmetic', () => {
  it('adds and subtracts exactly, in the first one’s way of writing', () => {
    expect(addQuantities('100m', '0.2')).toBe('300m');
    expect(addQuantities('1Gi', '1Gi')).toBe('2Gi');
    expect(addQuantities('0', '1Gi')).toBe('1Gi');
    expect(addQuantities('1Gi', '1M')).toBe('1074741824');
    expect(subtractQuantities('1Gi', '512Mi')).toBe('512Mi');
    expect(subtractQuantities('1', '1500m')).toBe('-500m');
    expect(compareQuantities('1024Mi', '1Gi')).toBe(0);
    expect(compareQuantities('999m', '1')).toBe(-1);
    expect(compareQuantities('1G', '1Gi')).toBe(-1);
    expect(quantityOf(1024 ** 3, 'BinarySI')).toBe('1Gi');
    expect(quantityOfMillis(250)).toBe('250m');
  });

  it('undoes an addition by a subtraction', () => {
    fc.assert(
      fc.property(quantityText, quantityText, (a, b) => {
        const back = subtractQuantities(addQuantities(a, b), b);
        expect(compareQuantities(back, a)).toBe(0);
      }),
    );
  });
});

const quantityText = fc
  .record({
    sign: fc.constantFrom('', '', '', '-', '+'),
    whole: fc.integer({ min: 0, max: 99_999 }),
    fraction: fc.option(fc.integer({ min: 0, max: 99_999 })),
    suffix: fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'T', 'Ki', 'Mi', 'Gi', 'Ti', 'e3', 'E-2', 'e+1'),
  })
  .map(({ sign, whole, fraction, suffix }) => `${sign}${whole}${fraction === null ? '' : `.${fraction}`}${suffix}`);
