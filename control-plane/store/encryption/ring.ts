import { ApiError } from '../../../shared/errors.ts';
import type { Random } from '../../../shared/random.ts';
import { storePrefix } from '../keys.ts';
import type { Item } from '../store.ts';
import { newSecretKey, type SecretKey, seal, sealedWith, unseal } from './cipher.ts';
import type { RootKeys } from './root-keys.ts';

/** The key of the ring in the store. */
export const ringKey = `${storePrefix}encryption`;

/** The keys that values are sealed with, the same for all servers: they are in the store, sealed with a root key. */
export interface Ring {
  /** The store's revision of the ring. */
  readonly revision: number;
  /** Seals. */
  readonly active: SecretKey;
  /** Open, oldest first. */
  readonly keys: readonly SecretKey[];
  /** All stored values are sealed with the active key. */
  readonly settled: boolean;
}

interface StoredRing {
  readonly active: string;
  readonly settled: boolean;
  readonly keys: readonly { readonly id: string; readonly sealed: string }[];
}

/** Throws ServiceUnavailable, with the missing root key and its place, when one is missing. */
export async function readRing(item: Item, roots: RootKeys): Promise<Ring> {
  const stored = JSON.parse(item.value) as StoredRing;
  const known = await roots.all();
  const keys = stored.keys.map(({ id, sealed }): SecretKey => {
    const root = known.find((key) => key.id === sealedWith(sealed));
    if (!root) {
      throw new ApiError(
        'ServiceUnavailable',
        `what is encrypted in the store cannot be read: its keys are sealed with the root key ${sealedWith(sealed)}, which is not in ${roots.place}; copy it from another server or from the backup`,
      );
    }
    return { id, bytes: Buffer.from(unseal(root, placeOf(id), sealed), 'base64') };
  });
  const active = keys.find(({ id }) => id === stored.active);
  if (!active) throw new ApiError('InternalError', `the active key ${stored.active} is not in the ring`);
  return { revision: item.revision, active, keys, settled: stored.settled };
}

/** The ring's text, its keys sealed with the newest root key. */
export async function writeRing(ring: Omit<Ring, 'revision'>, roots: RootKeys, random: Random): Promise<string> {
  const root = (await roots.all()).at(-1);
  if (!root) throw new ApiError('ServiceUnavailable', `there is no root key in ${roots.place}`);
  const stored: StoredRing = {
    active: ring.active.id,
    settled: ring.settled,
    keys: ring.keys.map(({ id, bytes }) => ({
      id,
      sealed: seal(root, placeOf(id), Buffer.from(bytes).toString('base64'), random),
    })),
  };
  return JSON.stringify(stored);
}

/** The first ring. Values may be stored already: it is not settled. */
export function firstRing(random: Random): Omit<Ring, 'revision'> {
  const active = newSecretKey(random);
  return { active, keys: [active], settled: false };
}

/** With a new active key and the previous one only. The ring must be settled. */
export function nextRing(ring: Ring, random: Random): Omit<Ring, 'revision'> {
  const active = newSecretKey(random);
  return { active, keys: [ring.active, active], settled: false };
}

function placeOf(id: string): string {
  return `${ringKey}/${id}`;
}
