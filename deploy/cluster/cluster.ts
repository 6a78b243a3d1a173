import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { Clock } from '../../shared/clock.ts';
import type { Node } from '../../shared/generated/types.ts';
import { isNodeReady } from '../../shared/node.ts';
import {
  agentCommand,
  type ControlPlanePorts,
  joinToken,
  listNodes,
  serverCommand,
  whenReady,
} from './control-plane.ts';
import { engineAt, engineReady, loadImage } from './engine.ts';
import { hollowHosting } from './hollow.ts';
import type { Hosting } from './hosting.ts';
import { programLog } from './machine.ts';
import { chooseRuntime, machineHosting } from './machines.ts';
import { chooseNetworks } from './network.ts';
import { type ClusterPlan, clusterId, type MachinePlan, planCluster, slotNetworks } from './plan.ts';
import { waitFor } from './process.ts';
import { type RestApi, restApi } from './rest.ts';
import {
  type ClusterFile,
  type ClusterNode,
  clearDirectory,
  isUsed,
  openDirectory,
  type PlanFile,
  readCluster,
  readPlan,
  writeCluster,
  writePlan,
} from './state.ts';

/** Clusters on one machine, for `npm run cluster`, the demo and the tests. */

export interface ClusterDeps {
  readonly clock: Clock;
  /** Gets a line per step. */
  readonly say: (line: string) => void;
}

export interface UpOptions {
  readonly dir: string;
  readonly nodes: number;
  readonly runtime?: 'docker' | 'fake';
  /** Address ranges; absent: free ones. */
  readonly machineCIDR?: string;
  readonly podCIDR?: string;
  readonly logLevel?: string;
}

const controlPlanePorts: ControlPlanePorts = { restPort: 6443, grpcPort: 6444, heartbeatPort: 6445 };
const controlPlaneDeadlineMs = 60_000;
const engineDeadlineMs = 60_000;
const nodesDeadlineMs = 90_000;

/**
 * Makes a cluster in a directory; resolves when all nodes are ready. A cluster that did not start is left for inspection; `down` removes
 * it.
 */
export async function up(options: UpOptions, deps: ClusterDeps): Promise<ClusterFile> {
  const { clock, say } = deps;
  const { runtime = 'docker', logLevel = 'info' } = options;
  const dir = openDirectory(options.dir);
  if (isUsed(dir)) throw new Error(`there is a cluster in ${dir} already: take it down first`);
  const file = await prepare(dir, { ...options, runtime });
  const { plan } = file;
  const hosting = hostingOf(file, clock);
  const [controlPlane, ...nodes] = plan.machines;
  if (controlPlane === undefined) throw new Error('a plan without machines');
  writePlan(dir, file);

  await hosting.create();
  const ports = runtime === 'docker' ? controlPlanePorts : await freePorts();
  const dataDir = join(controlPlane.dir, 'data');
  await hosting.powerOn(controlPlane);
  await hosting.install(
    controlPlane,
    'server',
    serverCommand({ dataDir, address: controlPlane.address, ...ports, podCIDR: plan.podCIDR, logLevel }),
  );
  say(`control plane on ${controlPlane.address}`);
  await allDone(
    nodes.map(async (machine) => {
      await hosting.installEngine(machine);
      await hosting.powerOn(machine);
    }),
  );
  const log = (): string => programLog(controlPlane, 'server');
  const { access, kubeconfig, api } = await whenReady(dataDir, clock, controlPlaneDeadlineMs, log);
  try {
    say('control plane ready');
    const join = { server: access.grpc, ...(await joinToken(api, access.ca, clock)) };
    await allDone(
      nodes.map((machine) =>
        hosting.install(machine, 'agent', agentCommand({ ...join, ...ofMachine(machine, runtime), runtime, logLevel })),
      ),
    );
    const ready = await whenNodesReady(api, nodes, clock);
    await allDone(
      nodes.map(async (machine) => {
        const podCIDR = ready.find((node) => node.metadata.name === machine.name)?.spec?.podCIDR;
        if (podCIDR !== undefined) await hosting.routePods(machine, podCIDR);
      }),
    );
    say(`${nodes.length} nodes ready`);
  } finally {
    api.close();
  }
  const listed = nodes.map(
    ({ name, address, engine }): ClusterNode => ({ name, address, ...(runtime === 'docker' ? { engine } : {}) }),
  );
  return writeCluster(dir, file, access, kubeconfig, listed);
}

/** Removes a cluster, also an incomplete one. True when there was one. */
export async function down(dir: string, deps: ClusterDeps): Promise<boolean> {
  const path = openDirectory(dir);
  const file = readPlan(path);
  if (file !== undefined) await hostingOf(file, deps.clock).destroy();
  clearDirectory(path);
  return file !== undefined;
}

