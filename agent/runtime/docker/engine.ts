import { Agent } from 'node:http';
import { inspect } from 'node:util';
import Docker from 'dockerode';
import type { Clock } from '../../../shared/clock.ts';
import { messageOf } from '../../../shared/errors.ts';
import { RuntimeError } from '../runtime.ts';
import { Gate } from './gate.ts';

/** Milliseconds for calls that read or end at once. */
export const shortMs = 30_000;
/** Milliseconds for calls that create, start or remove, which take long on a busy disk. */
export const longMs = 120_000;

interface CallOptions {
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number;
}

/** The used part of the engine's `info`. */
export interface EngineFacts {
  readonly ServerVersion: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly KernelVersion: string;
  readonly OperatingSystem: string;
  readonly Architecture: string;
  /** `name=seccomp,profile=default`, `name=apparmor`, `name=selinux`. */
  readonly SecurityOptions?: readonly string[] | null;
}

/**
 * docker-modem formats the options of every request in full depth for a debug message, which takes more than 10 ms with an agent's sockets.
 */
class PlainAgent extends Agent {
  [inspect.custom](): string {
    return 'Agent';
  }
}

/** A Docker engine at a socket: every call has a deadline and throws RuntimeError. */
export class Engine {
  readonly docker: Docker;
  readonly socketPath: string;
  readonly clock: Clock;
  readonly #agent: Agent;
  readonly #gate: Gate;

