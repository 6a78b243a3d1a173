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
    ['x1', undefined],
    ['1x', undefined],
    ['--1', undefined],
    ['1e5x', undefined],
    ['xe5', undefined],
    ['1E+', undefined],
    ['1+5', undefined],
    ['1Mi5', undefined],
    ['-', undefined],
    ['1\n', undefined],
    ['1P', '1P'],
    ['1Pi', '1Pi'],
    ['1024Pi', '1Ei'],
    ['7Ei', '7Ei'],
    ['8Ei', '9223372036854775807'],
    ['-8Ei', '-9223372036854775807'],
    ['9223372036854775807', '9223372036854775807'],
    ['9223372036854775.808k', '9223372036854775807'],
    ['1e18', '1e18'],
    ['1000000000000000000', '1E'],
    ['0.9765625Ki', '1k'],
    ['1Ki', '1Ki'],
    ['-1Ki', '-1Ki'],
    ['-1536Ki', '-1536Ki'],
    ['1048576Ki', '1Gi'],
    ['0.0005Ki', '512m'],
    ['1e99999999999999999999', '9223372036854775807'],
    ['1e-99999999999999999999', '1e-9'],
    ['-1e-400', '-1e-9'],
    ['1000000', '1M'],
    ['1000M', '1G'],
    ['1000Mi', '1000Mi'],
    ['2048Mi', '2Gi'],
    ['007', '7'],
  ])('%s → %s', (text, expected) => {
    if (expected === undefined) expect(() => canonicalQuantity(text)).toThrow(QuantityError);
    else expect(canonicalQuantity(text)).toBe(expected);
  });

  it('says in Kubernetes’ words whether it is the form or the suffix that is wrong', () => {
    const form = 'quantities must match the regular expression';
    for (const text of ['', '.', 'x', '1.2.3', '1x', 'x1', '1 Gi', '1e5e5'])
      expect(() => parseQuantity(text)).toThrow(form);
    const suffix = "unable to parse quantity's suffix";
    for (const text of ['1ki', '1mm', '1e', '1i', '1+5', '1Ge5', '1ee5', '1E+'])
      expect(() => parseQuantity(text)).toThrow(suffix);
  });

  it('takes 128 characters and no more', () => {
    expect(canonicalQuantity(`${'0'.repeat(127)}1`)).toBe('1');
    expect(canonicalQuantity(`0.${'0'.repeat(125)}1`)).toBe('1n');
    expect(() => canonicalQuantity('1'.repeat(129))).toThrow(QuantityError);
  });

  it('takes a JSON number for its decimal text', () => {
    expect(canonicalQuantity(2)).toBe('2');
    expect(canonicalQuantity(0.25)).toBe('250m');
  });

  it('is another text of the same amount, and its own canonical text', () => {
    fc.assert(
      fc.property(quantityText, (text) => {
        const canonical = canonicalQuantity(text);
        // A binary amount without a suffix (2187.5Ki is 2240000) reads as a decimal one, as in Kubernetes.
        if (!isBinary(text) || canonical.endsWith('i')) expect(canonicalQuantity(canonical)).toBe(canonical);
        expect(nanosOf(canonical)).toBe(nanosOf(text));
        expect(parseQuantity(text).nanos).toBe(nanosOf(text));
      }),
    );
  });

  it('has no fraction, no needless zero and the largest suffix that leaves none, of the kind that was written', () => {
    fc.assert(
      fc.property(quantityText, (text) => {
        const canonical = canonicalQuantity(text);
        const [, digits = '', suffix = ''] = /^-?(\d+)(.*)$/.exec(canonical) ?? [];
        expect(digits).toMatch(/^(0|[1-9]\d*)$/);
        const size = nanosOf(canonical) < 0n ? -nanosOf(canonical) : nanosOf(canonical);
        const binary = isBinary(text) && size % 10n ** 9n === 0n && size >= 1024n * 10n ** 9n;
        if (size === 0n) expect(canonical).toBe('0');
        else if (binary) expect(BigInt(digits) % 1024n).not.toBe(0n);
        else expect(BigInt(digits) % 1000n).not.toBe(0n);
        if (suffix.endsWith('i')) expect(binary).toBe(true);
        if (binary && BigInt(size / 10n ** 9n) % 1024n === 0n) expect(suffix).toMatch(/^[KMGTPE]i$/);
        if (suffix !== '' && size > 0n) expect(/^e/.test(suffix)).toBe(/[eE][-+]?\d+$/.test(text));
      }),
    );
  });
});

