import { type LogOptions, RuntimeError } from '../runtime.ts';
import { type Engine, toRuntimeError } from './engine.ts';

/** One header of the engine's multiplexed stream: the source, three zeros, the length. */
const headerBytes = 8;

/** A container's log from the engine, standard output and standard error in the order they were written. */
export async function* containerLogs(
  engine: Engine,
  id: string,
  options: LogOptions,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const container = engine.docker.getContainer(id);
  const info = await engine.call('inspect container', (abortSignal) => container.inspect({ abortSignal }), { signal });
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

/** The engine's multiplexed stream. What follows no header (the engine's own words) is passed on as it is, from no source. */
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

/** Whether the bytes are, or may yet become, a header. */
function isHeader(bytes: Buffer): boolean {
  const [source = 0, ...zeros] = bytes.subarray(0, 4);
  return source <= 2 && zeros.every((zero) => zero === 0);
}

/** Milliseconds as the engine takes times: seconds with a fraction. */
function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
