import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { ApiError, messageOf } from '../../../shared/errors.ts';
import type { Random } from '../../../shared/random.ts';

/** A key of AES-256. */
export interface SecretKey {
  /** Eight hexadecimal digits; sealed values contain it. */
  readonly id: string;
  /** 32 bytes. */
  readonly bytes: Uint8Array;
}

const head = 'coracle:enc:v1:';
const idLength = 8;
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
/** Text from this length on (bytes) is compressed first: base64 of a Secret's base64 would not fit into etcd's request. */
const packFrom = 64 * 1024;
/** The longest decompressed text: etcd accepts no value of this size. */
const maxUnpacked = 16 * 1024 * 1024;

/** The first byte of the sealed content. */
const form = { plain: 0, packed: 1 } as const;

/** The id of the key that a stored value is sealed with; undefined for clear text. */
export function sealedWith(value: string): string | undefined {
  return value.startsWith(head) ? value.slice(head.length, head.length + idLength) : undefined;
}

/**
 * `coracle:enc:v1:KEYID:` and the base64 of nonce, ciphertext and tag: AES-256-GCM with a random nonce. `place`, the key that it is
 * stored under, is authenticated data: a value that is moved to another key cannot be opened.
 */
export function seal(key: SecretKey, place: string, text: string, random: Random): string {
  const prefix = `${head}${key.id}:`;
  const nonce = random.bytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce);
  cipher.setAAD(Buffer.from(prefix + place));
  const plain = Buffer.from(text);
  const packed = plain.length >= packFrom;
  // Huffman coding alone undoes the growth by base64, and is fast.
  const body = packed ? deflateRawSync(plain, { strategy: constants.Z_HUFFMAN_ONLY }) : plain;
  const parts = [cipher.update(Uint8Array.of(packed ? form.packed : form.plain)), cipher.update(body), cipher.final()];
  return prefix + Buffer.concat([nonce, ...parts, cipher.getAuthTag()]).toString('base64');
}

/** Opens a text that was sealed with `key` for `place`. Throws InternalError when it was not, or was changed. */
export function unseal(key: SecretKey, place: string, value: string): string {
  const prefix = `${head}${key.id}:`;
  const bytes = Buffer.from(value.slice(prefix.length), 'base64');
  try {
    const nonce = bytes.subarray(0, nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', key.bytes, nonce, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(prefix + place));
    decipher.setAuthTag(bytes.subarray(-tagBytes));
    const opened = Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]);
    const body = opened.subarray(1);
    if (opened[0] === form.plain) return body.toString();
    return inflateRawSync(body, { maxOutputLength: maxUnpacked }).toString();
  } catch (cause) {
    const message = `the value of ${place} does not open with the key ${key.id}: ${messageOf(cause)}`;
    throw new ApiError('InternalError', message, {}, { cause });
  }
}

export function newSecretKey(random: Random): SecretKey {
  return {
    id: Buffer.from(random.bytes(idLength / 2)).toString('hex'),
    bytes: Uint8Array.from(random.bytes(keyBytes)),
  };
}

/** A key whose id is the start of its SHA-256. Undefined when it has not 32 bytes. */
export function secretKeyOf(bytes: Uint8Array): SecretKey | undefined {
  if (bytes.length !== keyBytes) return undefined;
  return { id: createHash('sha256').update(bytes).digest('hex').slice(0, idLength), bytes };
}
