import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../../shared/clock.ts';
import { fraction, type Random } from '../../../shared/random.ts';
import type { EventStream } from '../event-stream.ts';
import {
  type ContainerSpec,
  type ContainerState,
  type EngineInfo,
  type ImageState,
  type Resources,
  RuntimeError,
  type RuntimeEvent,
  type SandboxSpec,
  type SandboxState,
} from '../runtime.ts';
import { type Behaviour, behaviourOf } from './behaviour.ts';

/** The user of the sandbox's process: neither root nor a user of an image. */
const imageUser = '65532';
/** The most log lines that are kept of a container. */
const maxLines = 1_000;

export interface FakeEngineOptions {
  /** Milliseconds of the engine's work; a range is drawn from uniformly. Absent: 0. */
  readonly sandboxMs?: Latency;
  readonly startMs?: Latency;
  readonly stopMs?: Latency;
  readonly pullMs?: Latency;
  /** Images that exist before any pull, by name, or all. */
  readonly images?: readonly string[] | 'all';
  /** Whether a pull finds the image; absent: unless its name contains `missing`. */
  readonly inRegistry?: (image: string) => boolean;
  readonly cpus?: number;
  readonly memoryBytes?: number;
}

export type Latency = number | readonly [from: number, below: number];

export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly text: string;
}

export interface FakeSandbox {
  readonly id: string;
  readonly spec: SandboxSpec;
  readonly createdAt: number;
  running: boolean;
}

export interface FakeContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly spec: ContainerSpec;
  readonly behaviour: Behaviour;
  /** Of its image, which may have been removed since. */
  readonly imageId: string;
  /** Its current resources. */
  resources: Resources;
  readonly createdAt: number;
  state: ContainerState['state'];
  startedAt?: number;
  finishedAt?: number;
  exitCode?: number;
  reason?: string;
  message?: string;
  /** The timer of its end. */
  timer?: Timer;
  lines: LogLine[];
  /** The number of lines ever written; only the last are kept. */
  written: number;
  /** Called when it ends or writes a line. */
  watchers: Set<() => void>;
}

/**
 * The part of a hollow node that outlives its agent: a new FakeRuntime on the same engine finds every pod. A power cut empties it. Tests and
 * simulations control containers here.
 */
export class FakeEngine {
  readonly clock: Clock;
  readonly options: FakeEngineOptions;
  readonly sandboxes = new Map<string, FakeSandbox>();
  readonly containers = new Map<string, FakeContainer>();
  readonly streams = new Set<EventStream>();
  /** Counts power cuts: operations of an earlier generation fail. */
  generation = 0;
  /** Whether the engine answers; its containers run on while it does not. */
  answering = true;
  readonly #random: Random;
  readonly #images = new Map<string, ImageState>();
  /** Deterministic name → id: names act as locks, as on a real engine. */
  readonly #names = new Map<string, string>();

  constructor(deps: { clock: Clock; random: Random }, options: FakeEngineOptions = {}) {
    this.clock = deps.clock;
    this.#random = deps.random;
    this.options = options;
    if (options.images !== 'all') for (const image of options.images ?? []) this.addImage(image);
  }

  get info(): EngineInfo {
    return {
      version: 'fake://1.0.0',
      cpus: this.options.cpus ?? 4,
      memoryBytes: this.options.memoryBytes ?? 8 * 2 ** 30,
      kernelVersion: '6.1.0-hollow',
      osImage: 'Hollow',
      architecture: 'amd64',
      security: { seccomp: true, appArmor: true, seLinux: true },
    };
  }

  /** Removes everything but the images; operations of runtimes from before fail from now on. */
  powerCut(): void {
    this.generation++;
    for (const container of this.containers.values()) {
      container.timer?.cancel();
      container.state = 'exited';
      this.#notify(container);
    }
    this.sandboxes.clear();
    this.containers.clear();
    this.#names.clear();
    this.#breakStreams('the machine lost its power');
  }

  /** Stops (false) or starts (true) the engine's process; containers run on. */
  setAnswering(answering: boolean): void {
    this.answering = answering;
    if (!answering) this.#breakStreams('the engine does not answer');
  }

  /** Ends a running container with an exit code. */
  exit(containerId: string, code: number, how: { oom?: boolean } = {}): void {
    const container = this.containers.get(containerId);
    if (container?.state !== 'running') return;
    container.timer?.cancel();
    container.state = 'exited';
    container.finishedAt = this.clock.now();
    container.exitCode = code;
    container.reason = how.oom ? 'OOMKilled' : code === 0 ? 'Completed' : 'Error';
    this.#notify(container);
    if (how.oom) this.emit({ type: 'oom', containerId, podUid: container.spec.pod.uid });
    this.emit({ type: 'exited', containerId, podUid: container.spec.pod.uid });
  }

  /** Ends a sandbox's process: its containers lose their network and run on, as on a real engine. */
  killSandbox(id: string): void {
    const sandbox = this.sandboxes.get(id);
    if (!sandbox?.running) return;
    sandbox.running = false;
    this.emit({ type: 'exited', containerId: id, podUid: sandbox.spec.pod.uid });
  }

  /** Writes a line to a container's log. */
  print(containerId: string, text: string): void {
    const container = this.containers.get(containerId);
    if (!container) return;
    container.lines.push({ at: this.clock.now(), text });
    container.written++;
    if (container.lines.length > maxLines) container.lines.shift();
    this.#notify(container);
  }

  /** The running containers of an address, for probes and connections of simulations. */
  at(address: string): FakeContainer[] {
    const sandbox = [...this.sandboxes.values()].find((each) => each.running && each.spec.address === address);
    if (!sandbox) return [];
    return [...this.containers.values()].filter((each) => each.sandboxId === sandbox.id && each.state === 'running');
  }

