import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../shared/clock.ts';
import { eventually } from '../../../test/support/eventually.ts';
import type { LogOptions } from '../runtime.ts';
import { readLog } from './log-reader.ts';

const never = new AbortController().signal;
let dir: string;
let log: Writer;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'coracle-log-'));
  log = new Writer(join(dir, 'c-json.log'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Writes and rotates as the engine's json-file driver does. */
class Writer {
  readonly path: string;
  readonly files: number;
  written = 0;
  #end: () => void = () => undefined;
  readonly ended = new Promise<void>((resolve) => {
    this.#end = resolve;
  });

  constructor(path: string, files = 3) {
    this.path = path;
    this.files = files;
    writeFileSync(path, '');
  }

  put(log: string, at = Date.UTC(2026, 0, 1) + this.written): void {
    const time = new Date(at).toISOString().replace(/\.?0*Z$/, 'Z');
    appendFileSync(this.path, `${JSON.stringify({ log, stream: 'stdout', time })}\n`);
  }

  line(): void {
    this.put(`line ${this.written++}\n`);
  }

  rotate(): void {
    const slot = (i: number) => `${this.path}.${i}`;
    for (let i = this.files - 1; i > 1; i--) if (existsSync(slot(i - 1))) renameSync(slot(i - 1), slot(i));
    renameSync(this.path, slot(1));
    writeFileSync(this.path, '');
  }

  end(): void {
    this.#end();
  }

  read(options: Partial<LogOptions> = {}, signal = never): AsyncIterable<Uint8Array> {
    const source = { path: this.path, clock: systemClock, ended: () => this.ended };
    return readLog(source, { follow: false, timestamps: false, ...options }, signal);
  }
}

/** How many files of the log this process holds open. */
function openFiles(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(`${log.path}`);
    } catch {
      return false;
    }
  }).length;
}

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join('');

describe('a log', () => {
  it('is read across its rotations, the oldest that is left first', async () => {
    for (let i = 0; i < 50; i++) {
      log.line();
      if (i % 10 === 9) log.rotate();
    }
    log.line();
    expect(await text(log.read())).toBe(lines(30, 51));
  });

  it('is followed across rotations without losing or repeating a line, however they fall', async () => {
    const step = fc.oneof({ weight: 8, arbitrary: fc.constant('line') }, fc.constantFrom('rotate', 'yield', 'slow'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 120 }),
        fc.option(fc.nat(20)),
        async (steps, tail) => {
          const writer = new Writer(join(mkdtempSync(join(dir, 'p-')), 'c-json.log'));
          for (let i = 0; i < 20; i++) writer.line();
          let slow = false;
          let rotations = 0;
          const reading = (async () => {
            let all = '';
            for await (const chunk of writer.read({ follow: true, ...(tail === null ? {} : { tail }) })) {
              all += Buffer.from(chunk).toString();
              if (slow) for (let i = 0; i < 20; i++) await setImmediate();
            }
            return all;
          })();
          await setImmediate();
          for (const one of steps) {
            if (one === 'line') writer.line();
            else if (one === 'slow') slow = !slow;
            else await setImmediate();
            // What the engine removes before anyone can open it is gone.
            if (one === 'rotate' && rotations++ < 2) writer.rotate();
          }
          writer.end();
          const all = await reading;
          const first = Number(/^line (\d+)/.exec(all)?.[1] ?? writer.written);
          expect(all).toBe(lines(first, writer.written));
          if (tail === null) expect(first).toBe(0);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('that is followed by a slow reader is held until he has read it', async () => {
    log.line();
    const reading = log.read({ follow: true })[Symbol.asyncIterator]();
    let all = Buffer.from((await reading.next()).value ?? []).toString();
    for (let i = 0; i < 5; i++) {
      log.line();
      log.rotate();
      await eventually(() => openFiles() === i + 2);
    }
    log.end();
    for (let next = await reading.next(); !next.done; next = await reading.next())
      all += Buffer.from(next.value).toString();
    expect(all).toBe(lines(0, 6));
  });

  it('that was rotated away before it was read breaks off, and does not go on as if nothing were missing', async () => {
    log.line();
    const reading = log.read({ follow: true })[Symbol.asyncIterator]();
    await reading.next();
    for (let i = 0; i < 5; i++) {
      log.line();
      log.rotate();
    }
    const rest = (async () => {
      let all = '';
      for (let next = await reading.next(); !next.done; next = await reading.next())
        all += Buffer.from(next.value).toString();
      return all;
    })();
    await expect(rest).rejects.toThrow('the log was rotated away before it was read');
  });

  it('ends with its last lines, and with none that are not the engine’s records', async () => {
    for (let i = 0; i < 3_000; i++) {
      log.line();
      if (i === 1_000) log.rotate();
    }
    appendFileSync(log.path, '\0\0\0{"log":"broken\n');
    for (const tail of [0, 1, 10, 1_999, 2_000, 2_500, 3_000, 4_000]) {
      expect(await text(log.read({ tail }))).toBe(lines(Math.max(0, 3_000 - tail), 3_000));
    }
  });

  it('counts a long line, which comes in pieces, once, and dates it once', async () => {
    for (const piece of ['short\n', 'a'.repeat(16_384), 'b'.repeat(16_384), 'c\n', 'unended'])
      log.put(piece, Date.UTC(2026, 0, 1, 0, 0, 1, 500));
    const long = `${'a'.repeat(16_384)}${'b'.repeat(16_384)}c\n`;
    expect(await text(log.read({ tail: 2 }))).toBe(`${long}unended`);
    const at = '2026-01-01T00:00:01.500000000Z ';
    expect(await text(log.read({ tail: 2, timestamps: true }))).toBe(`${at}${long}${at}unended`);
    expect(await text(log.read({ tail: 1 }))).toBe('unended');
  });

  it('begins at a time, whatever file that is in', async () => {
    const start = Date.UTC(2026, 0, 1);
    for (let i = 0; i < 30; i++) {
      log.put(`line ${i}\n`, start + i * 1_000);
      if (i % 10 === 9) log.rotate();
    }
    expect(await text(log.read({ since: start + 15_000 }))).toBe(lines(15, 30));
    expect(await text(log.read({ since: start + 15_000, tail: 3 }))).toBe(lines(27, 30));
  });

  it('is left at once by a reader who wants no more', async () => {
    log.line();
    const stop = new AbortController();
    for await (const _ of log.read({ follow: true }, stop.signal)) stop.abort();
  });
});
