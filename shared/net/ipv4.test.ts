import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  boundsOf,
  type Cidr,
  contains,
  fromNumber,
  isWithin,
  overlaps,
  parseCidr,
  parseIpv4,
  toNumber,
} from './ipv4.ts';
import { parseHostName, parseIfName, parseObjectUid, parsePort } from './names.ts';

const byte = fc.integer({ min: 0, max: 255 });
const address = fc.tuple(byte, byte, byte, byte).map((bytes) => bytes.join('.'));
/** Text near a value that is good: what an attacker tries. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .tuple(
      address,
      fc.constantFrom('\n', '\r', ' ', '\0', ';', '#', '/24', '\u2028', '%eth0', '\n\nroute flush all', '.'),
    )
    .map(([good, tail]) => good + tail),
  fc.tuple(fc.constantFrom('\n', ' ', '0', '+', '-', '::ffff:'), address).map(([head, good]) => head + good),
);

describe('an IPv4 address', () => {
  it('is read in its one spelling, and is the same number again', () => {
    fc.assert(
      fc.property(address, (text) => {
        const parsed = parseIpv4(text);
        expect(parsed).toBe(text);
        if (parsed) expect(fromNumber(toNumber(parsed))).toBe(text);
      }),
    );
  });

  it.each([
    '010.0.0.1',
    '10.1',
    '0x7f.0.0.1',
    '167772161',
    '256.0.0.1',
    '1.2.3.4 ',
    '1.2.3.4\n',
    '::1',
    '',
    null,
    7,
    {},
  ])('is not %j', (value) => expect(parseIpv4(value)).toBeUndefined());

  it('is never more than digits and dots', () => {
    fc.assert(fc.property(hostile, (text) => parseIpv4(text) === undefined || /^[0-9.]{7,15}$/.test(text)));
  });
});

describe('an IPv4 range', () => {
  it.each([
    '10.0.0.1/24',
    '10.0.0.0/024',
    '10.0.0.0/33',
    '10.0.0.0',
    '10.0/16',
    '010.0.0.0/8',
    '10.0.0.0/8\n',
    'fd00::/64',
    ' 10.0.0.0/8',
  ])('is not %j', (value) => expect(parseCidr(value)).toBeUndefined());

  it('begins at its first address, and overlaps another exactly when they share an address', () => {
    const range = fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([text, bits]) => {
      const parsed = parseIpv4(text);
      const size = 2 ** (32 - bits);
      return `${fromNumber(Math.floor((parsed ? toNumber(parsed) : 0) / size) * size)}/${bits}` as Cidr;
    });
    fc.assert(
      fc.property(range, range, (one, other) => {
        expect(parseCidr(one)).toBe(one);
        const { first, last } = boundsOf(one);
        expect(contains(one, fromNumber(first)) && contains(one, fromNumber(last))).toBe(true);
        expect(overlaps(one, other)).toBe(isWithin(one, other) || isWithin(other, one));
        expect(overlaps(one, other)).toBe(overlaps(other, one));
      }),
    );
  });
});

it('names and ports take nothing that would be two words, a path or an option', () => {
  for (const value of ['eth0 up', 'eth0\n', '-4', '', '..', 'a/b', 'a'.repeat(16)])
    expect(parseIfName(value)).toBeUndefined();
  for (const value of ['eth0', 'br-1a2b', 'eth0.100', 'cor123456789abc']) expect(parseIfName(value)).toBe(value);
  for (const value of ['../x', 'a/b', '', '.', '-a', 'a"b', 'a b', 'a\n', 'a'.repeat(64)])
    expect(parseObjectUid(value)).toBeUndefined();
  expect(parseObjectUid('0b1c7b1e-6f3c-4a47-9d3c-0d5a1b8e0f11')).toBeDefined();
  for (const value of [0, 65_536, 1.5, Number.NaN, '80', -1]) expect(parsePort(value)).toBeUndefined();
  for (const value of ['a b', 'a\nb', '', '.', '-a', 'a..b', `${'a'.repeat(64)}`, 'a#b'])
    expect(parseHostName(value)).toBeUndefined();
  for (const value of ['a', 'a.b.c.', 'Node_1.example']) expect(parseHostName(value)).toBe(value);
});
