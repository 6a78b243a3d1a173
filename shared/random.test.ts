import { describe, expect, it } from 'vitest';
import { fraction, nameSuffix, type Random, randomInt, seededRandom, systemRandom, uuid } from './random.ts';

const all = (value: number): Random => ({ bytes: (count) => new Uint8Array(count).fill(value) });

describe('chance', () => {
  it('is the same for the same seed, and another for another', () => {
    const draw = (seed: number) => [...seededRandom(seed).bytes(16)].join();
    expect(draw(1)).toBe(draw(1));
    expect(new Set([1, 2, 3, -1].map(draw)).size).toBe(4);
  });

  it('continues its sequence: no bytes are returned twice', () => {
    const random = seededRandom(7);
    const pairs = Array.from({ length: 50 }, () => [...random.bytes(8)].join());
    expect(new Set(pairs).size).toBe(50);
    const system = Array.from({ length: 1_000 }, () => Buffer.from(systemRandom.bytes(8)).toString('hex'));
    expect(new Set(system).size).toBe(1_000);
    expect([0, 1, 512, 513, 4_096, 5_000].map((count) => systemRandom.bytes(count).length)).toEqual([
      0, 1, 512, 513, 4_096, 5_000,
    ]);
  });

  it('is spread over all bytes', () => {
    const counts = new Array<number>(256).fill(0);
    for (const byte of seededRandom(3).bytes(25_600)) counts[byte] = (counts[byte] ?? 0) + 1;
    expect(Math.min(...counts)).toBeGreaterThan(50);
    expect(Math.max(...counts)).toBeLessThan(150);
  });

  it('gives fractions from 0 to just below 1, and numbers below a bound', () => {
    expect([fraction(all(0)), fraction(all(255))]).toEqual([0, 1 - 2 ** -32]);
    expect(fraction({ bytes: () => Uint8Array.of(0x80, 0, 0, 0) })).toBe(0.5);
    expect(fraction({ bytes: () => Uint8Array.of(1, 2, 3, 4) })).toBe(0x01020304 / 2 ** 32);
    expect([randomInt(all(0), 6), randomInt(all(255), 6), randomInt(all(0x80), 6)]).toEqual([0, 5, 3]);
  });

  it('makes UUIDs of version 4', () => {
    expect(uuid(all(0))).toBe('00000000-0000-4000-8000-000000000000');
    expect(uuid(all(255))).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff');
    expect(uuid({ bytes: (count) => Uint8Array.from({ length: count }, (_, i) => i) })).toBe(
      '00010203-0405-4607-8809-0a0b0c0d0e0f',
    );
  });

  it('ends names by five of Kubernetes’ letters, or as many as are asked for', () => {
    expect(nameSuffix(seededRandom(1))).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    expect(nameSuffix(all(0), 3)).toBe('bbb');
    expect(nameSuffix(all(28), 2)).toBe('cc');
  });
});
