import { fraction, randomInt } from '../../shared/random.ts';
import type { SimCluster, SimServerProcess } from './cluster.ts';
import type { SimNode } from './node.ts';
import { fairWeather, type StoreWeather } from './process-store.ts';

/** Throws faults at a cluster, each of which ends by itself after a while. */
export class Faults {
  readonly #cluster: SimCluster;

  constructor(cluster: SimCluster) {
    this.#cluster = cluster;
  }

  /** One thing that happens to a machine or to what it runs. */
  strikeNode(): void {
    const { nodes, network, random, history } = this.#cluster;
    const node = this.#one(nodes) as SimNode;
    const chance = randomInt(random, 100);
    if (chance < 10)
      this.#for(
        15_000,
        () => node.powerCut(),
        () => node.boot(),
        node.powered,
      );
    else if (chance < 22)
      this.#for(
        12_000,
        () => network.cut(node.name),
        () => network.heal(node.name),
      );
    else if (chance < 34)
      this.#for(
        8_000,
        () => node.killAgent(),
        () => node.startAgent(),
        node.running,
      );
    else if (chance < 42)
      this.#for(
        6_000,
        () => node.engine.setAnswering(false),
        () => node.engine.setAnswering(true),
      );
    else if (chance < 52)
      this.#for(
        10_000,
        () => this.#closeRegistry(node),
        () => this.#openRegistry(node),
      );
    else if (chance < 60) {
      const byMs = Math.round((fraction(random) - 0.5) * 600_000);
      node.clock.aheadMs += byMs;
      if (byMs < 0) history.setBack.add(node.name);
    } else if (chance < 88) this.#endContainer(node);
    else {
      const sandbox = this.#one([...node.engine.sandboxes.values()]);
      if (sandbox) node.engine.killSandbox(sandbox.id);
    }
  }

  /** One thing that happens to a server or its way to the store. */
  strikeServer(): void {
    const { servers, random, store } = this.#cluster;
    const server = this.#one(servers) as SimServerProcess;
    const chance = randomInt(random, 100);
    if (chance < 12)
      this.#for(
        8_000,
        () => server.crash(),
        () => server.start(),
        server.running,
      );
    else if (chance < 22) this.#cutFromStore(server);
    else if (chance < 40) this.#hold(server, () => undefined);
    // What a watch needs is forgotten while it stands still: a stretch is lost.
    else if (chance < 52) this.#hold(server, () => server.store?.watches.overrun());
    else if (chance < 56) server.store?.watches.cut();
    else if (chance < 64) this.#weather(server, { watchDelayMs: 60 });
    else if (chance < 72) this.#weather(server, { delayMs: 400 });
    else if (chance < 82) this.#weather(server, { unanswered: 0.2 });
    else if (chance < 92) this.#weather(server, { failing: 0.3 });
    else void store.list('/coracle/').then(({ revision }) => store.compact(revision));
  }

  /** Ends everything that is still wrong. */
  end(): void {
    const { nodes, servers, network } = this.#cluster;
    for (const node of nodes) {
      network.heal(node.name);
      node.engine.setAnswering(true);
      this.#openRegistry(node);
      node.boot();
      node.startAgent();
    }
    for (const server of servers) {
      this.#clear(server);
      server.start();
    }
  }

  #endContainer(node: SimNode): void {
    const running = [...node.engine.containers.values()].filter(({ state }) => state === 'running');
    const victim = this.#one(running);
    const oom = fraction(this.#cluster.random) < 0.3;
    if (victim) node.engine.exit(victim.id, oom ? 137 : randomInt(this.#cluster.random, 2), { oom });
  }

  #closeRegistry(node: SimNode): void {
    node.registry = false;
    for (const image of node.engine.images()) for (const name of image.names) node.engine.removeImage(name);
  }

  #openRegistry(node: SimNode): void {
    node.registry = true;
  }

  #cutFromStore(server: SimServerProcess): void {
    const { store } = server;
    if (!store) return;
    store.weather.cut = true;
    const release = store.watches.hold();
    this.#later(10_000, () => {
      store.weather.cut = false;
      release();
    });
  }

  /** No watch of a server stands still for longer than this, in milliseconds (oracles/facts.ts, `seenWithinMs`). */
  #hold(server: SimServerProcess, atEnd: () => void): void {
    const { store } = server;
    if (!store) return;
    const release = store.watches.hold();
    this.#later(3_000, () => {
      atEnd();
      release();
    });
  }

  #weather(server: SimServerProcess, weather: Partial<StoreWeather>): void {
    const { store } = server;
    if (!store) return;
    Object.assign(store.weather, weather);
    this.#later(5_000, () => this.#clear(server));
  }

  #clear(server: SimServerProcess): void {
    if (server.store) Object.assign(server.store.weather, fairWeather);
  }

  #for(mostMs: number, begin: () => void, end: () => void, may = true): void {
    if (!may) return;
    begin();
    this.#later(mostMs, end);
  }

  #later(mostMs: number, end: () => void): void {
    const { clock, random } = this.#cluster;
    clock.timer(500 + fraction(random) * (mostMs - 500), end);
  }

  #one<T>(all: readonly T[]): T | undefined {
    return all[randomInt(this.#cluster.random, Math.max(1, all.length))];
  }
}
