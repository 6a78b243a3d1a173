import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ContainerInspectInfo } from 'dockerode';
import { pause } from '../../../shared/clock.ts';
import { type LogOptions, RuntimeError } from '../runtime.ts';
import { type Engine, toRuntimeError } from './engine.ts';
import { readLog } from './log-reader.ts';

/** Bytes of a header of the engine's multiplexed stream: the source, three zeros, the length. */
const headerBytes = 8;
/** Milliseconds after which a wait for the container's end is repeated, also after a failure. */
const waitMs = 3_600_000;
const waitAgainMs = 1_000;

/**
 * A container's log, standard output and standard error in the order they were written. It is read from the engine's files: the engine's
 * API repeats lines, or omits whole files, when one is rotated meanwhile.
 */
export async function* containerLogs(
  engine: Engine,
  id: string,
  options: LogOptions,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const container = engine.docker.getContainer(id);
  const info = await engine.call('inspect container', (abortSignal) => container.inspect({ abortSignal }), { signal });
  const { LogPath: path } = info;
  const readable = path && info.HostConfig.LogConfig?.Type === 'json-file' && (await isDirectory(dirname(path)));
  if (!readable) return yield* engineLogs(engine, info, options, signal);
  const ended = (within: AbortSignal) => untilEnded(engine, info.Id, within);
  yield* readLog({ path, clock: engine.clock, ended }, options, signal);
}

/** Resolves when the container does not run, and so the log is complete, or when the signal is aborted. */
async function untilEnded(engine: Engine, id: string, signal: AbortSignal): Promise<void> {
  const container = engine.docker.getContainer(id);
  while (!signal.aborted) {
    try {
      const wait = (abortSignal: AbortSignal) => container.wait({ condition: 'not-running', abortSignal });
      await engine.find('wait for container', wait, { signal, deadlineMs: waitMs });
      return;
    } catch (error) {
      // The engine does not answer, or the wait was long: containers run on.
      if (signal.aborted || !(error instanceof RuntimeError)) return;
      await pause(engine.clock, waitAgainMs, signal);
    }
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** The log by the engine's API, for an engine whose files cannot be read. */
async function* engineLogs(
  engine: Engine,
  info: ContainerInspectInfo,
  options: LogOptions,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const query = {
    stdout: true,
    stderr: true,
    follow: options.follow,
    timestamps: options.timestamps,
    ...(options.since === undefined ? {} : { since: seconds(options.since) }),
    ...(options.tail === undefined ? {} : { tail: options.tail }),
  };
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const stream = await engine.stream('open log', `/containers/${info.Id}/logs?`, query, stop.signal);
    yield* info.Config.Tty ? stream : demultiplex(stream);
  } catch (error) {
    if (signal.aborted) return;
    throw toRuntimeError('read log', error);
  } finally {
    signal.removeEventListener('abort', onAbort);
    stop.abort();
  }
}

/** The payload of the engine's multiplexed stream. */
export async function* demultiplex(chunks: AsyncIterable<Uint8Array | string>): AsyncIterable<Uint8Array> {
  for await (const { data } of records(chunks)) yield data;
}

/** Parses the engine's multiplexed stream. Data without a header (messages of the engine) is passed on without a source. */
export async function* records(
  chunks: AsyncIterable<Uint8Array | string>,
): AsyncIterable<{ source: number | undefined; data: Uint8Array }> {
  let pending = Buffer.alloc(0);
  let left = 0;
  let source = 0;
  for await (const chunk of chunks) {
    pending = pending.length === 0 ? Buffer.from(chunk as Uint8Array) : Buffer.concat([pending, chunk as Uint8Array]);
    while (pending.length > 0) {
      if (left > 0) {
        const data = pending.subarray(0, left);
        left -= data.length;
        pending = pending.subarray(data.length);
        yield { source, data };
      } else if (!isHeader(pending)) {
        yield { source: undefined, data: pending };
        pending = Buffer.alloc(0);
      } else if (pending.length < headerBytes) {
        break;
      } else {
        source = pending[0] ?? 0;
        left = pending.readUInt32BE(4);
        pending = pending.subarray(headerBytes);
      }
    }
  }
  if (left > 0) throw new RuntimeError('Unavailable', 'the engine broke off in the middle of a record');
}

/** Whether the bytes are a header or the beginning of one. */
function isHeader(bytes: Buffer): boolean {
  const [source = 0, ...zeros] = bytes.subarray(0, 4);
  return source <= 2 && zeros.every((zero) => zero === 0);
}

/** The engine's format of a time: seconds with a fraction. */
function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
