import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../../../shared/clock.ts';
import { ApiError, messageOf } from '../../../../shared/errors.ts';
import type { Log } from '../../../../shared/log.ts';

/** The most events, and characters, that wait to be written. */
const maxWaiting = 10_000;
const maxWaitingLength = 64 * 1024 * 1024;
/** How long a stop waits for them. */
const closeMs = 5_000;

export interface LogFileOptions {
  /** `-`: standard output. */
  readonly path: string;
  /** A file of so many bytes is rotated. */
  readonly maxBytes: number;
  /** How many rotated files are kept; 0: all. */
  readonly maxBackups: number;
}

/** Where audit events go. */
export interface AuditSink {
  /** False: the line is dropped, as too many wait. `always`: it is taken nevertheless. */
  offer(line: string, always?: boolean): boolean;
  /** Resolves when the line was written to the file. Rejects when it could not be. */
  write(line: string): Promise<void>;
  /** Writes the waiting lines. */
  close(): Promise<void>;
}

interface Waiting {
  readonly line: string;
  readonly done?: { resolve(): void; reject(error: unknown): void };
}

/**
 * Lines in a file (mode 0600), in order. Lines that come during a write are written together by the next one; their number is
 * bounded. A full file is renamed to `NAME-TIME.EXT`, as Kubernetes does.
 */
export class AuditLogFile implements AuditSink {
  readonly #options: LogFileOptions;
  readonly #deps: { readonly clock: Clock; readonly log: Log };
  #waiting: Waiting[] = [];
  #length = 0;
  #file: FileHandle | undefined;
  #size = 0;
  #draining = false;
  #written: Promise<void> = Promise.resolve();

  constructor(options: LogFileOptions, deps: { readonly clock: Clock; readonly log: Log }) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Opens the file, so that a file that cannot be written fails the start. */
  async start(): Promise<void> {
    if (this.#options.path !== '-') await this.#open();
  }

  offer(line: string, always = false): boolean {
    if (!always && this.#isFull(line)) return false;
    this.#push({ line });
    return true;
  }

  write(line: string): Promise<void> {
    if (this.#isFull(line)) {
      return Promise.reject(new ApiError('TooManyRequests', 'too many audit events wait to be written'));
    }
    return new Promise((resolve, reject) => this.#push({ line, done: { resolve, reject } }));
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      const late = this.#deps.clock.timer(closeMs, resolve);
      void this.#written.then(() => {
        late.cancel();
        resolve();
      });
    });
    await this.#file?.close();
    this.#file = undefined;
  }

  /** Whether there is no room for the line. */
  #isFull(line: string): boolean {
    return this.#waiting.length >= maxWaiting || this.#length + line.length > maxWaitingLength;
  }

  #push(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#length += waiting.line.length;
    if (this.#draining) return;
    this.#draining = true;
    this.#written = this.#drain();
  }

  async #drain(): Promise<void> {
    // Lines of the same turn are written together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      this.#length = 0;
      try {
        await this.#append(batch.map(({ line }) => `${line}\n`).join(''));
        for (const { done } of batch) done?.resolve();
      } catch (error) {
        this.#deps.log.error({ events: batch.length, err: messageOf(error) }, 'audit events could not be written');
        for (const { done } of batch) done?.reject(error);
        await this.#reopen();
      }
    }
    // In the same turn as the check of the loop: no line comes in between.
    this.#draining = false;
  }

  async #append(text: string): Promise<void> {
    if (this.#options.path === '-') {
      await new Promise<void>((resolve, reject) => {
        process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
      });
      return;
    }
    const bytes = Buffer.from(text);
    if (this.#size > 0 && this.#size + bytes.length > this.#options.maxBytes) await this.#rotate();
    const file = this.#file ?? (await this.#open());
    await file.writeFile(bytes);
    this.#size += bytes.length;
  }

  async #open(): Promise<FileHandle> {
    this.#file = await open(this.#options.path, 'a', 0o600);
    this.#size = (await this.#file.stat()).size;
    return this.#file;
  }

  async #reopen(): Promise<void> {
    const broken = this.#file;
    this.#file = undefined;
    await broken?.close().catch((error: unknown) => {
      this.#deps.log.debug({ err: messageOf(error) }, 'a broken audit log was not closed');
    });
  }

  async #rotate(): Promise<void> {
    const { path, maxBackups } = this.#options;
    await this.#file?.close();
    this.#file = undefined;
    const { head, tail } = nameParts(path);
    const time = new Date(this.#deps.clock.now()).toISOString().replace(/:/g, '-').replace('Z', '');
    const names = await readdir(dirname(path));
    const pathOf = (name: string): string => join(dirname(path), name);
    let aside = `${head}${time}${tail}`;
    for (let n = 1; names.includes(aside); n++) aside = `${head}${time}-${n}${tail}`;
    await rename(path, pathOf(aside));
    if (maxBackups === 0) return;
    const backups = [...names, aside].filter(
      (name) => name.startsWith(head) && name.endsWith(tail) && /^\d{4}-/.test(name.slice(head.length)),
    );
    backups.sort();
    for (const old of backups.slice(0, -maxBackups)) await rm(pathOf(old), { force: true });
  }
}

/** What comes before and after the time in the name of a rotated file. */
function nameParts(path: string): { head: string; tail: string } {
  const name = basename(path);
  const dot = name.lastIndexOf('.');
  return dot > 0 ? { head: `${name.slice(0, dot)}-`, tail: name.slice(dot) } : { head: `${name}-`, tail: '' };
}