  addImage(name: string): ImageState {
    const existing = this.image(name);
    if (existing) return existing;
    const id = `sha256:${createHash('sha256').update(name).digest('hex')}`;
    const image: ImageState = { id, names: [name], sizeBytes: 10_000_000, user: imageUser };
    this.#images.set(name, image);
    return image;
  }

  removeImage(name: string): void {
    this.#images.delete(name);
  }

  image(name: string): ImageState | undefined {
    const existing = this.#images.get(name);
    if (existing || this.options.images !== 'all') return existing;
    const id = `sha256:${createHash('sha256').update(name).digest('hex')}`;
    return { id, names: [name], sizeBytes: 10_000_000, user: imageUser };
  }

  images(): ImageState[] {
    return [...this.#images.values()];
  }

  /** The sandbox of this pod and attempt; creates it unless it exists. */
  putSandbox(spec: SandboxSpec): FakeSandbox {
    const name = `${spec.pod.uid}/${spec.attempt}`;
    const existing = this.sandboxes.get(this.#names.get(name) ?? '');
    if (existing) return existing;
    const sandbox: FakeSandbox = { id: this.#id(), spec, createdAt: this.clock.now(), running: false };
    this.sandboxes.set(sandbox.id, sandbox);
    this.#names.set(name, sandbox.id);
    return sandbox;
  }

  /** The container of this pod, name and attempt; creates it unless it exists. */
  putContainer(sandboxId: string, spec: ContainerSpec): FakeContainer {
    const name = `${spec.pod.uid}/${spec.name}/${spec.attempt}`;
    const existing = this.containers.get(this.#names.get(name) ?? '');
    if (existing) return existing;
    if (!this.sandboxes.has(sandboxId)) throw new RuntimeError('NotFound', `no such sandbox: ${sandboxId}`);
    const image = this.image(spec.image);
    if (!image) throw new RuntimeError('ImageNotFound', `no such image: ${spec.image}`);
    const container: FakeContainer = {
      id: this.#id(),
      sandboxId,
      spec,
      behaviour: behaviourOf(spec),
      imageId: image.id,
      resources: spec.resources,
      createdAt: this.clock.now(),
      state: 'created',
      lines: [],
      written: 0,
      watchers: new Set(),
    };
    this.containers.set(container.id, container);
    this.#names.set(name, container.id);
    return container;
  }

  /** Starts a created container, and the timer of its end. */
  run(container: FakeContainer): void {
    const { behaviour, id } = container;
    container.state = 'running';
    container.startedAt = this.clock.now();
    this.emit({ type: 'started', containerId: id, podUid: container.spec.pod.uid });
    for (const text of behaviour.lines) this.print(id, text);
    const { exitCode, afterMs, oom } = behaviour;
    if (exitCode === undefined) return;
    container.timer = this.clock.timer(afterMs, () => this.exit(id, exitCode, { oom }));
  }

  /** Records the failed start of a created container. */
  refuse(container: FakeContainer, why: string): void {
    container.state = 'exited';
    container.exitCode = 128;
    container.reason = 'StartError';
    container.message = why;
    container.finishedAt = this.clock.now();
  }

  dropContainer(id: string): void {
    const container = this.containers.get(id);
    if (!container) return;
    container.timer?.cancel();
    const { pod, name, attempt } = container.spec;
    this.containers.delete(id);
    this.#names.delete(`${pod.uid}/${name}/${attempt}`);
    container.state = 'exited';
    this.#notify(container);
    this.emit({ type: 'removed', containerId: id, podUid: pod.uid });
  }

  dropSandbox(id: string): void {
    const sandbox = this.sandboxes.get(id);
    if (!sandbox) return;
    for (const container of this.containers.values()) {
      if (container.sandboxId === id) this.dropContainer(container.id);
    }
    this.sandboxes.delete(id);
    this.#names.delete(`${sandbox.spec.pod.uid}/${sandbox.spec.attempt}`);
    this.emit({ type: 'removed', containerId: id, podUid: sandbox.spec.pod.uid });
  }

  emit(event: RuntimeEvent): void {
    for (const stream of this.streams) stream.push(event);
  }

  /** Waits for the time of this work. */
  async work(latency: Latency | undefined, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (latency === undefined) return;
    const [from, below] = typeof latency === 'number' ? [latency, latency] : latency;
    const ms = from + (below - from) * fraction(this.#random);
    if (ms > 0) await this.clock.sleep(ms, signal);
  }

  #id(): string {
    return Buffer.from(this.#random.bytes(32)).toString('hex');
  }

  #notify(container: FakeContainer): void {
    for (const wake of [...container.watchers]) wake();
  }

  #breakStreams(why: string): void {
    for (const stream of this.streams) stream.fail(new RuntimeError('Unavailable', why));
    this.streams.clear();
  }
}

export function sandboxState({ id, spec, running, createdAt }: FakeSandbox): SandboxState {
  return { id, pod: spec.pod, running, address: spec.address, attempt: spec.attempt, createdAt };
}

export function containerState(container: FakeContainer): ContainerState {
  const { id, sandboxId, spec, imageId, state, createdAt, startedAt, finishedAt, exitCode, reason, message } =
    container;
  return {
    id,
    sandboxId,
    pod: spec.pod,
    name: spec.name,
    attempt: spec.attempt,
    state,
    image: spec.image,
    imageId,
    createdAt,
    startedAt,
    finishedAt,
    exitCode,
    reason,
    message,
    labels: spec.labels,
  };
}
