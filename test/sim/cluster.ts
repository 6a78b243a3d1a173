import { createHash } from 'node:crypto';
import { Registry } from 'prom-client';
import { type ControlPlane, createControlPlane } from '../../control-plane/control-plane.ts';
import { LivenessCore } from '../../control-plane/liveness/core.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import { createLog, silentLog } from '../../shared/log.ts';
import { type Random, seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { Recorder } from './history.ts';
import { SimNetwork } from './network.ts';
import { SimNode } from './node.ts';
import { ProcessStore } from './process-store.ts';

/** SIM_LOG=debug shows what the parts say. */
const log = process.env.SIM_LOG ? createLog(process.env.SIM_LOG) : silentLog;
/** So few recent changes that watches that fall behind a little lose a stretch. */
const watchWindow = 64;

/**
 * A whole cluster in one process on a virtual clock: a store that never forgets, servers that crash, hollow nodes that lose power, and
 * the network between them; all of it from one seed.
 */
export class SimCluster {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly network: SimNetwork;
  readonly store: MemoryStore;
  readonly nodes: readonly SimNode[];
  readonly servers: readonly SimServerProcess[];
  readonly history: Recorder;
  readonly #fingerprint = createHash('sha256');
  readonly #watching = new AbortController();

  constructor(seed: number, size: { readonly nodes: number; readonly servers: number }) {
    this.random = seededRandom(seed);
    this.network = new SimNetwork(this.clock, this.random);
    this.store = new MemoryStore({ clock: this.clock });
    this.history = new Recorder(() => this.clock.monotonic());
    this.nodes = Array.from({ length: size.nodes }, (_, index) => new SimNode({ ...this.#common() }, index));
    this.servers = Array.from({ length: size.servers }, (_, index) => new SimServerProcess(this, `server-${index}`));
    void this.#watch();
  }

  /** A fingerprint of everything that was ever stored, in order. */
  get fingerprint(): string {
    return this.#fingerprint.copy().digest('hex');
  }

  /** Servers that serve requests. */
  get serving(): readonly SimServerProcess[] {
    return this.servers.filter(({ controlPlane }) => controlPlane);
  }

  look(): void {
    const at = this.clock.monotonic();
    this.history.looks.push(...this.nodes.map((node) => node.look(at)));
  }

  stop(): void {
    for (const node of this.nodes) node.killAgent();
    for (const server of this.servers) server.crash();
    this.#watching.abort();
  }

  #common() {
    return { clock: this.clock, random: this.random, network: this.network, log };
  }

  async #watch(): Promise<void> {
    for await (const batch of this.store.watch('/coracle/registry/', 0, this.#watching.signal)) {
      this.#fingerprint.update(JSON.stringify(batch));
      this.history.observe(batch);
    }
  }
}

/** One server of several on the store: its process starts and crashes. */
export class SimServerProcess {
  readonly name: string;
  readonly #cluster: SimCluster;
  #process: { readonly store: ProcessStore; readonly registry: Registry; readonly dead: AbortController } | undefined;
  /** Set while it serves requests. */
  controlPlane: ControlPlane | undefined;

  constructor(cluster: SimCluster, name: string) {
    this.#cluster = cluster;
    this.name = name;
  }

  get running(): boolean {
    return this.#process !== undefined;
  }

  /** Its way to the store, while it runs. */
  get store(): ProcessStore | undefined {
    return this.#process?.store;
  }

  start(): void {
    if (this.#process) return;
    const { store: shared, clock, random, network, history } = this.#cluster;
    const dead = new AbortController();
    const registry = new Registry();
    const wrote = (revision: number, unanswered: boolean): void => history.wrote(revision, this.name, unanswered);
    const store = new ProcessStore({ store: shared, clock, random, wrote }, dead.signal);
    this.#process = { store, registry, dead };
    const common = { store, clock, random, log };
    const liveness = new LivenessCore({ ...common, server: this.name });
    const controlPlane = createControlPlane({
      ...common,
      liveness,
      metrics: registry,
      holder: this.name,
      clusterCIDR: '10.64.0.0/14',
      watchWindow,
    });
    controlPlane.run(dead.signal).catch(() => undefined);
    controlPlane.ready(dead.signal).then(
      () => {
        this.controlPlane = controlPlane;
        network.servers.set(this.name, { sessions: controlPlane.sessions, heartbeats: liveness });
      },
      () => {
        // It could not begin: it ends, as the program does, and is started again by its supervisor.
        if (this.#process?.dead === dead) this.crash();
      },
    );
  }

  /** As kill -9: whatever it was about to write is not written. */
  crash(): void {
    this.#process?.dead.abort(new Error('crashed'));
    this.#process = undefined;
    this.controlPlane = undefined;
    this.#cluster.network.serverDied(this.name);
  }

  /** One of its metrics, by the values of its labels. */
  async metric(name: string): Promise<ReadonlyMap<string, number>> {
    const values = (await this.#process?.registry.getSingleMetric(name)?.get())?.values ?? [];
    return new Map(values.map(({ labels, value }) => [Object.values(labels).join(','), value]));
  }
}
