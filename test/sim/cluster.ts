import { createHash } from 'node:crypto';
import { createAgent } from '../../agent/agent.ts';
import { memoryCheckpoint } from '../../agent/checkpoint.ts';
import { noVolumes } from '../../agent/pod/volumes.ts';
import { FakeRuntime } from '../../agent/runtime/fake.ts';
import { FakeEngine } from '../../agent/runtime/fake-engine.ts';
import { type ControlPlane, createControlPlane } from '../../control-plane/control-plane.ts';
import { LivenessCore } from '../../control-plane/liveness/core.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import type { Store, StoreBatch } from '../../control-plane/store/store.ts';
import { ApiError } from '../../shared/errors.ts';
import { createLog, silentLog } from '../../shared/log.ts';
import { type Random, seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { SimNetwork } from './network.ts';

const cpusPerNode = 4;
/** SIM_LOG=debug shows what the parts say. */
const log = process.env.SIM_LOG ? createLog(process.env.SIM_LOG) : silentLog;

/**
 * A whole cluster in one process on a virtual clock: a store that never forgets, control planes that crash, hollow nodes that
 * lose power, and the network between them; all of it from one seed.
 */
export class SimCluster {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly network: SimNetwork;
  readonly store: MemoryStore;
  readonly nodes: SimNode[];
  controlPlane: ControlPlane | undefined;
  readonly #history = createHash('sha256');
  readonly #watching = new AbortController();
  #crash: (() => void) | undefined;

  /** `observe` sees every revision of the store as it is written. */
  constructor(seed: number, nodes: number, observe: (batch: StoreBatch) => void) {
    this.random = seededRandom(seed);
    this.network = new SimNetwork(this.clock, this.random);
    this.store = new MemoryStore({ clock: this.clock });
    this.nodes = Array.from({ length: nodes }, (_, index) => new SimNode(this, `node-${index}`));
    void this.#watch(observe);
  }

  /** A fingerprint of everything that was ever stored, in order. */
  get fingerprint(): string {
    return this.#history.copy().digest('hex');
  }

  /** A control plane's process starts on the store. */
  startControlPlane(): void {
    const stop = new AbortController();
    const { store, sever } = severable(this.store, stop.signal);
    const common = { store, clock: this.clock, random: this.random, log };
    const liveness = new LivenessCore({ ...common, server: 'server' });
    const controlPlane = createControlPlane({
      ...common,
      liveness,
      holder: 'server',
      clusterCIDR: '10.64.0.0/14',
    });
    this.#crash = () => {
      sever();
      stop.abort(new Error('crashed'));
      this.network.serverDied();
      this.controlPlane = undefined;
    };
    const running = controlPlane.run(stop.signal);
    running.catch(() => undefined);
    controlPlane.ready(stop.signal).then(
      () => {
        this.controlPlane = controlPlane;
        this.network.server = { sessions: controlPlane.sessions, heartbeats: liveness };
      },
      () => undefined,
    );
  }

  /** As kill -9: whatever it was about to write is not written. */
  crashControlPlane(): void {
    this.#crash?.();
    this.#crash = undefined;
  }

  stop(): void {
    for (const node of this.nodes) node.killAgent();
    this.crashControlPlane();
    this.#watching.abort();
  }

  async #watch(observe: (batch: StoreBatch) => void): Promise<void> {
    for await (const batch of this.store.watch('/coracle/registry/', 0, this.#watching.signal)) {
      this.#history.update(JSON.stringify(batch));
      observe(batch);
    }
  }
}

/** A machine with its engine, its disk, and an agent's process when it is on. */
export class SimNode {
  readonly name: string;
  readonly engine: FakeEngine;
  readonly #cluster: SimCluster;
  readonly #disk = new Map<string, string>();
  #stop: AbortController | undefined;
  #boots = 0;
  powered = true;

  constructor(cluster: SimCluster, name: string) {
    this.name = name;
    this.#cluster = cluster;
    this.engine = new FakeEngine(cluster, {
      images: 'all',
      cpus: cpusPerNode,
      sandboxMs: [20, 200],
      startMs: [20, 100],
    });
  }

  get running(): boolean {
    return this.#stop !== undefined;
  }

  startAgent(): void {
    if (this.#stop || !this.powered) return;
    const { clock, random, network } = this.#cluster;
    this.#stop = new AbortController();
    const agent = createAgent({
      transport: network.transportOf(this.name),
      runtime: new FakeRuntime(this.engine),
      volumes: noVolumes,
      checkpoint: memoryCheckpoint(this.#disk),
      dialers: { http: refuse, tcp: refuse, grpc: refuse },
      clock,
      random,
      log,
      node: {
        name: this.name,
        address: `192.0.2.${Number(this.name.slice(5)) + 1}`,
        labels: {},
        taints: [],
        version: 'v1.32.0-coracle',
        machineId: this.name,
        bootId: `${this.name}/${this.#boots}`,
        maxPods: 110,
        reserved: { cpuMillis: 0, memoryBytes: 0 },
      },
    });
    void agent.run(this.#stop.signal);
  }

  /** kill -9 of the agent: its containers run on. */
  killAgent(): void {
    this.#stop?.abort(new Error('killed'));
    this.#stop = undefined;
    this.#cluster.network.agentDied(this.name, false);
  }

  powerCut(): void {
    this.#cluster.network.agentDied(this.name, true);
    this.#stop?.abort(new Error('no power'));
    this.#stop = undefined;
    this.engine.powerCut();
    this.powered = false;
  }

  boot(): void {
    if (this.powered) return;
    this.powered = true;
    this.#boots++;
    this.startAgent();
  }
}

async function refuse(): Promise<never> {
  throw new Error('connect: connection refused');
}

/** The store as one process sees it: once it is severed, nothing of that process reaches it, and nothing comes back. */
function severable(store: Store, signal: AbortSignal): { store: Store; sever: () => void } {
  let severed = false;
  const guard = async <T>(call: () => Promise<T>): Promise<T> => {
    if (severed) throw new ApiError('ServiceUnavailable', 'the process is dead');
    const result = await call();
    if (severed) throw new ApiError('ServiceUnavailable', 'the process is dead');
    return result;
  };
  return {
    sever: () => {
      severed = true;
    },
    store: {
      get: (key) => guard(() => store.get(key)),
      list: (prefix, options) => guard(() => store.list(prefix, options)),
      txn: (txn) => guard(() => store.txn(txn)),
      txns: (txns) => guard(() => store.txns(txns)),
      watch: (prefix, from, watching) => store.watch(prefix, from, AbortSignal.any([signal, watching])),
      grantLease: (ttl) => guard(() => store.grantLease(ttl)),
      keepAlive: (lease) => guard(() => store.keepAlive(lease)),
      revokeLease: (lease) => guard(() => store.revokeLease(lease)),
      compact: (revision) => guard(() => store.compact(revision)),
      close: async () => undefined,
    },
  };
}
