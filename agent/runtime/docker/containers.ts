import { buffer } from 'node:stream/consumers';
import type { ContainerInspectInfo } from 'dockerode';
import { type ContainerSpec, type ContainerState, type ExecResult, type Resources, RuntimeError } from '../runtime.ts';
import { containerConfig, type EngineOptions, updateConfig } from './container-config.ts';
import { containerState } from './container-state.ts';
import { type Engine, isConflict, isGone, isUnanswered, longMs, shortMs } from './engine.ts';
import { containerName, identityOf } from './labels.ts';
import { demultiplex } from './logs.ts';
import type { Sandboxes } from './sandboxes.ts';

const maxFresh = 1_000;

interface Deps {
  readonly engine: Engine;
  readonly sandboxes: Sandboxes;
  /** Sends SIGKILL to a process of the machine. */
  readonly kill: (pid: number) => void;
}

/** The containers of pods. Each runs once: a restart is a new container with the next attempt. */
export class Containers {
  readonly #deps: Deps;
  readonly #options: EngineOptions;
  /** Created and not started by this process: they need no inspection before their start. */
  readonly #fresh = new Set<string>();

  constructor(deps: Deps, options: EngineOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async create(sandboxId: string, spec: ContainerSpec, signal?: AbortSignal): Promise<string> {
    const { engine, sandboxes } = this.#deps;
    const sandbox = await sandboxes.spec(sandboxId, signal);
    if (!sandbox) throw new RuntimeError('NotFound', `no such sandbox: ${sandboxId}`);
    const config = containerConfig(sandboxId, sandbox, spec, sandboxes.files(sandbox), this.#options);
    try {
      const created = await engine.work(
        'create container',
        (abortSignal) => engine.docker.createContainer({ ...config, abortSignal }),
        { signal },
      );
      // Bounded: containers that are never started must not pile up. Without its entry a start inspects first.
      if (this.#fresh.size >= maxFresh) this.#fresh.clear();
      this.#fresh.add(created.id);
      return created.id;
    } catch (error) {
      if (!isConflict(error)) throw error;
      const info = await this.#inspect(containerName(spec), signal);
      if (info && identityOf(this.#options.scope, info.Config.Labels)?.role === 'container') return info.Id;
      throw error;
    }
  }

  async start(id: string, signal?: AbortSignal): Promise<void> {
    const { engine } = this.#deps;
    // The engine would start a container that has ended again.
    if (!this.#fresh.delete(id)) {
      const state = await this.inspect(id, signal);
      if (!state) throw new RuntimeError('NotFound', `no such container: ${id}`);
      if (state.startedAt !== undefined) return;
    }
    await engine.start('start container', id, signal);
  }

  async stop(id: string, graceSeconds: number, signal?: AbortSignal): Promise<void> {
    const { engine } = this.#deps;
    const container = engine.docker.getContainer(id);
    const seconds = Math.max(0, Math.ceil(graceSeconds));
    try {
      await engine.bring('stop container', (abortSignal) => container.stop({ t: seconds, abortSignal }), {
        signal,
        deadlineMs: seconds * 1000 + longMs,
      });
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  async update(id: string, resources: Resources, signal?: AbortSignal): Promise<void> {
    const { engine } = this.#deps;
    const container = engine.docker.getContainer(id);
    await engine.call(
      'update container',
      (abortSignal) => container.update({ ...updateConfig(resources), abortSignal }),
      {
        signal,
      },
    );
  }

  async remove(id: string, signal?: AbortSignal): Promise<void> {
    this.#fresh.delete(id);
    await this.#deps.sandboxes.removeContainer(id, signal);
  }

  async inspect(id: string, signal?: AbortSignal): Promise<ContainerState | undefined> {
    const info = await this.#inspect(id, signal);
    const identity = info && identityOf(this.#options.scope, info.Config.Labels);
    return info && identity?.role === 'container' ? containerState(info, identity) : undefined;
  }

  async exec(
    id: string,
    command: readonly string[],
    { timeoutMs, maxBytes }: { timeoutMs: number; maxBytes: number },
  ): Promise<ExecResult> {
    const { engine } = this.#deps;
    const container = engine.docker.getContainer(id);
    const exec = await engine.call('create exec', async (abortSignal) => {
      const options = { Cmd: [...command], AttachStdout: true, AttachStderr: true, abortSignal };
      try {
        return await container.exec(options);
      } catch (error) {
        // 409: it does not run.
        if ((error as { statusCode?: number }).statusCode !== 409) throw error;
        throw new RuntimeError('NotFound', `container ${id} is not running`, { cause: error });
      }
    });
    const look = () => engine.call('inspect exec', (abortSignal) => exec.inspect({ abortSignal }));
    let output: Buffer;
    try {
      output = await engine.call(
        'run command',
        async (abortSignal) => {
          const stream = await exec.start({ hijack: false, abortSignal });
          const stop = () => stream.destroy(abortSignal.reason);
          abortSignal.addEventListener('abort', stop, { once: true });
          return buffer(cut(demultiplex(stream), maxBytes));
        },
        { deadlineMs: timeoutMs },
      );
    } catch (error) {
      if (!isUnanswered(error)) throw error;
      const { Running, Pid } = await look();
      if (!Running) throw error;
      if (Pid > 0) this.#deps.kill(Pid);
      throw new RuntimeError('Timeout', `command ${JSON.stringify(command)} timed out after ${timeoutMs} ms`);
    }
    const { ExitCode } = await look();
    return { exitCode: ExitCode ?? -1, output: output.toString() };
  }

  #inspect(id: string, signal?: AbortSignal): Promise<ContainerInspectInfo | undefined> {
    const { engine } = this.#deps;
    const container = engine.docker.getContainer(id);
    return engine.find('inspect container', (abortSignal) => container.inspect({ abortSignal }), {
      signal,
      deadlineMs: shortMs,
    });
  }
}

/** Reads up to `maxBytes` and drops the rest, so that the command does not block. */
async function* cut(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncIterable<Uint8Array> {
  let room = maxBytes;
  for await (const chunk of chunks) {
    if (room <= 0) continue;
    yield chunk.subarray(0, room);
    room -= chunk.length;
  }
}
