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
 * Reads a log from its files: each line once and in order, however they are rotated meanwhile, from the oldest that is still there.
 * Throws RuntimeError when a reader who follows is so slow that lines were removed before they were read.
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
    // All files are open, and nothing that is written from now on is wanted.
    let last = !follow;
    while (!stop.signal.aborted) {
      if (isEnded && !last) {
        await files.look();
        last = true;
      }
      // Taken before the read: what is complete by then has no more than the read shows.
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
