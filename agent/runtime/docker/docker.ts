import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { ContainerInfo } from 'dockerode';
import type { Clock } from '../../../shared/clock.ts';
import { messageOf } from '../../../shared/errors.ts';
import { NetworkError } from '../../network/error.ts';
import { NetnsDialer } from '../../network/netns-dialer.ts';
import type { PodNetwork } from '../../network/network.ts';
import {
  type AccountFiles,
  type ContainerSpec,
  type ContainerState,
  type ContainerStats,
  type EngineInfo,
  type EngineSecurity,
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
import { ImageAccounts } from './accounts.ts';
import type { EngineOptions } from './container-config.ts';
import { StatsReader } from './container-stats.ts';
import { containerStorage } from './container-storage.ts';
import { Containers } from './containers.ts';
import { Engine } from './engine.ts';
import { engineEvents } from './events.ts';
import { imageStatus, listImages, pullImage } from './images.ts';
import { type ContainerIdentity, identityOf, isScratch, type SandboxIdentity, scopeFilter } from './labels.ts';
import { containerLogs } from './logs.ts';
import { attach, killLeftCommands, openExec } from './process-stream.ts';
import { Sandboxes } from './sandboxes.ts';

/** Inspections at a time; more make the engine slower. */
const parallelInspects = 8;
const defaultParallel = 6;

export interface DockerRuntimeDeps {
  readonly clock: Clock;
  /** Absent: the network namespace of a pod has only a loopback, which is down. */
  readonly network?: PodNetwork;
  /** Sends SIGKILL; the engine must be in the agent's pid namespace. */
  readonly kill?: (pid: number) => void;
}

export interface DockerRuntimeOptions extends Partial<EngineOptions> {
  readonly socketPath: string;
  /** A directory of the agent that the engine sees under the same path. */
  readonly stateDir: string;
  /** Containers that are created or started at a time; more than a few per core make each slower. */
  readonly parallel?: number;
}

/**
 * Pods on a Docker engine (20.10 or newer) of the same machine. A sandbox is a small container that owns the pod's namespaces;
 * `sandboxes.ts` makes it so that `list` shows what a crash at any instant leaves.
 */
export class DockerRuntime implements Runtime {
  readonly name = 'docker';
  readonly #engine: Engine;
  readonly #network: PodNetwork | undefined;
  readonly #options: EngineOptions;
  readonly #sandboxes: Sandboxes;
  readonly #containers: Containers;
  readonly #accounts: ImageAccounts;
  readonly #stats: StatsReader;
  readonly #kill: (pid: number) => void;
  readonly #dialer: NetnsDialer;
  /** Whether the commands of a former process of the agent were killed. */
  #tidied = false;
  /** Inspected states by id: they stay valid while the engine lists the same state. */
  #seen = new Map<string, { listedAs: string; state: ContainerState }>();

  constructor(deps: DockerRuntimeDeps, options: DockerRuntimeOptions) {
    const { socketPath, stateDir } = options;
    const { clock, network, kill = (pid) => process.kill(pid, 'SIGKILL') } = deps;
    const engineOptions: EngineOptions = {
      scope: options.scope ?? 'coracle',
      runtimeName: options.runtimeName,
      cgroupParent: options.cgroupParent,
      logMaxSize: options.logMaxSize ?? '10m',
      logMaxFiles: options.logMaxFiles ?? 3,
      minOomScoreAdj: options.minOomScoreAdj ?? -1000,
    };
    this.#kill = kill;
    this.#dialer = new NetnsDialer({ clock });
    const engine = new Engine({ clock }, socketPath, options.parallel ?? defaultParallel);
    this.#engine = engine;
    this.#network = network;
    this.#options = engineOptions;
    this.#sandboxes = new Sandboxes({ engine, clock, network }, engineOptions, join(stateDir, 'sandboxes'));
    this.#accounts = new ImageAccounts(engine, engineOptions.scope);
    this.#stats = new StatsReader(engine, clock);
    this.#containers = new Containers({ engine, sandboxes: this.#sandboxes, kill }, engineOptions);
  }

  async info(signal?: AbortSignal): Promise<EngineInfo> {
    const info = await this.#engine.info(signal);
    return {
      version: `docker://${info.ServerVersion}`,
      cpus: info.NCPU,
      memoryBytes: info.MemTotal,
      kernelVersion: info.KernelVersion,
      osImage: info.OperatingSystem,
      architecture: info.Architecture,
      security: securityOf(info.SecurityOptions ?? []),
    };
  }

  async list(signal?: AbortSignal): Promise<{ sandboxes: SandboxState[]; containers: ContainerState[] }> {
    const filters = { label: [scopeFilter(this.#options.scope)] };
    const listed = await this.#engine.call(
      'list containers',
      (abortSignal) => this.#engine.docker.listContainers({ all: true, filters, abortSignal }),
      { signal },
    );
    const sandboxes: Array<{ info: ContainerInfo; spec: SandboxSpec }> = [];
    const containers: Array<{ info: ContainerInfo; identity: ContainerIdentity }> = [];
    for (const info of listed) {
      const identity: SandboxIdentity | ContainerIdentity | undefined = identityOf(this.#options.scope, info.Labels);
      if (identity?.role === 'sandbox') sandboxes.push({ info, spec: identity.spec });
      else if (identity) containers.push({ info, identity });
    }
    if (!this.#tidied) {
      const running = containers.filter(({ info }) => info.State === 'running');
      const deps = { engine: this.#engine, kill: this.#kill };
      await inParallel(running, ({ info }) => killLeftCommands(deps, info.Id, signal));
      const scratch = listed.filter(({ Labels }) => isScratch(Labels));
      await inParallel(scratch, ({ Id }) => this.#sandboxes.removeContainer(Id, signal));
      this.#tidied = true;
    }
    return {
      sandboxes: await this.#sandboxStates(sandboxes, signal),
      containers: await this.#containerStates(containers, signal),
    };
  }

  prepare(signal?: AbortSignal): Promise<void> {
    return this.#sandboxes.prepare(signal);
  }

  createSandbox(spec: SandboxSpec, signal?: AbortSignal, made?: (id: string) => void): Promise<SandboxState> {
    return this.#sandboxes.create(spec, signal, made);
  }

  removeSandbox(id: string, signal?: AbortSignal): Promise<void> {
    return this.#sandboxes.remove(id, signal);
  }

  createContainer(sandboxId: string, spec: ContainerSpec, signal?: AbortSignal): Promise<string> {
    return this.#containers.create(sandboxId, spec, signal);
  }

  startContainer(id: string, signal?: AbortSignal): Promise<void> {
    return this.#containers.start(id, signal);
  }

  stopContainer(id: string, graceSeconds: number, signal?: AbortSignal): Promise<void> {
    return this.#containers.stop(id, graceSeconds, signal);
  }

  updateContainer(id: string, resources: Resources, signal?: AbortSignal): Promise<void> {
    return this.#containers.update(id, resources, signal);
  }

  removeContainer(id: string, signal?: AbortSignal): Promise<void> {
    return this.#containers.remove(id, signal);
  }

  inspectContainer(id: string, signal?: AbortSignal): Promise<ContainerState | undefined> {
    return this.#containers.inspect(id, signal);
  }

  stats(ids: readonly string[], signal?: AbortSignal): Promise<Map<string, ContainerStats>> {
    return this.#stats.read(ids, signal);
  }

  storage(id: string, signal: AbortSignal): Promise<number | undefined> {
    return containerStorage(this.#engine, id, signal);
  }

  exec(id: string, command: readonly string[], options: { timeoutMs: number; maxBytes: number }): Promise<ExecResult> {
    return this.#containers.exec(id, command, options);
  }

  openExec(
    id: string,
    command: readonly string[],
    streams: ProcessStreams,
    signal: AbortSignal,
  ): Promise<ProcessStream> {
    return openExec({ engine: this.#engine, kill: this.#kill }, id, command, streams, signal);
  }

  attach(id: string, streams: ProcessStreams, signal: AbortSignal): Promise<ProcessStream> {
    return attach({ engine: this.#engine, kill: this.#kill }, id, streams, signal);
  }

  async dial(sandboxId: string, port: number, signal: AbortSignal, address?: string): Promise<Duplex> {
    const pid = await this.#sandboxes.pid(sandboxId, signal);
    if (pid === undefined) throw new RuntimeError('NotFound', `sandbox ${sandboxId} is not running`);
    try {
      return await this.#dialer.dial(`/proc/${pid}/ns/net`, port, signal, address);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const refused = error instanceof NetworkError && error.code === 'Refused';
      throw new RuntimeError(refused ? 'Refused' : 'Unavailable', messageOf(error), { cause: error });
    }
  }

  logs(id: string, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return containerLogs(this.#engine, id, options, signal);
  }

  imageStatus(image: string, signal?: AbortSignal): Promise<ImageState | undefined> {
    return imageStatus(this.#engine, image, signal);
  }

  imageAccounts(image: string, signal?: AbortSignal): Promise<AccountFiles> {
    return this.#accounts.of(image, signal);
  }

  pullImage(image: string, auth: RegistryAuth | undefined, signal?: AbortSignal): Promise<ImageState> {
    return pullImage(this.#engine, image, auth, signal);
  }

  listImages(signal?: AbortSignal): Promise<ImageState[]> {
    return listImages(this.#engine, signal);
  }

  events(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    return engineEvents(this.#engine, this.#options.scope, signal);
  }

  async close(): Promise<void> {
    this.#engine.close();
    this.#dialer.close();
  }

  /** A sandbox counts as running when its process runs and its address is on the node. */
  async #sandboxStates(found: ReadonlyArray<{ info: ContainerInfo; spec: SandboxSpec }>, signal?: AbortSignal) {
    const addressed = found.filter(({ spec }) => needsAddress(spec)).map(({ spec }) => spec.pod.uid);
    const attached = addressed.length > 0 ? await this.#network?.attached(addressed, signal) : undefined;
    return found.map(({ info, spec }): SandboxState => {
      const whole = !this.#network || !needsAddress(spec) || attached?.get(spec.pod.uid) === spec.address;
      return {
        id: info.Id,
        pod: spec.pod,
        running: info.State === 'running' && whole,
        address: spec.address,
        attempt: spec.attempt,
        createdAt: info.Created * 1000,
      };
    });
  }

  async #containerStates(
    found: ReadonlyArray<{ info: ContainerInfo; identity: ContainerIdentity }>,
    signal?: AbortSignal,
  ): Promise<ContainerState[]> {
    const seen = new Map<string, { listedAs: string; state: ContainerState }>();
    const states: ContainerState[] = [];
    await inParallel(found, async ({ info: { Id, State: listedAs } }) => {
      const cached = this.#seen.get(Id);
      const fresh = cached?.listedAs === listedAs && listedAs !== 'created' ? cached.state : undefined;
      const state = fresh ?? (await this.#containers.inspect(Id, signal));
      if (!state) return;
      seen.set(Id, { listedAs, state });
      states.push(state);
    });
    this.#seen = seen;
    return states;
  }
}

async function inParallel<T>(items: readonly T[], look: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const work = async () => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) await look(next);
  };
  await Promise.all(Array.from({ length: parallelInspects }, work));
}

function securityOf(options: readonly string[]): EngineSecurity {
  const named = (name: string) => options.find((option) => option.split(',').includes(`name=${name}`));
  const seccomp = named('seccomp');
  return {
    seccomp: seccomp !== undefined && !seccomp.split(',').includes('profile=unconfined'),
    appArmor: named('apparmor') !== undefined,
    seLinux: named('selinux') !== undefined,
  };
}

function needsAddress(spec: SandboxSpec): boolean {
  return !spec.hostNetwork && spec.address !== undefined;
}
