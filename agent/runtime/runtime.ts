import type { Duplex } from 'node:stream';

/**
 * What a node needs of a container engine; `test/contract/runtime/` tests each implementation. A pod is a sandbox, which owns the
 * namespaces, and containers that join it. All that the agent needs after a restart is in the labels and is returned by `list`.
 * Operations are idempotent: to stop a stopped container and to remove a missing one succeeds. Errors are RuntimeError.
 */
export interface Runtime {
  readonly name: string;
  /** The engine's version and the machine's facts. Throws RuntimeError when the engine does not answer. */
  info(signal?: AbortSignal): Promise<EngineInfo>;
  /** Every sandbox and container with this agent's labels, running or not. */
  list(signal?: AbortSignal): Promise<{ sandboxes: SandboxState[]; containers: ContainerState[] }>;
  /** Prepares ahead of time what the first pod would otherwise wait for. */
  prepare(signal?: AbortSignal): Promise<void>;
  /**
   * Makes and starts the sandbox: namespaces, network, address. Returns once the address is reachable on the node. Calls `made` before that,
   * as soon as containers can be created in it; they can be started only when it has returned.
   */
  createSandbox(spec: SandboxSpec, signal?: AbortSignal, made?: (id: string) => void): Promise<SandboxState>;
  /** Kills what runs in it, and removes it with its containers and network. */
  removeSandbox(id: string, signal?: AbortSignal): Promise<void>;
  createContainer(sandboxId: string, spec: ContainerSpec, signal?: AbortSignal): Promise<string>;
  startContainer(id: string, signal?: AbortSignal): Promise<void>;
  /** Sends the stop signal, and SIGKILL after `graceSeconds`; returns when the process has ended. */
  stopContainer(id: string, graceSeconds: number, signal?: AbortSignal): Promise<void>;
  /** Changes the resources of a running container, except its OOM score. Throws NotFound. */
  updateContainer(id: string, resources: Resources, signal?: AbortSignal): Promise<void>;
  removeContainer(id: string, signal?: AbortSignal): Promise<void>;
  inspectContainer(id: string, signal?: AbortSignal): Promise<ContainerState | undefined>;
  /** The usage of containers, without those that do not run. */
  stats(ids: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, ContainerStats>>;
  /** The bytes that a container has written to the node's disk, its logs included. Undefined when there is none. */
  storage(id: string, signal: AbortSignal): Promise<number | undefined>;
  /** Runs a command in a container; cuts its output at `maxBytes`. Kills it after its time and throws Timeout. */
  exec(id: string, command: readonly string[], options: { timeoutMs: number; maxBytes: number }): Promise<ExecResult>;
  /**
   * Runs a command with open streams. Throws NotFound when the container does not run, and Start when there is no such command. When the
   * signal is aborted before the start, nothing runs on.
   */
  openExec(
    id: string,
    command: readonly string[],
    streams: ProcessStreams,
    signal: AbortSignal,
  ): Promise<ProcessStream>;
  /** Attaches to the container's process, from now on. Throws NotFound when it does not run. */
  attach(id: string, streams: ProcessStreams, signal: AbortSignal): Promise<ProcessStream>;
  /**
   * Connects to a port in the sandbox's network, at one of its addresses or its loopback (default); each direction can be ended by itself.
   * Throws Refused when no process listens there.
   */
  dial(sandboxId: string, port: number, signal: AbortSignal, address?: string): Promise<Duplex>;
  /** The log in the order it was written; with `timestamps` each line has an RFC3339Nano time and a space before it. */
  logs(id: string, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array>;
  imageStatus(image: string, signal?: AbortSignal): Promise<ImageState | undefined>;
  /** The files with the users and groups of the image. Throws NotFound. */
  imageAccounts(image: string, signal?: AbortSignal): Promise<AccountFiles>;
  pullImage(image: string, auth: RegistryAuth | undefined, signal?: AbortSignal): Promise<ImageState>;
  listImages(signal?: AbortSignal): Promise<ImageState[]>;
  /** The events of containers from now on; ends with the signal, throws when the engine's stream fails. */
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
  /** By the kernel's name or Go's: `x86_64`, `amd64`. */
  readonly architecture: string;
  readonly security: EngineSecurity;
}

/** The security features of the kernel that the engine can use. `seccomp`: it has a default profile. */
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
  /** Ports on the node's address that lead to the pod. */
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
  /** The image that the spec was made for, whatever its name refers to by now. */
  readonly imageId?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly env: ReadonlyArray<{ name: string; value: string }>;
  readonly mounts: readonly Mount[];
  readonly resources: Resources;
  readonly tty: boolean;
  readonly stdin: boolean;
  /** The id of the container whose process namespace it shares. */
  readonly processesOf?: string;
  /** The process's input ends with that of the first attachment. */
  readonly stdinOnce?: boolean;
  readonly user?: string;
  readonly privileged: boolean;
  readonly readOnlyRootFilesystem: boolean;
  readonly capabilities: { add: readonly string[]; drop: readonly string[] };
  readonly noNewPrivileges: boolean;
  readonly confinement?: Confinement;
  readonly supplementalGroups: readonly number[];
  /** Free-form; returned by `list`. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Absent fields: the engine's default. */
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

/** The values of a container's cgroup. */
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
  /** As in the spec, and the id of the image that it referred to. */
  readonly image: string;
  readonly imageId: string;
  /** Milliseconds since the epoch; absent before the event. */
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly exitCode?: number;
  readonly signal?: number;
  /** Completed, Error, OOMKilled, or StartError when the engine refused to run it. */
  readonly reason?: string;
  /** The engine's message when the start failed. */
  readonly message?: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ContainerStats {
  /** When the values were read: milliseconds of the monotonic clock. */
  readonly at: number;
  /** Nanoseconds of all processors, since the container's start. */
  readonly cpuNanoseconds: number;
  /** Memory without inactive file pages. */
  readonly workingSetBytes: number;
}

export interface ImageState {
  readonly id: string;
  /** Names and digests. */
  readonly names: readonly string[];
  readonly sizeBytes: number;
  /** The user of its processes, `USER[:GROUP]` by name or number; empty: root. Absent in lists. */
  readonly user?: string;
}

/** `/etc/passwd` and `/etc/group` of an image; empty when the file is missing. */
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
  /** One output, on stdout, with a size. For an attachment the container's spec decides. */
  readonly tty: boolean;
}

/** The streams of a process. The process waits while its output is not read. */
export interface ProcessStream {
  /** In the order it was written; ends with the process. */
  readonly output: AsyncIterable<{ readonly source: 'stdout' | 'stderr'; readonly data: Uint8Array }>;
  /** Resolves when the process can take more; rejects when it takes no more. */
  write(data: Uint8Array): Promise<void>;
  /** Ends the input; the output goes on. The input of a container's process ends only with `stdinOnce`. */
  endInput(): void;
  resize(size: { readonly width: number; readonly height: number }): Promise<void>;
  /** Call it when the output has ended. Undefined for an attachment. */
  exitCode(signal: AbortSignal): Promise<number | undefined>;
  /** Kills the command with its descendants; an attached container runs on. */
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
  /** Or the id of a sandbox. */
  readonly containerId: string;
  readonly podUid: string;
};

/**
 * `Conflict`: a name is in use. `Start`: the engine refused to run it. `Timeout`: a command ran longer than it may. `Refused`: no process
 * listens. `Unavailable`: the engine, or the network that it needs, does not work.
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