/** A cluster that is up. Node K is counted from 1; 0 is the control plane's machine. */
export interface Cluster {
  readonly file: ClusterFile;
  /** An administrator's connection; the caller closes it. */
  connect(): RestApi;
  machine(index: number): MachinePlan;
  engine(index: number): Docker;
  /** A power cut. */
  kill(index: number): Promise<void>;
  /** Power on, with the same disk. Resolves when the machine runs, before its node is ready. */
  boot(index: number): Promise<void>;
  partition(index: number): Promise<void>;
  heal(index: number): Promise<void>;
  /** Puts an image archive (`docker save`) into every node's engine. */
  load(archive: () => NodeJS.ReadableStream | Promise<NodeJS.ReadableStream>): Promise<void>;
}

export function openCluster(dir: string, deps: ClusterDeps): Cluster {
  return clusterOf(readCluster(openDirectory(dir)), deps);
}

export function clusterOf(file: ClusterFile, { clock }: ClusterDeps): Cluster {
  const hosting = hostingOf(file, clock);
  const machine = (index: number): MachinePlan => {
    const found = file.plan.machines[index];
    if (found === undefined) throw new Error(`there is no node ${index}: nodes are 1 to ${file.nodes.length}`);
    return found;
  };
  const engine = (index: number): Docker => {
    if (file.runtime === 'fake') throw new Error('hollow nodes have no engines');
    return engineAt(machine(index).engine);
  };
  return {
    file,
    machine,
    engine,
    connect: () =>
      restApi({
        url: file.rest,
        ca: readFileSync(file.ca, 'utf8'),
        cert: readFileSync(file.cert, 'utf8'),
        key: readFileSync(file.key, 'utf8'),
      }),
    kill: (index) => hosting.powerCut(machine(index)),
    boot: (index) => hosting.powerOn(machine(index)),
    partition: (index) => hosting.setCable(machine(index), 'down'),
    heal: (index) => hosting.setCable(machine(index), 'up'),
    async load(archive) {
      await allDone(
        file.nodes.map(async (_, i) => {
          const target = engine(i + 1);
          await engineReady(target, clock, engineDeadlineMs);
          await loadImage(target, await archive());
        }),
      );
    },
  };
}

async function prepare(dir: string, options: UpOptions & { runtime: 'docker' | 'fake' }): Promise<PlanFile> {
  const { nodes, runtime } = options;
  if (runtime === 'fake') {
    const plan = planCluster({ dir, nodes, ...slotNetworks(0) });
    const machines = plan.machines.map((machine) => ({ ...machine, address: '127.0.0.1' }));
    return { plan: { ...plan, machines }, runtime, containerRuntime: { name: 'fake' } };
  }
  if (process.getuid?.() !== 0) {
    throw new Error('machines are made of namespaces, which only root can make; --runtime fake needs no rights');
  }
  const free = await chooseNetworks(clusterId(dir));
  const plan = planCluster({
    dir,
    nodes,
    machineCIDR: options.machineCIDR ?? free.machineCIDR,
    podCIDR: options.podCIDR ?? free.podCIDR,
  });
  return { plan, runtime, containerRuntime: await chooseRuntime() };
}

function hostingOf(file: PlanFile, clock: Clock): Hosting {
  return file.runtime === 'fake'
    ? hollowHosting(file.plan, clock)
    : machineHosting(file.plan, file.containerRuntime, clock);
}

function ofMachine(
  machine: MachinePlan,
  runtime: 'docker' | 'fake',
): { nodeName: string; nodeAddress: string; dataDir: string; engine?: string } {
  return {
    nodeName: machine.name,
    nodeAddress: machine.address,
    dataDir: join(machine.dir, 'agent'),
    ...(runtime === 'docker' ? { engine: machine.engine } : {}),
  };
}

async function whenNodesReady(api: RestApi, machines: ClusterPlan['machines'], clock: Clock): Promise<Node[]> {
  let missing = machines.map(({ name }) => name);
  try {
    return await waitFor(
      'all nodes are ready',
      nodesDeadlineMs,
      clock,
      async () => {
        const nodes = await listNodes(api);
        missing = machines
          .map(({ name }) => name)
          .filter((name) => !nodes.some((node) => node.metadata.name === name && isNodeReady(node)));
        return missing.length === 0 ? nodes : undefined;
      },
      50,
    );
  } catch (error) {
    const first = machines.find(({ name }) => name === missing[0]);
    const log = first === undefined ? '' : `\n${programLog(first, 'agent')}\n${programLog(first, 'init')}`;
    throw new Error(`${(error as Error).message}: not ready: ${missing.join(', ')}${log}`);
  }
}

/** Resolves when all have ended; rejects with the first error. */
async function allDone(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

async function freePorts(): Promise<ControlPlanePorts> {
  const [restPort, grpcPort, heartbeatPort] = await Promise.all([freePort(), freePort(), freePort()]);
  return { restPort, grpcPort, heartbeatPort };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
