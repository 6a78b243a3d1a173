import { existsSync, mkdirSync, readFileSync, realpathSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterAccess } from '../../shared/pki/kubeconfig.ts';
import type { ContainerRuntime } from './machine.ts';
import type { ClusterPlan } from './plan.ts';

/** `DIR/cluster.json`: how to use the cluster, and the tool's own state. */
export interface ClusterFile {
  /** `https://10.128.0.10:6443` */
  readonly rest: string;
  /** `https://10.128.0.10:6444` */
  readonly grpc: string;
  /** Paths of an administrator's PEM files. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly kubeconfig: string;
  readonly nodes: readonly ClusterNode[];
  readonly runtime: 'docker' | 'fake';
  readonly containerRuntime: ContainerRuntime;
  readonly plan: ClusterPlan;
}

export interface ClusterNode {
  readonly name: string;
  readonly address: string;
  /** Unix socket of the node's Docker engine; absent on hollow nodes. */
  readonly engine?: string;
}

/** The state of a cluster that is not up yet: enough to remove it. */
export type PlanFile = Pick<ClusterFile, 'plan' | 'runtime' | 'containerRuntime'>;

const clusterFile = 'cluster.json';
const planFile = 'plan.json';
const ours = [clusterFile, planFile, 'kubeconfig', 'ca.crt', 'admin.crt', 'admin.key', 'machines'];

/** The directory's real path: the cluster's name follows from it. */
export function openDirectory(dir: string): string {
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  return realpathSync(dir);
}

export function isUsed(dir: string): boolean {
  return existsSync(join(dir, planFile));
}

export function writePlan(dir: string, file: PlanFile): void {
  writeJson(join(dir, planFile), file);
}

export function readPlan(dir: string): PlanFile | undefined {
  return readJson<PlanFile>(join(dir, planFile));
}

/** Writes the administrator's files, then cluster.json, which marks the cluster as up. */
export function writeCluster(
  dir: string,
  file: PlanFile,
  access: ClusterAccess,
  kubeconfig: string,
  nodes: readonly ClusterNode[],
): ClusterFile {
  const path = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const cluster: ClusterFile = {
    rest: access.rest,
    grpc: `https://${access.grpc}`,
    ca: path('ca.crt', access.ca),
    cert: path('admin.crt', access.credentials?.certificate ?? ''),
    key: path('admin.key', access.credentials?.key ?? ''),
    kubeconfig: path('kubeconfig', kubeconfig),
    nodes,
    ...file,
  };
  writeJson(join(dir, clusterFile), cluster);
  return cluster;
}

/** Throws Error when there is no cluster in the directory. */
export function readCluster(dir: string): ClusterFile {
  const cluster = readJson<ClusterFile>(join(dir, clusterFile));
  if (cluster === undefined) throw new Error(`no cluster is up in ${dir}`);
  return cluster;
}

/** Removes the tool's files, and the directory if it is empty then. */
export function clearDirectory(dir: string): void {
  for (const name of ours) rmSync(join(dir, name), { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  try {
    rmdirSync(dir);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'EBUSY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 });
}
