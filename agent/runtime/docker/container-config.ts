import type { ContainerCreateOptions, HostConfig, MountSettings } from 'dockerode';
import type { ContainerSpec, Mount, Resources, SandboxSpec } from '../runtime.ts';
import { containerLabels, containerName, sandboxLabels, sandboxName } from './labels.ts';
import { ownNetwork, sandboxCommand } from './sandbox-image.ts';

/** One period of the CPU controller, in microseconds; Kubernetes' value. */
const cpuPeriod = 100_000;
/** The kernel's minimum, in microseconds. */
const minCpuQuota = 1_000;
const minCpuShares = 2;
/** Docker's minimum, in bytes. */
const minMemory = 6 * 2 ** 20;
/** The OOM score of a sandbox, which is killed last of the pod; Kubernetes' value. */
const sandboxOomScore = -998;

export interface EngineOptions {
  /** Separates the agents that share an engine. */
  readonly scope: string;
  /** The engine's name of the OCI runtime (`runc`, `crun`); absent: the engine's default. */
  readonly runtimeName?: string;
  readonly cgroupParent?: string;
  /** Size of a log file, in Docker's notation, and the number of files. */
  readonly logMaxSize: string;
  readonly logMaxFiles: number;
  /** The lowest score that the engine has the privilege for: -1000 to 0. */
  readonly minOomScoreAdj: number;
}

/** Files of the pod that are mounted in its containers. */
export type PodFiles = Readonly<Record<'/etc/hosts' | '/etc/hostname' | '/etc/resolv.conf', string | undefined>>;

/** The engine's configuration of a sandbox. */
export function sandboxConfig(spec: SandboxSpec, image: string, options: EngineOptions): ContainerCreateOptions {
  const privateNetwork = !spec.hostNetwork;
  return {
    name: sandboxName(spec),
    Image: image,
    Entrypoint: privateNetwork ? [sandboxCommand, ownNetwork] : [sandboxCommand],
    ...(privateNetwork ? { Hostname: spec.hostname } : {}),
    Labels: { ...sandboxLabels(options.scope, spec) },
    HostConfig: {
      ...common(options),
      LogConfig: { Type: 'none', Config: {} },
      // The program moves into a namespace of its own, and drops these capabilities: see sandbox-image.ts.
      NetworkMode: 'host',
      CapDrop: ['ALL'],
      CapAdd: ['SETPCAP', 'SETUID', 'SETGID', ...(privateNetwork ? ['SYS_ADMIN'] : [])],
      ...(privateNetwork ? {} : { UTSMode: 'host' }),
      IpcMode: spec.hostIPC ? 'host' : 'shareable',
      ...(spec.hostPID ? { PidMode: 'host' } : {}),
      ReadonlyRootfs: true,
      CpuShares: minCpuShares,
      OomScoreAdj: Math.max(sandboxOomScore, options.minOomScoreAdj),
      Sysctls: Object.fromEntries(Object.entries(spec.sysctls).filter(([name]) => !isNetworkSysctl(name))),
    },
  };
}

/** Whether a sysctl belongs to the network namespace: the pod network sets it. */
export function isNetworkSysctl(name: string): boolean {
  return /^net[./]/.test(name);
}

/** The engine's configuration of a container. */
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
    // The agent probes.
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
      // Explicit, as log-files.ts reads uncompressed files, whatever the engine's defaults are.
      Config: { 'max-size': options.logMaxSize, 'max-file': String(options.logMaxFiles), compress: 'false' },
    },
    ...(options.runtimeName ? { Runtime: options.runtimeName } : {}),
    ...(options.cgroupParent ? { CgroupParent: options.cgroupParent } : {}),
  };
}

/** The engine's update of a running container; absent limits are removed. */
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
    // Both the same: pods have no swap.
    ...(memory ? { Memory: memory, MemorySwap: memory } : {}),
    ...(oomScoreAdj === undefined ? {} : { OomScoreAdj: Math.max(minOomScoreAdj, oomScoreAdj) }),
  };
}

/** The pod's files, except where the container mounts its own. */
function podMounts(spec: ContainerSpec, files: PodFiles): Mount[] {
  return Object.entries(files).flatMap(([target, source]) =>
    source === undefined || spec.mounts.some((mount) => mount.target === target)
      ? []
      : [{ source, target, readOnly: spec.readOnlyRootFilesystem }],
  );
}

/** Without a propagation the engine makes mounts private, and refuses one above its own directory, such as `/`. */
function mountSettings({ source, target, readOnly, propagation = 'private' }: Mount): MountSettings {
  return {
    Type: 'bind',
    Source: source,
    Target: target,
    ReadOnly: readOnly,
    ...(propagation === 'private' ? {} : { BindOptions: { Propagation: propagation } }),
  };
}
