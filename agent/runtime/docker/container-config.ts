import type { ContainerCreateOptions, HostConfig, MountSettings } from 'dockerode';
import type { ContainerSpec, Mount, Resources, SandboxSpec } from '../runtime.ts';
import { containerLabels, containerName, sandboxLabels, sandboxName } from './labels.ts';
import { ownNetwork, sandboxCommand } from './sandbox-image.ts';

/** One period of the CPU controller, in microseconds; Kubernetes' value. */
const cpuPeriod = 100_000;
/** What the kernel accepts at least, in microseconds. */
const minCpuQuota = 1_000;
const minCpuShares = 2;
/** What Docker accepts at least, in bytes. */
const minMemory = 6 * 2 ** 20;
/** Killed after everything in the pod; Kubernetes' value. */
const sandboxOomScore = -998;

export interface EngineOptions {
  /** Keeps the agents of one engine apart. */
  readonly scope: string;
  /** The OCI runtime, as the engine's configuration names it (`runc`, `crun`); absent: the engine's default. */
  readonly runtimeName?: string;
  readonly cgroupParent?: string;
  /** One log file's size, in Docker's notation, and how many are kept. */
  readonly logMaxSize: string;
  readonly logMaxFiles: number;
  /** Lower scores need a privilege that the engine may not have. -1000 to 0. */
  readonly minOomScoreAdj: number;
}

/** Files of the pod that its containers see under these names. */
export type PodFiles = Readonly<Record<'/etc/hosts' | '/etc/hostname' | '/etc/resolv.conf', string | undefined>>;

/** What the engine is asked to make of a sandbox. */
export function sandboxConfig(spec: SandboxSpec, image: string, options: EngineOptions): ContainerCreateOptions {
  const own = !spec.hostNetwork;
  return {
    name: sandboxName(spec),
    Image: image,
    Entrypoint: own ? [sandboxCommand, ownNetwork] : [sandboxCommand],
    ...(own ? { Hostname: spec.hostname } : {}),
    Labels: { ...sandboxLabels(options.scope, spec) },
    HostConfig: {
      ...common(options),
      LogConfig: { Type: 'none', Config: {} },
      // The program leaves the engine's namespace by itself, and gives up these capabilities: see sandbox-image.ts.
      NetworkMode: 'host',
      CapDrop: ['ALL'],
      CapAdd: ['SETPCAP', 'SETUID', 'SETGID', ...(own ? ['SYS_ADMIN'] : [])],
      ...(own ? {} : { UTSMode: 'host' }),
      IpcMode: spec.hostIPC ? 'host' : 'shareable',
      ...(spec.hostPID ? { PidMode: 'host' } : {}),
      ReadonlyRootfs: true,
      CpuShares: minCpuShares,
      OomScoreAdj: Math.max(sandboxOomScore, options.minOomScoreAdj),
      Sysctls: Object.fromEntries(Object.entries(spec.sysctls).filter(([name]) => !isNetworkSysctl(name))),
    },
  };
}

/** Whether a sysctl belongs to the network namespace, which is the pod network's to set. */
export function isNetworkSysctl(name: string): boolean {
  return /^net[./]/.test(name);
}

/** What the engine is asked to make of a container. */
export function containerConfig(
  sandboxId: string,
  sandbox: SandboxSpec,
  spec: ContainerSpec,
  files: PodFiles,
  options: EngineOptions,
): ContainerCreateOptions {
  const joined = `container:${sandboxId}`;
  return {
    name: containerName(spec),
    Image: spec.imageId ?? spec.image,
    ...(spec.command?.length ? { Entrypoint: [...spec.command] } : {}),
    ...(spec.args?.length ? { Cmd: [...spec.args] } : {}),
    ...(spec.workingDir ? { WorkingDir: spec.workingDir } : {}),
    ...(spec.user ? { User: spec.user } : {}),
    Env: spec.env.map(({ name, value }) => `${name}=${value}`),
    Tty: spec.tty,
    OpenStdin: spec.stdin,
    StdinOnce: spec.stdinOnce ?? false,
    // Probes are the agent's work.
    Healthcheck: { Test: ['NONE'] },
    Labels: { ...containerLabels(options.scope, sandboxId, spec) },
    HostConfig: {
      ...common(options),
      ...limits(spec.resources, options.minOomScoreAdj),
      NetworkMode: sandbox.hostNetwork ? 'host' : joined,
      ...(sandbox.hostNetwork ? { UTSMode: 'host' } : {}),
      IpcMode: sandbox.hostIPC ? 'host' : joined,
      ...pidMode(sandbox, spec, joined),
      Mounts: [...podMounts(spec, files), ...spec.mounts].map(mountSettings),
      Privileged: spec.privileged,
      ReadonlyRootfs: spec.readOnlyRootFilesystem,
      CapAdd: [...spec.capabilities.add],
      CapDrop: [...spec.capabilities.drop],
      GroupAdd: spec.supplementalGroups.map(String),
      SecurityOpt: securityOptions(spec),
    },
  };
}

