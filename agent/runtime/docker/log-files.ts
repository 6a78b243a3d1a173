import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Clock, Timer } from '../../../shared/clock.ts';
import { messageOf } from '../../../shared/errors.ts';
import { RuntimeError } from '../runtime.ts';

/** The most rotated files that are kept open for a slow reader; older ones are lost to it. */
const maxHeld = 8;
/** Consecutive slots of rotated files that may be empty: one is, while the engine renames. */
const maxMissing = 2;
/** Milliseconds between two looks at the files without an event. */
const lookEveryMs = 1_000;

interface HeldFile {
  readonly handle: FileHandle;
  readonly inode: bigint;
}

/** Slot 0 is the file that is written, slot n the one rotated n times. */
interface Slot {
  readonly file: HeldFile;
  readonly slot: number;
}

/**
 * The files of a log that the engine writes to `PATH` and rotates to `PATH.1`, `PATH.2` …, the oldest first. Each is opened as soon as it
 * exists, so that the reader keeps it after a rename or removal. A file is complete once there is a newer one.
 */
export class LogFiles {
  readonly #path: string;
  readonly #held: HeldFile[] = [];
  /** The newest file; it stays open, so that its inode is not reused. */
  #newest: HeldFile | undefined;
  #looking: Promise<void> = Promise.resolve();
  #lost = false;
  #closed = false;
  #watcher: FSWatcher | undefined;
  #timer: Timer | undefined;
  #rung = false;
  #wake: (() => void) | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The open files, the oldest first. */
  get files(): readonly FileHandle[] {
    return this.#held.map(({ handle }) => handle);
  }

  /** The file to read, and whether it is complete. */
  get current(): { readonly handle: FileHandle; readonly complete: boolean } | undefined {
    const [first, next] = this.#held;
    return first && { handle: first.handle, complete: next !== undefined || this.#lost };
  }

  /** Opens new files. */
  look(): Promise<void> {
    this.#looking = this.#looking.catch(() => undefined).then(() => this.#look());
    return this.#looking;
  }

  /** Opens new files as they come, whether the older ones were read or not. */
  follow(clock: Clock): void {
    const changed = (): void => {
      this.#rung = true;
      this.#wake?.();
    };
    try {
      this.#watcher = watch(dirname(this.#path), (event, name) => {
        if (event === 'rename') void this.look().then(changed, changed);
        else if (name === basename(this.#path)) changed();
      });
      this.#watcher.on('error', changed);
    } catch (error) {
      // The kernel limits watches: without one, the timer finds the change.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
    const again = (): void => {
      this.#timer = clock.timer(lookEveryMs, () => {
        void this.look().then(changed, changed);
        again();
      });
    };
    again();
  }

  /** Resolves when something may have changed since the last call, or `wake` is called. */
  async changed(): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#rung = false;
    this.#wake = undefined;
  }

  wake(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Drops the first file, which was read. Throws when the next one was removed before it was opened. */
  async next(): Promise<void> {
    const read = this.#held.shift();
    if (read && read !== this.#newest) await read.handle.close();
    if (this.#lost && this.#held.length === 0)
      throw new RuntimeError('Unavailable', 'the log was rotated away before it was read');
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watcher?.close();
    this.#timer?.cancel();
    await this.#looking.catch(() => undefined);
    const all = new Set(this.#newest ? [...this.#held, this.#newest] : this.#held);
    for (const { handle } of all) await handle.close();
    this.#held.length = 0;
  }

  async #look(): Promise<void> {
    // Repeated while it finds files: a rotation may have happened meanwhile.
    while (!this.#closed && !this.#lost) {
      const fresh = await this.#newer();
      const last = fresh.at(-1);
      if (!last) return;
      const before = this.#newest;
      if (before && !this.#held.includes(before)) await before.handle.close();
      this.#newest = last;
      this.#held.push(...fresh);
    }
  }

  /** Opens the files that are newer than the newest known, the oldest first. */
  async #newer(): Promise<HeldFile[]> {
    const found: HeldFile[] = [];
    let reached = false;
    for (let at = await this.#openAfter(-1); at; at = await this.#older(at)) {
      reached = at.file.inode === this.#newest?.inode;
      if (reached) {
        await at.file.handle.close();
        break;
      }
      found.unshift(at.file);
    }
    const room = maxHeld - this.#held.length;
    if (this.#newest && (!reached || found.length > room)) {
      // Returned, they would look as if they followed the files before.
      this.#lost = found.length > 0;
      for (const { handle } of found) await handle.close();
      return [];
    }
    return found;
  }

  /**
   * The file that was rotated just before another; undefined when there is none. Two files are neighbours when the newer one was in the same
   * slot before and after the older one was opened: a rotation meanwhile moves both, and the search repeats from the new slot.
   */
  async #older({ file, slot: first }: Slot): Promise<Slot | undefined> {
    let slot: number | undefined = first;
    while (slot !== undefined) {
      const next = await this.#openAfter(slot);
      if ((await this.#inodeAt(slot)) === file.inode) return next;
      await next?.file.handle.close();
      slot = await this.#slotOf(file, slot);
    }
    return undefined;
  }

  /** The first file in a higher slot. */
  async #openAfter(slot: number): Promise<Slot | undefined> {
    for (let i = slot + 1; i <= slot + 1 + maxMissing; i++) {
      const file = await openLog(this.#pathOf(i));
      if (file) return { file, slot: i };
    }
    return undefined;
  }

  /** The current slot of a file that was in `slot`: files move to higher slots only. Undefined when it was removed. */
  async #slotOf({ inode }: HeldFile, slot: number): Promise<number | undefined> {
    let missing = 0;
    for (let i = slot; missing <= maxMissing; i++) {
      const there = await this.#inodeAt(i);
      if (there === inode) return i;
      missing = there === undefined ? missing + 1 : 0;
    }
    return undefined;
  }

  async #inodeAt(slot: number): Promise<bigint | undefined> {
    try {
      return (await stat(this.#pathOf(slot), { bigint: true })).ino;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new RuntimeError('Unavailable', `look for a log: ${messageOf(error)}`, { cause: error });
    }
  }

  #pathOf(slot: number): string {
    return slot === 0 ? this.#path : `${this.#path}.${slot}`;
  }
}

async function openLog(path: string): Promise<HeldFile | undefined> {
  try {
    const handle = await open(path, 'r');
    return { handle, inode: (await handle.stat({ bigint: true })).ino };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new RuntimeError('Unavailable', `open log: ${messageOf(error)}`, { cause: error });
  }
}
