import { createAgent } from '../../agent/agent.ts';
import { memoryCheckpoint } from '../../agent/checkpoint/checkpoint.ts';
import { FakeEngine } from '../../agent/runtime/fake/engine.ts';
import { FakeRuntime } from '../../agent/runtime/fake/fake.ts';
import { hollowVolumes } from '../../agent/volumes/hollow-volumes.ts';
import { type Clock, sleepOn, type Timer } from '../../shared/clock.ts';
import type { Log } from '../../shared/log.ts';
import type { Random } from '../../shared/random.ts';
import type { EngineLook } from './history.ts';
import type { SimNetwork } from './network.ts';

const cpus = 4;

/** A machine's clock: its wall clock can be set, its monotonic one cannot. */
export class MachineClock implements Clock {
  readonly #clock: Clock;
  /** Milliseconds that the wall clock is ahead of the true time. */
  aheadMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now() + this.aheadMs;
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  timer(ms: number, fire: () => void): Timer {
    return this.#clock.timer(ms, fire);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }
}

export interface SimNodeDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: SimNetwork;
  readonly log: Log;
}

/** A machine with its clock, its engine, its disk, and an agent's process when it is on. */
export class SimNode {
  readonly name: string;
  readonly clock: MachineClock;
  readonly engine: FakeEngine;
  readonly #deps: SimNodeDeps;
  readonly #index: number;
  readonly #disk = new Map<string, string>();
  #stop: AbortController | undefined;
  #boots = 0;
  powered = true;
  /** Whether pulls from the registry succeed. */
  registry = true;

  constructor(deps: SimNodeDeps, index: number) {
    this.name = `node-${index}`;
    this.#deps = deps;
    this.#index = index;
    this.clock = new MachineClock(deps.clock);
    this.engine = new FakeEngine(
      { clock: this.clock, random: deps.random },
      {
        cpus,
        images: [],
        inRegistry: (image) => this.registry && !image.includes('missing'),
        sandboxMs: [20, 200],
        startMs: [20, 100],
        stopMs: [0, 300],
        pullMs: [50, 800],
      },
    );
  }

  get running(): boolean {
    return this.#stop !== undefined;
  }

  startAgent(): void {
    if (this.#stop || !this.powered) return;
    const { random, network, log } = this.#deps;
    this.#stop = new AbortController();
    const agent = createAgent({
      transport: network.transportOf(this.name),
      runtime: new FakeRuntime(this.engine),
      volumes: hollowVolumes,
      checkpoint: memoryCheckpoint(this.#disk),
      dialers: { http: refuse, tcp: refuse, grpc: refuse },
      clock: this.clock,
      random,
      log,
      node: {
        name: this.name,
        address: `192.0.2.${this.#index + 1}`,
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
    this.#deps.network.agentDied(this.name, false);
  }

  powerCut(): void {
    this.#deps.network.agentDied(this.name, true);
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

  look(at: number): EngineLook {
    const { sandboxes, containers } = this.engine;
    const running = [...containers.values()].filter(({ state }) => state === 'running');
    return {
      at,
      node: this.name,
      sandboxes: [...sandboxes.values()].map(({ spec }) => spec.pod.uid),
      running: running.map(({ spec }) => ({ uid: spec.pod.uid, container: spec.name })),
    };
  }
}

async function refuse(): Promise<never> {
  throw new Error('connect: connection refused');
}