  constructor(deps: { clock: Clock }, socketPath: string, parallel: number) {
    this.#gate = new Gate(parallel);
    this.clock = deps.clock;
    this.socketPath = socketPath;
    this.#agent = new PlainAgent({ keepAlive: true });
    // docker-modem's `agent` is missing from the types.
    const options: Docker.DockerOptions & { agent: Agent } = { socketPath, agent: this.#agent };
    this.docker = new Docker(options);
  }

  /**
   * Runs a request. Its signal is aborted by `options.signal`, whose reason is then thrown, or by the deadline.
   */
  async call<T>(
    what: string,
    request: (abortSignal: AbortSignal) => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    const { signal, deadlineMs = shortMs } = options;
    signal?.throwIfAborted();
    const stop = new AbortController();
    const onAbort = () => stop.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer = this.clock.timer(deadlineMs, () =>
      stop.abort(new RuntimeError('Unavailable', `${what}: no answer from the engine within ${deadlineMs} ms`)),
    );
    try {
      return await request(stop.signal);
    } catch (error) {
      if (stop.signal.aborted) throw stop.signal.reason;
      throw toRuntimeError(what, error);
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** As `call`; undefined for NotFound. */
  async find<T>(what: string, request: (abortSignal: AbortSignal) => Promise<T>, options: CallOptions = {}) {
    try {
      return await this.call(what, request, options);
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  /** As `call`, for expensive requests: a few at a time, the others wait in order. */
  work<T>(what: string, request: (abortSignal: AbortSignal) => Promise<T>, { signal }: CallOptions): Promise<T> {
    return this.#gate.pass(() => this.call(what, request, { signal, deadlineMs: longMs }));
  }

  /** As `call`, for a request that sets a state: that it is set already (the engine's 304) is success. */
  async bring(what: string, request: (abortSignal: AbortSignal) => Promise<unknown>, options: CallOptions = {}) {
    const tolerant = async (abortSignal: AbortSignal) => {
      try {
        await request(abortSignal);
      } catch (error) {
        if ((error as { statusCode?: number }).statusCode !== 304) throw error;
      }
    };
    await this.call(what, tolerant, options);
  }

  /** As `bring`, for a start: a refusal is `Start`, without the prefixes of the layers. */
  async start(what: string, id: string, signal?: AbortSignal): Promise<void> {
    const container = this.docker.getContainer(id);
    try {
      const start = (abortSignal: AbortSignal) => container.start({ abortSignal });
      await this.#gate.pass(() => this.bring(what, start, { signal, deadlineMs: longMs }));
    } catch (error) {
      if (!(error instanceof RuntimeError) || isGone(error) || isUnanswered(error)) throw error;
      throw new RuntimeError('Start', cleanStartError(error.message), { cause: error });
    }
  }

  /** The engine's facts about itself and the machine. */
  info(signal?: AbortSignal): Promise<EngineFacts> {
    // dockerode's types lack the options.
    const { docker } = this;
    const info = docker.info.bind(docker) as unknown as (options: { abortSignal: AbortSignal }) => Promise<EngineFacts>;
    return this.call('info', (abortSignal) => info({ abortSignal }), { signal });
  }

  /** Inspects an image by any of its names; undefined when there is none. */
  findImage(name: string, signal?: AbortSignal): Promise<Docker.ImageInspectInfo | undefined> {
    const image = this.docker.getImage(name);
    const inspect = image.inspect.bind(image) as (options: object) => Promise<Docker.ImageInspectInfo>;
    return this.find('inspect image', (abortSignal) => inspect({ abortSignal }), { signal });
  }

  /**
   * A GET whose answer is streamed; only its opening has a deadline. The signal aborts it. `path` ends in `?`. dockerode's calls would read
   * a finite answer to its end first.
   */
  stream(what: string, path: string, query: object, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const dial = () =>
      new Promise<AsyncIterable<Uint8Array>>((resolve, reject) => {
        this.docker.modem.dial(
          { path, method: 'GET', options: query, isStream: true, abortSignal: signal, statusCodes: { 200: true } },
          (error, answer) => (error ? reject(error) : resolve(answer as AsyncIterable<Uint8Array>)),
        );
      });
    return this.call(what, dial, { signal });
  }

  close(): void {
    this.#agent.destroy();
  }
}

export function isGone(error: unknown): boolean {
  return error instanceof RuntimeError && (error.code === 'NotFound' || error.code === 'ImageNotFound');
}

export function isConflict(error: unknown): boolean {
  return error instanceof RuntimeError && error.code === 'Conflict';
}

/** Whether the engine did not answer, so that the outcome is unknown. */
export function isUnanswered(error: unknown): boolean {
  if (!(error instanceof RuntimeError) || error.code !== 'Unavailable') return false;
  return (error.cause as { statusCode?: number } | undefined)?.statusCode === undefined;
}

/** A RuntimeError with the engine's message, from dockerode's error. */
export function toRuntimeError(what: string, error: unknown): RuntimeError {
  if (error instanceof RuntimeError) return error;
  const { statusCode, json } = error as { statusCode?: number; json?: unknown };
  // Of a streamed answer dockerode has the body only in its message.
  const words =
    engineWords(json) ??
    messageOf(error)
      .replace(/^\(HTTP code \d+\) [\w ]+ - /, '')
      .trim();
  const cause = { cause: error };
  if (statusCode === undefined) return new RuntimeError('Unavailable', `${what}: ${words}`, cause);
  if (
    statusCode === 404 &&
    /no such image|not found: manifest|pull access denied|repository .* not found/i.test(words)
  ) {
    return new RuntimeError('ImageNotFound', words, cause);
  }
  if (statusCode === 404 && /no such (container|exec)/i.test(words)) return new RuntimeError('NotFound', words, cause);
  if (statusCode === 409) return new RuntimeError('Conflict', words, cause);
  // The rest are refusals (400, 404 of a command) and errors of the engine (500).
  return new RuntimeError(statusCode < 500 ? 'Start' : 'Unavailable', words, cause);
}

function engineWords(json: unknown): string | undefined {
  if (Buffer.isBuffer(json)) return json.toString().trim() || undefined;
  const message = (json as { message?: unknown } | null | undefined)?.message;
  return typeof message === 'string' && message !== '' ? message : undefined;
}

/**
 * The message of a failed start without the prefixes of dockerd, containerd, runc and crun: `exec: "x": executable file not found in $PATH`.
 */
export function cleanStartError(words: string): string {
  let text = words.trim();
  for (let before = ''; before !== text; ) {
    before = text;
    text = text
      .replace(/^failed to create (shim task|shim|task)( for container)?: /i, '')
      .replace(/^OCI runtime (create|start) failed: /i, '')
      .replace(/^(runc|crun)( (create|start) failed)?: /i, '')
      .replace(/^container_linux\.go:\d+: /, '')
      .replace(/^(unable to start|starting) container process( caused)?: /, '')
      .replace(/^process_linux\.go:\d+: /, '')
      .replace(/^(error during )?container init( caused)?: /, '')
      .replace(/: unknown$/, '');
  }
  return text.replace(/^"(.*)"$/, '$1');
}
