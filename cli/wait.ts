import { isApiError } from '../shared/errors.ts';
import type { KindDef } from '../shared/kinds/kind.ts';
import type { Cluster } from './cluster.ts';
import { type Io, UsageError } from './io.ts';
import { qualifiedName } from './render/objects.ts';
import { kindNameOf } from './resources.ts';

const pollMs = 300;

/** Polls until `check` resolves with a value. Throws UsageError after `timeoutMs`. */
export async function until<T>(
  io: Pick<Io, 'clock' | 'signal'>,
  timeoutMs: number,
  check: () => Promise<T | undefined>,
  what: () => string,
): Promise<T> {
  const end = io.clock.monotonic() + timeoutMs;
  for (;;) {
    const found = await check();
    if (found !== undefined) return found;
    if (io.clock.monotonic() >= end) throw new UsageError(`timed out waiting for ${what()}`);
    await io.clock.sleep(pollMs, io.signal);
  }
}

/** Waits until each object is deleted, or replaced by another of the same name. */
export async function waitUntilGone(
  { client, io }: Pick<Cluster, 'client' | 'io'>,
  targets: ReadonlyArray<{ def: KindDef; name: string; namespace?: string }>,
  timeoutMs: number,
): Promise<void> {
  const end = io.clock.monotonic() + timeoutMs;
  for (const { def, name, namespace } of targets) {
    let uid: string | undefined;
    await until(
      io,
      Math.max(0, end - io.clock.monotonic()),
      async () => {
        try {
          const { metadata } = await client.get(kindNameOf(def), name, namespace);
          uid ??= metadata.uid;
          return metadata.uid !== uid || !metadata.deletionTimestamp ? true : undefined;
        } catch (error) {
          if (isApiError(error, 'NotFound')) return true;
          throw error;
        }
      },
      () => `${qualifiedName(def, name)} to be gone`,
    );
  }
}