function securityOptions({
  noNewPrivileges,
  confinement: { seccomp, appArmor, seLinux = [] } = {},
}: ContainerSpec): string[] {
  return [
    ...(noNewPrivileges ? ['no-new-privileges'] : []),
    ...(seccomp === undefined ? [] : [`seccomp=${seccomp}`]),
    ...(appArmor === undefined ? [] : [`apparmor=${appArmor}`]),
    ...seLinux.map((part) => `label=${part}`),
  ];
}

function pidMode(sandbox: SandboxSpec, spec: ContainerSpec, joined: string): HostConfig {
  if (sandbox.hostPID) return { PidMode: 'host' };
  if (sandbox.shareProcessNamespace) return { PidMode: joined };
  return spec.processesOf === undefined ? {} : { PidMode: `container:${spec.processesOf}` };
}

function common(options: EngineOptions): HostConfig {
  return {
    RestartPolicy: { Name: 'no' },
    LogConfig: {
      Type: 'json-file',
      // The engine's own settings would fill in what is left open: log-files.ts reads plain files.
      Config: { 'max-size': options.logMaxSize, 'max-file': String(options.logMaxFiles), compress: 'false' },
    },
    ...(options.runtimeName ? { Runtime: options.runtimeName } : {}),
    ...(options.cgroupParent ? { CgroupParent: options.cgroupParent } : {}),
  };
}

/** What the engine is asked to change of a running container: absent limits are taken off. */
export function updateConfig({ oomScoreAdj: _score, ...resources }: Resources): HostConfig {
  const none = { CpuQuota: -1, CpuPeriod: cpuPeriod };
  return { ...(resources.cpuLimitMillis ? {} : none), ...limits(resources, 0) };
}

function limits(resources: Resources, minOomScoreAdj: number): HostConfig {
  const { cpuShares, cpuLimitMillis, memoryLimitBytes, oomScoreAdj } = resources;
  const memory = memoryLimitBytes ? Math.max(minMemory, memoryLimitBytes) : undefined;
  return {
    ...(cpuShares ? { CpuShares: Math.max(minCpuShares, cpuShares) } : {}),
    ...(cpuLimitMillis
      ? { CpuPeriod: cpuPeriod, CpuQuota: Math.max(minCpuQuota, Math.round((cpuLimitMillis * cpuPeriod) / 1000)) }
      : {}),
    // The same for both: a pod gets no swap.
    ...(memory ? { Memory: memory, MemorySwap: memory } : {}),
    ...(oomScoreAdj === undefined ? {} : { OomScoreAdj: Math.max(minOomScoreAdj, oomScoreAdj) }),
  };
}

/** The pod's own files, except where the container brings its own. */
function podMounts(spec: ContainerSpec, files: PodFiles): Mount[] {
  return Object.entries(files).flatMap(([target, source]) =>
    source === undefined || spec.mounts.some((mount) => mount.target === target)
      ? []
      : [{ source, target, readOnly: spec.readOnlyRootFilesystem }],
  );
}

/** Left to itself the engine makes mounts private, but one above its own directory (`/`, say), which it refuses to. */
function mountSettings({ source, target, readOnly, propagation = 'private' }: Mount): MountSettings {
  return {
    Type: 'bind',
    Source: source,
    Target: target,
    ReadOnly: readOnly,
    ...(propagation === 'private' ? {} : { BindOptions: { Propagation: propagation } }),
  };
}
