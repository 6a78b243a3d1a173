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
 * Cuts transactions that each hold or fail by itself into chunks that can go to the store as one transaction of nested
 * ones. etcd counts the nested operations of the largest one on top of the outer ones, decides all compares before it
 * writes anything, and takes no key twice: so a chunk stays within the limits, and a transaction that writes or
 * guards what an earlier one of its chunk writes (or writes what that one guards) begins a new chunk.
 */
export function chunkTxns(txns: readonly Txn[]): Txn[][] {
  const chunks: Txn[][] = [];
  let chunk: Txn[] = [];
  let widest = 0;
  let bytes = 0;
  let written = new Set<string>();
  let guarded = new Set<string>();
  for (const txn of txns) {
    const width = Math.max(txn.guards.length, txn.writes.length);
    const size = sizeOf(txn);
    const touches =
      txn.writes.some(({ key }) => written.has(key) || guarded.has(key)) ||
      txn.guards.some(({ key }) => written.has(key));
    const full = chunk.length + 1 + Math.max(widest, width) > maxTxnOps || bytes + size > maxChunkBytes;
    if (chunk.length > 0 && (touches || full)) {
      chunks.push(chunk);
      chunk = [];
      widest = 0;
      bytes = 0;
      written = new Set();
      guarded = new Set();
    }
    chunk.push(txn);
    widest = Math.max(widest, width);
    bytes += size;
    for (const { key } of txn.writes) written.add(key);
    for (const { key } of txn.guards) guarded.add(key);
  }
  if (chunk.length > 0) chunks.push(chunk);
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
  new ApiError('Timeout', `Too large resource version: ${revision}, current: ${current}`, { retryAfterSeconds: 1 });

export const closed = (): ApiError => new ApiError('ServiceUnavailable', 'the store is closed');
