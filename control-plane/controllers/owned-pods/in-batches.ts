/** How many requests of one reconciliation are under way at the same time. */
const parallel = 16;

/**
 * Calls `work` for each item, in batches of 1, 2, 4 … 16 (Kubernetes' slowStartBatch): what fails for all items fails once, not for each.
 * A batch with a failure is the last. Rejects with that failure, after the batch.
 */
export async function slowStart<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let size = 1;
  for (let start = 0; start < items.length && !signal.aborted; size = Math.min(size * 2, parallel)) {
    const batch = items.slice(start, start + size);
    await allOf(batch.map(work));
    start += batch.length;
  }
}

/** Calls `work` for each item, 16 at a time. A batch with a failure is the last. Rejects with that failure, after the batch. */
export async function inBatches<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < items.length && !signal.aborted; start += parallel) {
    await allOf(items.slice(start, start + parallel).map(work));
  }
}

/** Resolves or rejects once all have ended: none is still under way when its key is queued again. */
async function allOf(requests: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(requests)) if (result.status === 'rejected') throw result.reason;
}
