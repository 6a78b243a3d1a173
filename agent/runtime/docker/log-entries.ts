import type { FileHandle } from 'node:fs/promises';

/** A record of a json-file log: a line, or a part of 16 KiB of it. */
export interface LogEntry {
  readonly log: string;
  /** RFC 3339 with up to nine digits of the second. */
  readonly time: string;
}

const chunkBytes = 65_536;
const newline = 0x0a;
/** The longest record of the engine: 16 KiB of text, each character at most six in JSON. */
const maxRecordBytes = 1 << 20;

/** Undefined for a line that is not a record, as a power cut leaves. */
function parseEntry(line: Buffer): LogEntry | undefined {
  try {
    const { log, time } = JSON.parse(line.toString('utf8')) as { log?: unknown; time?: unknown };
    return typeof log === 'string' && typeof time === 'string' ? { log, time } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Splits data into records; an incomplete one is kept for the next data. */
export class EntryReader {
  #rest: Buffer = Buffer.alloc(0);

  take(bytes: Buffer): LogEntry[] {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const entries: LogEntry[] = [];
    let from = 0;
    for (let to = all.indexOf(newline); to >= 0; to = all.indexOf(newline, from)) {
      const entry = parseEntry(all.subarray(from, to));
      if (entry) entries.push(entry);
      from = to + 1;
    }
    this.#rest = all.length - from > maxRecordBytes ? Buffer.alloc(0) : Buffer.from(all.subarray(from));
    return entries;
  }
}

/** The start of the last `lines` lines: the index of the file and the offset in it. An incomplete line counts. */
export async function tailStart(
  files: readonly FileHandle[],
  lines: number,
): Promise<{ file: number; offset: number }> {
  let ended = 0;
  let first = true;
  for (let file = files.length - 1; file >= 0; file--) {
    const handle = files[file];
    if (!handle) continue;
    for await (const { entry, end } of backwards(handle)) {
      const endsLine = first || entry.log.endsWith('\n');
      first = false;
      if (endsLine && ended === lines) return { file, offset: end };
      if (endsLine) ended++;
    }
  }
  return { file: 0, offset: 0 };
}

/** The records of a file in reverse order, each with its end offset. */
async function* backwards(handle: FileHandle): AsyncGenerator<{ entry: LogEntry; end: number }> {
  let from = (await handle.stat()).size;
  let held: Buffer = Buffer.alloc(0);
  while (from > 0) {
    const size = Math.min(chunkBytes, from);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, from - size);
    from -= size;
    held = Buffer.concat([buffer.subarray(0, bytesRead), held]);
    for (;;) {
      // `held` ends behind a record, or where the file does.
      const before = held.length < 2 ? -1 : held.lastIndexOf(newline, held.length - 2);
      if (before < 0 && from > 0) break;
      const line = held.subarray(before + 1);
      const entry = line.at(-1) === newline ? parseEntry(line.subarray(0, -1)) : undefined;
      if (entry) yield { entry, end: from + held.length };
      held = held.subarray(0, before + 1);
      if (before < 0) break;
    }
    if (held.length > maxRecordBytes) return;
  }
}

/** Entries as requested: since a time, with a timestamp before each line. */
export class EntryText {
  readonly #since: number | undefined;
  readonly #timestamps: boolean;
  #atLineStart = true;

  constructor(options: { readonly since?: number; readonly timestamps: boolean }) {
    this.#since = options.since;
    this.#timestamps = options.timestamps;
  }

  of(entries: readonly LogEntry[]): string {
    let text = '';
    for (const { log, time } of entries) {
      if (this.#since !== undefined && Date.parse(time) < this.#since) continue;
      text += this.#timestamps && this.#atLineStart ? `${nineDigits(time)} ${log}` : log;
      this.#atLineStart = log.endsWith('\n');
    }
    return text;
  }
}

/** The engine omits trailing zeros. */
function nineDigits(time: string): string {
  const [, whole, fraction = '', zone] = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(time) ?? [];
  return whole === undefined ? time : `${whole}.${fraction.padEnd(9, '0')}${zone}`;
}
