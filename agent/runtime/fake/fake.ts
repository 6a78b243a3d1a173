import type { Duplex } from 'node:stream';
import { EventStream } from '../event-stream.ts';
import {
  type AccountFiles,
  type ContainerSpec,
  type ContainerState,
  type ContainerStats,
  type EngineInfo,
  type ExecResult,
  type ImageState,
  type LogOptions,
  type ProcessStream,
  type ProcessStreams,
  type RegistryAuth,
  type Resources,
  type Runtime,
  RuntimeError,
  type RuntimeEvent,
  type SandboxSpec,
  type SandboxState,
} from '../runtime.ts';
import { execCode, execMs } from './behaviour.ts';
import { containerState, type FakeContainer, type FakeEngine, sandboxState } from './engine.ts';
import { fakeAttach, fakeDial, fakeExec } from './process.ts';
import { fakeStats } from './stats.ts';

/** The exit code of a process that SIGKILL ended. */
const killed = 137;

/**
 * Hollow pods: a few hundred bytes each, on any Clock, so that thousands of nodes fit into one process. The spec of a container sets its
 * behaviour (`behaviour.ts`), or calls of its engine. A restart of the agent is a new FakeRuntime on the same FakeEngine.
 */
export class FakeRuntime implements Runtime {
  readonly name = 'fake';
  readonly #engine: FakeEngine;
  readonly #generation: number;
  readonly #closed = new AbortController();

  constructor(engine: FakeEngine) {
    this.#engine = engine;
    this.#generation = engine.generation;
  }

  async info(): Promise<EngineInfo> {
    this.#check();
    return this.#engine.info;
  }

