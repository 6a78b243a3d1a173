import type { KindId } from '../../../shared/kinds/kind.ts';
import { type KubeObject, keyOf } from '../../../shared/object.ts';
import type { CacheBatch, CacheEvent } from './broadcaster.ts';

/** The most objects, and about the most bytes of objects, in a batch. */
const batchObjects = 1000;
const batchBytes = 8 * 1024 * 1024;

/** The present objects of some kinds as batches; the last one is `synced`. */
export function* initialBatches(
  present: readonly (readonly [KindId, readonly KubeObject[]])[],
  revision: number,
  sizeOf: (object: KubeObject) => number,
  signal: AbortSignal,
): Generator<CacheBatch> {
  let events: CacheEvent[] = [];
  let bytes = 0;
  for (const [kind, objects] of present) {
    for (const object of objects) {
      if (events.length === batchObjects || bytes > batchBytes) {
        yield { revision, initial: true, synced: false, events };
        events = [];
        bytes = 0;
        if (signal.aborted) return;
      }
      events.push({
        type: 'ADDED',
        kind,
        key: keyOf(object),
        object,
        revision: Number(object.metadata.resourceVersion),
        cost: 0,
      });
      bytes += sizeOf(object);
    }
  }
  yield { revision, initial: true, synced: true, events };
}
