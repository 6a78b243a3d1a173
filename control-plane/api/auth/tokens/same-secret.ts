import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether two secrets are the same, in constant time: their hashes have one length. */
export function isSameSecret(a: string | Uint8Array, b: string | Uint8Array): boolean {
  return timingSafeEqual(hashOf(a), hashOf(b));
}

function hashOf(secret: string | Uint8Array): Buffer {
  return createHash('sha256').update(secret).digest();
}