const isBinary = (text: string): boolean => text.endsWith('i');

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

  it.each([
    ['3Ki', 3_072_000, 3_072],
    ['999999999Gi', 999_999_999 * 1000 * 2 ** 30, 999_999_999 * 2 ** 30],
    ['1n', 1, 1],
    ['-1n', -1, -1],
    ['-1', -1000, -1],
    ['1001m', 1001, 2],
    ['0', 0, 0],
    ['0.0', 0, 0],
  ])('%s is %d thousandths, %d whole, whichever way is taken to it', (text, millis, whole) => {
    expect([milliValue(text), intValue(text)]).toEqual([millis, whole]);
  });

  it('take numbers for what they are', () => {
    expect([milliValue(3), intValue(3), milliValue(1.5), intValue(1.5)]).toEqual([3000, 3, 1500, 2]);
    expect([milliValue(5_000_000_000), intValue(5_000_000_000)]).toEqual([5_000_000_000_000, 5_000_000_000]);
  });

  it('round away from zero, and agree with the exact amount', () => {
    fc.assert(
      fc.property(quantityText, (text) => {
        fc.pre(-(2n ** 82n) < nanosOf(text) && nanosOf(text) < 2n ** 82n);
        expect(BigInt(intValue(text))).toBe(awayFromZero(nanosOf(text), 10n ** 9n));
        fc.pre(-(2n ** 72n) < nanosOf(text) && nanosOf(text) < 2n ** 72n);
        expect(BigInt(milliValue(text))).toBe(awayFromZero(nanosOf(text), 10n ** 6n));
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

  it('compares amounts, however they are written', () => {
    fc.assert(
      fc.property(quantityText, quantityText, (a, b) => {
        const order = nanosOf(a) < nanosOf(b) ? -1 : nanosOf(a) > nanosOf(b) ? 1 : 0;
        expect(compareQuantities(a, b)).toBe(order);
        expect(compareQuantities(b, a)).toBe(0 - order);
        expect(compareQuantities(a, canonicalQuantity(a))).toBe(0);
      }),
    );
    expect(compareQuantities('2', '1500m')).toBe(1);
    expect(compareQuantities('2n', '1')).toBe(-1);
    expect(compareQuantities('1', '2n')).toBe(1);
    expect(compareQuantities(0.5, '500m')).toBe(0);
  });

  it('adds and subtracts the amounts, up to the most that a quantity holds', () => {
    const bounded = (nanos: bigint) => (nanos > most ? most : nanos < -most ? -most : nanos);
    fc.assert(
      fc.property(quantityText, quantityText, (a, b) => {
        expect(nanosOf(addQuantities(a, b))).toBe(bounded(nanosOf(a) + nanosOf(b)));
        expect(nanosOf(subtractQuantities(a, b))).toBe(bounded(nanosOf(a) - nanosOf(b)));
      }),
    );
    expect(addQuantities('7Ei', '7Ei')).toBe('9223372036854775807');
    expect(subtractQuantities('-7Ei', '7Ei')).toBe('-9223372036854775807');
  });

  it('writes a result as the first was written, as the second when the first is zero', () => {
    expect(addQuantities('1G', '1Gi')).toBe('2073741824');
    expect(addQuantities('1M', '1048576')).toBe('2048576');
    expect(addQuantities('1024', '1Ki')).toBe('2048');
    expect(addQuantities('1Ki', '1024')).toBe('2Ki');
    expect(addQuantities('1e3', '1k')).toBe('2e3');
    expect(addQuantities('1k', '1e3')).toBe('2k');
    expect(subtractQuantities('0', '1Gi')).toBe('-1Gi');
    expect(addQuantities('0.00048828125Ki', '1023.5')).toBe('1024');
  });

  it('counts whole units and thousandths in canonical text, up to the most', () => {
    expect(quantityOf(1000)).toBe('1k');
    expect(quantityOf(1536 * 1024, 'BinarySI')).toBe('1536Ki');
    expect(quantityOf(-1024, 'BinarySI')).toBe('-1Ki');
    expect(quantityOf(0, 'BinarySI')).toBe('0');
    expect(quantityOf(2 ** 80, 'BinarySI')).toBe('9223372036854775807');
    expect(quantityOf(-1e30)).toBe('-9223372036854775807');
    expect([quantityOfMillis(1500), quantityOfMillis(2000), quantityOfMillis(-1)]).toEqual(['1500m', '2', '-1m']);
  });
});

const quantityText = fc
  .record({
    sign: fc.constantFrom('', '', '', '-', '+'),
    whole: fc.oneof(fc.integer({ min: 0, max: 99_999 }), fc.constantFrom(0, 1, 512, 1000, 1023, 1024, 2048, 1_000_000)),
    fraction: fc.oneof(
      fc.constant(''),
      fc.constantFrom('.', '.5', '.25', '.9765625', '.000'),
      fc.nat(99_999).map((digits) => `.${digits}`),
    ),
    suffix: fc.constantFrom(...suffixes(), 'e3', 'E-2', 'e+1', 'e15', 'e-9', 'E0'),
  })
  .map(({ sign, whole, fraction, suffix }) => `${sign}${whole}${fraction}${suffix}`);

function suffixes(): string[] {
  return ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
}

const most = (2n ** 63n - 1n) * 10n ** 9n;

/** The nanos of a quantity's text by Kubernetes' API reference: finer ones are rounded up, and no amount is beyond 2^63-1. */
function nanosOf(text: string): bigint {
  const [, sign, whole = '', fraction = '', suffix = ''] = /^([-+]?)(\d*)\.?(\d*)(.*)$/.exec(text) ?? [];
  const powers: Record<string, [base: bigint, power: number]> = {
    ...Object.fromEntries(['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'].map((name, i) => [name, [10n, 3 * i - 9]])),
    ...Object.fromEntries(['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((name, i) => [name, [2n, 10 * i + 10]])),
  };
  const [base, power] = powers[suffix] ?? [10n, Number(suffix.slice(1))];
  const above = power > 0 ? base ** BigInt(power) : 1n;
  const below = (power < 0 ? base ** BigInt(-power) : 1n) * 10n ** BigInt(fraction.length);
  const exact = awayFromZero(BigInt(`${whole}${fraction}`) * above * 10n ** 9n, below);
  const size = exact < most ? exact : most;
  return sign === '-' ? -size : size;
}

function awayFromZero(amount: bigint, by: bigint): bigint {
  const size = amount < 0n ? -amount : amount;
  const whole = size / by + (size % by === 0n ? 0n : 1n);
  return amount < 0n ? -whole : whole;
}
