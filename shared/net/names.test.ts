import { expect, it } from 'vitest';
import { parseHostName, parseIfName, parseObjectUid, parsePort } from './names.ts';

const label = 'a'.repeat(63);

it.each<[string, (value: unknown) => unknown, unknown[], unknown[]]>([
  [
    'an interface',
    parseIfName,
    ['eth0', 'a', 'a'.repeat(15), 'br-1.2_x'],
    ['', '-a', '.a', 'a'.repeat(16), 'a b', 'a/b', 'a\n', 1, undefined],
  ],
  ['a port', parsePort, [1, 80, 65_535], [0, -1, 65_536, 1.5, Number.NaN, '80', undefined]],
  [
    'an object',
    parseObjectUid,
    ['a', '0b1c.d_e-f', 'a'.repeat(63)],
    ['', '-a', '../x', 'a'.repeat(64), 'a/b', 'a b', 'a\n', 7, null],
  ],
  [
    'a host',
    parseHostName,
    ['a', 'a.b', 'a.b.', '_x.a-b', '10.0.0.1', label, [label, label, label, 'a'.repeat(61)].join('.')],
    ['', '.', 'a..b', '-a', 'a-', 'a.-b', '.a', `${label}a`, 'a b', 'a\n', `${label}.${label}.${label}.${label}`, 1],
  ],
])('%s is known by names of its form, and by no other', (_what, parse, right, wrong) => {
  expect(right.map(parse)).toEqual(right);
  expect(wrong.map(parse)).toEqual(wrong.map(() => undefined));
});
