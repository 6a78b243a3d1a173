import { ApiError } from '../../shared/errors.ts';
import type { Txn } from './store.ts';

/** etcd's default for `--max-txn-ops`: the most compares and the most operations of a transaction, nested ones included. */
export const maxTxnOps = 128;
/** Well below etcd's default request limit of 1.5 MiB. */
const maxChunkBytes = 1024 * 1024;

/** Throws BadRequest, in etcd's words, for a transaction that no store would take. */
export function checkTxn(txn: Txn): void {
  if (txn.guards.length > maxTxnOps || txn.writes.length > maxTxnOps) {
    throw new ApiError('BadRequest', 'too many operations in txn request');
  }
  const keys = new Set<string>();
  for (const { key } of txn.writes) {
    if (keys.has(key)) throw new ApiError('BadRequest', `duplicate key given in txn request: ${key}`);
    keys.add(key);
  }
}

/**
 * How many of the first transactions can be nested in one transaction of the store, each still holding or failing by itself. etcd
 * adds the operations of the largest nested one to the outer ones, evaluates all compares before any write, and refuses duplicate
 * keys. So a chunk ends before a transaction that writes or guards a key that it writes, or writes one that it guards.
 */
export function chunkLength(txns: readonly Txn[], start = 0): number {
  const written = new Set<string>();
  const guarded = new Set<string>();
  let widest = 0;
  let bytes = 0;
  let length = 0;
  for (let txn = txns[start]; txn; txn = txns[start + ++length]) {
    widest = Math.max(widest, txn.guards.length, txn.writes.length);
    bytes += sizeOf(txn);
    const touches =
      txn.writes.some(({ key }) => written.has(key) || guarded.has(key)) ||
      txn.guards.some(({ key }) => written.has(key));
    const full = length + 1 + widest > maxTxnOps || bytes > maxChunkBytes;
    if (length > 0 && (touches || full)) return length;
    for (const { key } of txn.writes) written.add(key);
    for (const { key } of txn.guards) guarded.add(key);
  }
  return length;
}

/** All transactions in such chunks, in order. */
export function chunkTxns(txns: readonly Txn[]): Txn[][] {
  const chunks: Txn[][] = [];
  for (let start = 0; start < txns.length; ) {
    const length = chunkLength(txns, start);
    chunks.push(txns.slice(start, start + length));
    start += length;
  }
  return chunks;
}

/** A close estimate: our values are mostly ASCII. */
function sizeOf(txn: Txn): number {
  let size = 0;
  for (const write of txn.writes) size += write.key.length + (write.type === 'put' ? write.value.length : 0) + 16;
  for (const guard of txn.guards) size += 2 * guard.key.length + 32;
  return size;
}

export const compacted = (revision: number): ApiError =>
  new ApiError('Expired', `The requested revision ${revision} is too old: it has been compacted.`);

/** Kubernetes' wording (apiserver, storage.NewTooLargeResourceVersionError). */
export const tooLarge = (revision: number, current: number): ApiError =>
  new ApiError('Timeout', `Timeout: Too large resource version: ${revision}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });

export const closed = (): ApiError => new ApiError('ServiceUnavailable', 'the store is closed');
