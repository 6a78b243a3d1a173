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
