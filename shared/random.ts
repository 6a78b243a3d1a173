import { randomBytes } from 'node:crypto';

/** Randomness as an input: all code gets a Random instead of the system's generator. */
export interface Random {
  /** `count` random bytes. */
  bytes(count: number): Uint8Array;
}

export const systemRandom: Random = pooled((count) => randomBytes(count));

/** Draws many bytes at a time: one call to the system's generator costs far more than the few bytes of a name. */
function pooled(draw: (count: number) => Uint8Array, size = 4096): Random {
  let pool: Uint8Array = new Uint8Array();
  let used = 0;
  return {
    bytes(count) {
      if (count > size / 8) return draw(count);
      if (used + count > pool.length) {
        pool = draw(size);
        used = 0;
      }
      used += count;
      return pool.subarray(used - count, used);
    },
  };
}

/** The same numbers for the same seed (mulberry32). For simulations and tests; not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return { bytes: (count) => Uint8Array.from({ length: count }, () => next() & 0xff) };
}

/** A number in [0, 1). */
export function fraction(random: Random): number {
  const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4);
  return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) / 2 ** 32;
}

/** A whole number in [0, below). */
export function randomInt(random: Random, below: number): number {
  return Math.floor(fraction(random) * below);
}

/** A version 4 UUID. */
export function uuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Kubernetes' alphabet for generated names: no vowels and nothing that looks like another letter. */
const nameLetters = 'bcdfghjklmnpqrstvwxz2456789';

/** The random end of a generated name. */
export function nameSuffix(random: Random, length = 5): string {
  let out = '';
  for (const byte of random.bytes(length)) out += nameLetters[byte % nameLetters.length];
  return out;
}
