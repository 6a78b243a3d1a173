import type { Duplex } from 'node:stream';

/**
 * What a node needs of a container engine. `docker/` is the default, `fake/` holds hollow pods; both pass
 * `test/contract/runtime/`. A pod is one sandbox, which owns the namespaces, and containers that join it. Everything
 * that the agent must know after a restart is in the labels and comes back from `list`.
 * All operations are idempotent where that has a meaning: stopping what has stopped and removing what is gone succeed.
 * Errors are RuntimeError.
 */
export interface Runtime {
  readonly name: string;
  /** The engine's version and what the node is made of. Throws RuntimeError when the engine does not answer. */
  info(signal?: AbortSignal): Promise<EngineInfo>;
  /** Every sandbox and container that carries this agent's labels, running or not. */
  list(signal?: AbortSignal): Promise<{ sandboxes: SandboxState[]; containers: ContainerState[] }>;
  /** Does ahead of time what the first pod would else wait for. */
  prepare(signal?: AbortSignal): Promise<void>;
  /**
   * Makes and starts the sandbox: namespaces, network, address. Returns once the address answers on the node. `made` is
   * called before that, as soon as containers can be created in it; to be started they need the whole sandbox.
   */
  createSandbox(spec: SandboxSpec, signal?: AbortSignal, made?: (id: string) => void): Promise<SandboxState>;
  /** Kills what is left in it and removes it with its containers, network and labels. */
  removeSandbox(id: string, signal?: AbortSignal): Promise<void>;
  createContainer(sandboxId: string, spec: ContainerSpec, signal?: AbortSignal): Promise<string>;
  startContainer(id: string, signal?: AbortSignal): Promise<void>;
  /** The stop signal, then after `graceSeconds` SIGKILL; returns when the process has ended. */
  stopContainer(id: string, graceSeconds: number, signal?: AbortSignal): Promise<void>;
  /** Gives a running container other resources, without a restart. Its OOM score stays. NotFound when there is none. */
  updateContainer(id: string, resources: Resources, signal?: AbortSignal): Promise<void>;
  removeContainer(id: string, signal?: AbortSignal): Promise<void>;
  inspectContainer(id: string, signal?: AbortSignal): Promise<ContainerState | undefined>;
  /** What running containers have used so far; those that do not run are left out. */
  stats(ids: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, ContainerStats>>;
  /** The bytes that a container has written to the node's disk, its logs included. Undefined when there is none. */
  storage(id: string, signal: AbortSignal): Promise<number | undefined>;
  /** Runs a command in a container; output is cut at `maxBytes`. A command that outlives its time is killed: `Timeout`. */
  exec(id: string, command: readonly string[], options: { timeoutMs: number; maxBytes: number }): Promise<ExecResult>;
  /**
   * Runs a command with its streams open. NotFound when the container does not run, Start when there is no such command. A signal
   * that is aborted before it has begun leaves nothing running.
   */
  openExec(id: string, command: readonly string[], wanted: ProcessStreams, signal: AbortSignal): Promise<ProcessStream>;
  /** Joins the streams of the container's own process, from now on. NotFound when it does not run. */
  attach(id: string, wanted: ProcessStreams, signal: AbortSignal): Promise<ProcessStream>;
  /**
   * A connection to a port in the sandbox's network, at one of its addresses or else on its loopback, both of whose directions can be
   * ended. Refused when nobody listens there.
   */
  dial(sandboxId: string, port: number, signal: AbortSignal, address?: string): Promise<Duplex>;
  /** Log bytes in the order they were written, as lines of RFC3339Nano time, space, text when `timestamps`. */
  logs(id: string, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array>;
  imageStatus(image: string, signal?: AbortSignal): Promise<ImageState | undefined>;
  /** The files of the image that name its users and groups. NotFound when there is no such image. */
  imageAccounts(image: string, signal?: AbortSignal): Promise<AccountFiles>;
  pullImage(image: string, auth: RegistryAuth | undefined, signal?: AbortSignal): Promise<ImageState>;
  listImages(signal?: AbortSignal): Promise<ImageState[]>;
  /** What happens to containers from now on; ends by the signal, throws when the engine's stream breaks. */
  events(signal: AbortSignal): AsyncIterable<RuntimeEvent>;
  close(): Promise<void>;
}

export interface EngineInfo {
  /** `docker://20.10.24` */
  readonly version: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly kernelVersion: string;
  readonly osImage: string;
  readonly architecture: string;
  readonly security: EngineSecurity;
}

/** Which of the kernel's means the engine can confine containers by. `seccomp`: it has a profile that it uses by default. */
export interface EngineSecurity {
  readonly seccomp: boolean;
  readonly appArmor: boolean;
  readonly seLinux: boolean;
}

export interface PodRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface SandboxSpec {
  readonly pod: PodRef;
  readonly hostname: string;
  readonly hostNetwork: boolean;
  readonly hostPID: boolean;
  readonly hostIPC: boolean;
  readonly shareProcessNamespace: boolean;
  /** IPv4 address of the pod on the node's network; absent with hostNetwork. */
  readonly address?: string;
  /** Ports on the node's own address that lead to the pod. */
  readonly hostPorts: readonly HostPort[];
  readonly dns: { servers: readonly string[]; searches: readonly string[]; options: readonly string[] };
  readonly sysctls: Readonly<Record<string, string>>;
  /** Counts the pod's sandboxes: 0 for the first. */
  readonly attempt: number;
}

export interface HostPort {
  readonly hostIP: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

export interface SandboxState {
  readonly id: string;
  readonly pod: PodRef;
  readonly running: boolean;
  readonly address?: string;
  readonly attempt: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

export interface ContainerSpec {
  readonly pod: PodRef;
  /** The container's name in the pod. */
  readonly name: string;
  /** Counts its restarts: 0 for the first. */
  readonly attempt: number;
  readonly image: string;
  /** The very image that was looked at for this container, whatever its name leads to by now. */
  readonly imageId?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly env: ReadonlyArray<{ name: string; value: string }>;
  readonly mounts: readonly Mount[];
  readonly resources: Resources;
  readonly tty: boolean;
  readonly stdin: boolean;
  /** The container whose processes it shares, by its id. */
  readonly processesOf?: string;
  /** The end of the first attachment's input is the end of the process's. */
  readonly stdinOnce?: boolean;
  readonly user?: string;
  readonly privileged: boolean;
  readonly readOnlyRootFilesystem: boolean;
  readonly capabilities: { add: readonly string[]; drop: readonly string[] };
  readonly noNewPrivileges: boolean;
  readonly confinement?: Confinement;
  readonly supplementalGroups: readonly number[];
  /** Free-form: kept with the container and handed back by list. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What replaces the engine's own choice; absent: that is taken. */
export interface Confinement {
  /** `unconfined`, or a profile's JSON text. */
  readonly seccomp?: string;
  /** `unconfined`, or the name of a profile that is loaded. */
  readonly appArmor?: string;
  /** `user:NAME`, `role:NAME`, `type:NAME`, `level:NAME`. */
  readonly seLinux?: readonly string[];
}

export interface Mount {
  /** Path on the node. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly propagation?: 'private' | 'rslave' | 'rshared';
}

/** What a container's cgroup gets. */
export interface Resources {
  readonly cpuShares?: number;
  /** In thousandths of a core. */
  readonly cpuLimitMillis?: number;
  readonly memoryLimitBytes?: number;
  /** -1000 to 1000. */
  readonly oomScoreAdj?: number;
}

export interface ContainerState {
  readonly id: string;
  readonly sandboxId: string;
  readonly pod: PodRef;
  readonly name: string;
  readonly attempt: number;
  readonly state: 'created' | 'running' | 'exited';
  /** As asked for, and the id of what it resolved to. */
  readonly image: string;
  readonly imageId: string;
  /** Milliseconds since the epoch; absent when it has not come to that. */
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly exitCode?: number;
  readonly signal?: number;
  /** Completed, Error, OOMKilled, or StartError when the engine refused to run it. */
  readonly reason?: string;
  /** The engine's own words when the start failed. */
  readonly message?: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ContainerStats {
  /** When it was read: milliseconds by the monotonic clock. */
  readonly at: number;
  /** Nanoseconds of all processors together, since the container's start. */
  readonly cpuNanoseconds: number;
  /** Memory without the file pages that are not in use. */
  readonly workingSetBytes: number;
}

export interface ImageState {
  readonly id: string;
  /** Names and digests it is known by. */
  readonly names: readonly string[];
  readonly sizeBytes: number;
  /** Who its processes are, `USER[:GROUP]` by name or number; empty: root. Absent in lists. */
  readonly user?: string;
}

/** `/etc/passwd` and `/etc/group` as they are in an image; empty where there is none. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
}

export interface RegistryAuth {
  readonly username: string;
  readonly password: string;
  readonly server: string;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly output: string;
}

export interface ProcessStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** One output, on stdout, whose size can be set. Of an attachment the container itself decides. */
  readonly tty: boolean;
}

/** A process as one who uses it sees it. What is not read stays with the process, and holds it up. */
export interface ProcessStream {
  /** In the order in which it was written; ends with the process. */
  readonly output: AsyncIterable<{ readonly source: 'stdout' | 'stderr'; readonly data: Uint8Array }>;
  /** Resolves when more can be taken; rejects when the process takes no more. */
  write(data: Uint8Array): Promise<void>;
  /** The end of its input, while its output goes on. A container's own input ends only if it was made so (`stdinOnce`). */
  endInput(): void;
  resize(size: { readonly width: number; readonly height: number }): Promise<void>;
  /** To be asked when the output has ended. Undefined of an attachment. */
  exitCode(signal: AbortSignal): Promise<number | undefined>;
  /** Kills the command and what it has started, if it still runs; leaves an attached container as it is. */
  close(): Promise<void>;
}

export interface LogOptions {
  readonly follow: boolean;
  readonly timestamps: boolean;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly tail?: number;
}

export type RuntimeEvent = {
  readonly type: 'started' | 'exited' | 'oom' | 'removed';
  /** Sandboxes count as containers here. */
  readonly containerId: string;
  readonly podUid: string;
};

/**
 * `ImageNotFound`, `ImagePull`, `NotFound`, `Conflict` (a name in use), `Start` (the engine refused to run it), `Timeout` (a command
 * ran longer than it may), `Refused` (nobody listens), `Unavailable` (the engine, or the network it needs, does not do its work).
 */
export class RuntimeError extends Error {
  readonly code:
    | 'ImageNotFound'
    | 'ImagePull'
    | 'NotFound'
    | 'Conflict'
    | 'Start'
    | 'Timeout'
    | 'Refused'
    | 'Unavailable';

  constructor(code: RuntimeError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RuntimeError';
    this.code = code;
  }
}
