/** How many requests of one reconciliation are under way at the same time. */
const parallel = 16;

/**
 * Calls `work` up to `count` times in batches of 1, 2, 4 … 16 (Kubernetes' slowStartBatch): what fails for all fails once, not `count`
 * times. A batch with a failure is the last. Rejects with that failure, after the batch.
 */
export async function slowStart(count: number, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  let batch = 1;
  for (let done = 0; done < count && !signal.aborted; batch = Math.min(batch * 2, parallel)) {
    const size = Math.min(batch, count - done);
    await allOf(Array.from({ length: size }, work));
    done += size;
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
