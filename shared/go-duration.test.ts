import { expect, test } from 'vitest';
import { formatGoDuration, parseGoDuration } from './go-duration.ts';

test.each([
  [0, '0s'],
  [15e9, '15s'],
  [15_023_000_000, '15.023s'],
  [90e9, '1m30s'],
  [3600e9, '1h0m0s'],
  [5_400_000_000_001, '1h30m0.000000001s'],
  [250e6, '250ms'],
  [1_500, '1.5µs'],
  [-2e9, '-2s'],
])('%d nanoseconds are written and read as %s, as Go does', (nanoseconds, text) => {
  expect(formatGoDuration(nanoseconds)).toBe(text);
  expect(parseGoDuration(text)).toBe(nanoseconds);
});

test.each(['', '5', '1x', 's', '1s ', 'one'])('%j is no duration', (text) => {
  expect(parseGoDuration(text)).toBeUndefined();
});

test.each([
  ['1h1.5m', 3_690e9],
  ['+1s', 1e9],
  ['.5s', 500e6],
  ['1.s', 1e9],
  ['0', 0],
  ['-0', 0],
  ['+0', 0],
  ['1us', 1e3],
  ['1ns2us', 2_001],
  ['0.4ns', 0],
])('%s is read as %d nanoseconds', (text, nanoseconds) => {
  expect(parseGoDuration(text)).toBe(nanoseconds);
});

test.each([
  [1, '1ns'],
  [999, '999ns'],
  [1_000, '1µs'],
  [1_000_000, '1ms'],
  [999_999_999, '999.999999ms'],
  [59_000_000_000, '59s'],
  [60e9, '1m0s'],
  [3_599_999_999_999, '59m59.999999999s'],
  [-1, '-1ns'],
])('%d nanoseconds are written %s', (nanoseconds, text) => {
  expect(formatGoDuration(nanoseconds)).toBe(text);
});

test.each(['', '-', '.', '.s', '1', '1s1', '--1s', '1s\n', ' 1s', `${'1s'.repeat(129)}`])(
  '%j is no length of time',
  (text) => {
    expect(parseGoDuration(text)).toBeUndefined();
  },
);