  async list(): Promise<{ sandboxes: SandboxState[]; containers: ContainerState[] }> {
    this.#check();
    return {
      sandboxes: [...this.#engine.sandboxes.values()].map(sandboxState),
      containers: [...this.#engine.containers.values()].map(containerState),
    };
  }

  async prepare(): Promise<void> {
    this.#check();
  }

  async createSandbox(spec: SandboxSpec, signal?: AbortSignal, made?: (id: string) => void): Promise<SandboxState> {
    this.#check();
    const sandbox = this.#engine.putSandbox(spec);
    made?.(sandbox.id);
    if (!sandbox.running) {
      await this.#work(this.#engine.options.sandboxMs, signal);
      if (!this.#engine.sandboxes.has(sandbox.id)) {
        throw new RuntimeError('NotFound', `sandbox ${sandbox.id} was removed while it was made`);
      }
      if (!sandbox.running) {
        sandbox.running = true;
        this.#engine.emit({ type: 'started', containerId: sandbox.id, podUid: spec.pod.uid });
      }
    }
    return sandboxState(sandbox);
  }

  async removeSandbox(id: string, signal?: AbortSignal): Promise<void> {
    this.#check();
    if (!this.#engine.sandboxes.has(id)) return;
    await this.#work(this.#engine.options.stopMs, signal);
    for (const container of this.#engine.containers.values()) {
      if (container.sandboxId === id) this.#engine.exit(container.id, killed);
    }
    this.#engine.killSandbox(id);
    this.#engine.dropSandbox(id);
  }

  async createContainer(sandboxId: string, spec: ContainerSpec): Promise<string> {
    this.#check();
    return this.#engine.putContainer(sandboxId, spec).id;
  }

  async startContainer(id: string, signal?: AbortSignal): Promise<void> {
    const container = this.#container(id);
    if (container.state !== 'created') return;
    await this.#work(this.#engine.options.startMs, signal);
    if (!this.#engine.containers.has(id)) throw new RuntimeError('NotFound', `no such container: ${id}`);
    if (container.state !== 'created') return;
    const { sandboxId, behaviour } = container;
    const alone = !this.#engine.sandboxes.get(sandboxId)?.running;
    const why = alone ? `sandbox ${sandboxId} is not running` : behaviour.startError;
    if (why === undefined) return this.#engine.run(container);
    this.#engine.refuse(container, why);
    throw new RuntimeError('Start', why);
  }

  async stopContainer(id: string, graceSeconds: number, signal?: AbortSignal): Promise<void> {
    this.#check();
    const container = this.#engine.containers.get(id);
    if (container?.state !== 'running') return;
    const { stubborn, stopMs, stopCode } = container.behaviour;
    const willing = !stubborn && stopMs < graceSeconds * 1000;
    await this.#work(this.#engine.options.stopMs, signal);
    await this.#untilExit(container, willing ? stopMs : graceSeconds * 1000, signal);
    this.#check();
    this.#engine.exit(id, willing ? stopCode : killed);
  }

  async updateContainer(id: string, resources: Resources): Promise<void> {
    this.#check();
    this.#container(id).resources = resources;
  }

  async removeContainer(id: string): Promise<void> {
    this.#check();
    this.#engine.exit(id, killed);
    this.#engine.dropContainer(id);
  }

  async inspectContainer(id: string): Promise<ContainerState | undefined> {
    this.#check();
    const container = this.#engine.containers.get(id);
    return container && containerState(container);
  }

  async stats(ids: readonly string[]): Promise<Map<string, ContainerStats>> {
    this.#check();
    return fakeStats(this.#engine, ids);
  }

  async storage(id: string): Promise<number | undefined> {
    this.#check();
    return this.#engine.containers.get(id)?.behaviour.diskBytes;
  }

  async exec(id: string, command: readonly string[], { timeoutMs }: { timeoutMs: number }): Promise<ExecResult> {
    const container = this.#running(id);
    const ms = execMs(container.behaviour, command);
    await this.#untilExit(container, Math.min(ms, timeoutMs));
    this.#check();
    if (ms > 0 && container.state !== 'running') return { exitCode: killed, output: '' };
    if (ms > timeoutMs) {
      throw new RuntimeError('Timeout', `command ${JSON.stringify(command)} timed out after ${timeoutMs} ms`);
    }
    return { exitCode: execCode(container.behaviour, command), output: '' };
  }

  async openExec(id: string, command: readonly string[]): Promise<ProcessStream> {
    return fakeExec(this.#running(id), command);
  }

  async attach(id: string, streams: ProcessStreams): Promise<ProcessStream> {
    return fakeAttach(this.#running(id), streams);
  }

  async dial(sandboxId: string, port: number): Promise<Duplex> {
    this.#check();
    if (!this.#engine.sandboxes.get(sandboxId)?.running) {
      throw new RuntimeError('NotFound', `sandbox ${sandboxId} is not running`);
    }
    return fakeDial(port);
  }

  async *logs(id: string, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const container = this.#container(id);
    const since = options.since ?? Number.NEGATIVE_INFINITY;
    const lines = container.lines.filter((line) => line.at >= since);
    let next = container.written;
    for (const line of lines.slice(lines.length - Math.min(lines.length, options.tail ?? lines.length)))
      yield encode(line, options);
    while (options.follow && !signal.aborted && !this.#closed.signal.aborted) {
      const unread = container.written - next;
      next = container.written;
      for (const line of unread > 0 ? container.lines.slice(-unread) : []) yield encode(line, options);
      if (container.written !== next) continue;
      if (container.state === 'exited') return;
      await change(container, [signal, this.#closed.signal]);
    }
  }

  async imageStatus(image: string): Promise<ImageState | undefined> {
    this.#check();
    return this.#engine.image(image);
  }

  async imageAccounts(image: string): Promise<AccountFiles> {
    this.#check();
    if (!this.#engine.image(image)) throw new RuntimeError('ImageNotFound', `no such image: ${image}`);
    return { passwd: '', group: '' };
  }

  async pullImage(image: string, _auth: RegistryAuth | undefined, signal?: AbortSignal): Promise<ImageState> {
    this.#check();
    await this.#work(this.#engine.options.pullMs, signal);
    const inRegistry = this.#engine.options.inRegistry ?? ((name) => !name.includes('missing'));
    if (!inRegistry(image)) throw new RuntimeError('ImagePull', `manifest for ${image} not found: manifest unknown`);
    return this.#engine.addImage(image);
  }

  async listImages(): Promise<ImageState[]> {
    this.#check();
    return this.#engine.images();
  }

  async *events(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    this.#check();
    const stream = new EventStream();
    const end = () => stream.end();
    if (signal.aborted) return;
    signal.addEventListener('abort', end, { once: true });
    this.#closed.signal.addEventListener('abort', end, { once: true });
    this.#engine.streams.add(stream);
    try {
      yield* stream;
    } finally {
      this.#engine.streams.delete(stream);
      signal.removeEventListener('abort', end);
      this.#closed.signal.removeEventListener('abort', end);
    }
  }

  /** Running operations fail and stay incomplete, as when the agent is killed. */
  async close(): Promise<void> {
    this.#closed.abort(new RuntimeError('Unavailable', 'the runtime is closed'));
  }

  #check(): void {
    this.#closed.signal.throwIfAborted();
    if (this.#engine.generation !== this.#generation) {
      throw new RuntimeError('Unavailable', 'the machine lost its power');
    }
    if (!this.#engine.answering) throw new RuntimeError('Unavailable', 'the engine does not answer');
  }

  async #work(latency: Parameters<FakeEngine['work']>[0], signal?: AbortSignal): Promise<void> {
    await this.#engine.work(latency, signal);
    this.#check();
  }

  #container(id: string): FakeContainer {
    this.#check();
    const container = this.#engine.containers.get(id);
    if (!container) throw new RuntimeError('NotFound', `no such container: ${id}`);
    return container;
  }

  #running(id: string): FakeContainer {
    const container = this.#container(id);
    if (container.state !== 'running') throw new RuntimeError('NotFound', `container ${id} is not running`);
    return container;
  }

  /** Waits until the container has ended, `ms` at most. */
  async #untilExit(container: FakeContainer, ms: number, signal?: AbortSignal): Promise<void> {
    if (ms <= 0) return;
    const enough = new AbortController();
    const signals = [enough.signal, this.#closed.signal, ...(signal ? [signal] : [])];
    const timer = this.#engine.clock.timer(ms, () => enough.abort());
    while (container.state === 'running' && !signals.some((each) => each.aborted)) await change(container, signals);
    timer.cancel();
    signal?.throwIfAborted();
  }
}

/** Resolves when the container writes or ends, or a signal is aborted. */
function change(container: FakeContainer, signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    if (signals.some((each) => each.aborted)) return resolve();
    const done = () => {
      container.watchers.delete(done);
      for (const each of signals) each.removeEventListener('abort', done);
      resolve();
    };
    container.watchers.add(done);
    for (const each of signals) each.addEventListener('abort', done, { once: true });
  });
}

function encode(line: { at: number; text: string }, options: LogOptions): Uint8Array {
  const time = options.timestamps ? `${new Date(line.at).toISOString().slice(0, 23)}000000Z ` : '';
  return Buffer.from(`${time}${line.text}\n`);
}
