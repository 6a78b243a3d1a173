import type { FileHandle } from 'node:fs/promises';
import type { Clock } from '../../../shared/clock.ts';
import type { LogOptions } from '../runtime.ts';
import { EntryReader, EntryText, tailStart } from './log-entries.ts';
import { LogFiles } from './log-files.ts';

/** The log of one container. */
export interface LogSource {
  /** Its newest file. */
  readonly path: string;
  readonly clock: Clock;
  /** Resolves when nothing more is written. */
  ended(signal: AbortSignal): Promise<void>;
}

const chunkBytes = 65_536;

/**
 * Reads a log from its files, from the oldest on: each line once and in order, also across rotations. Throws RuntimeError when the reader
 * follows so slowly that lines were removed before it read them.
 */
export async function* readLog(
  { path, clock, ended }: LogSource,
  { follow, tail, ...show }: LogOptions,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const files = new LogFiles(path);
  const stop = new AbortController();
  const onAbort = (): void => {
    stop.abort();
    files.wake();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    let isEnded = false;
    if (follow) {
      files.follow(clock);
      void ended(stop.signal).then(() => {
        isEnded = true;
        files.wake();
      });
    }
    await files.look();
    const start = tail === undefined ? { file: 0, offset: 0 } : await tailStart(files.files, tail);
    for (let i = 0; i < start.file; i++) await files.next();
    const text = new EntryText(show);
    let reader = new EntryReader();
    let { offset } = start;
    // All files are open; what is written later is not requested.
    let last = !follow;
    while (!stop.signal.aborted) {
      if (isEnded && !last) {
        await files.look();
        last = true;
      }
      // Checked before the read, which then reads a complete file to its end.
      const { current } = files;
      const chunk = current && (await readChunk(current.handle, offset));
      if (chunk) {
        offset += chunk.length;
        const shown = text.of(reader.take(chunk));
        if (shown) yield Buffer.from(shown);
      } else if (current?.complete) {
        await files.next();
        [reader, offset] = [new EntryReader(), 0];
      } else if (last) {
        return;
      } else {
        await files.changed();
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    stop.abort();
    await files.close();
  }
}

async function readChunk(handle: FileHandle, offset: number): Promise<Buffer | undefined> {
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, offset);
  return bytesRead > 0 ? buffer.subarray(0, bytesRead) : undefined;
}
