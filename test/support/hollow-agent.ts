import { type AgentDeps, createAgent } from '../../agent/agent.ts';
import { memoryCheckpoint } from '../../agent/checkpoint/checkpoint.ts';
import type { Dialers } from '../../agent/probes/dialers.ts';
import { FakeEngine, type FakeEngineOptions } from '../../agent/runtime/fake/engine.ts';
import { FakeRuntime } from '../../agent/runtime/fake/fake.ts';
import { hollowVolumes } from '../../agent/volumes/hollow-volumes.ts';
import type { Container, Pod, PodSpec } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { ScriptedControlPlane } from './node-session.ts';

/** One hollow node on a virtual clock: an engine, a control plane of its own, and an agent that can be killed. */
export class HollowNode {
  readonly clock = new VirtualClock();
  readonly random = seededRandom(1);
  readonly engine: FakeEngine;
  readonly server = new ScriptedControlPlane();
  readonly checkpoint = new Map<string, string>();
  /** What survives the agent, and not a power cut. */
  readonly volatile = new Map<string, string>();
  /** What dials find: by port, a status or a refusal. */
  readonly answers = new Map<number, number>();
  /** How long an answer takes, milliseconds. */
  dialMs = 0;
  #stop: AbortController | undefined;

  constructor(options: FakeEngineOptions = { images: 'all' }) {
    this.engine = new FakeEngine({ clock: this.clock, random: this.random }, options);
  }

  /** Starts the agent's process. */
  start(more: Partial<AgentDeps> = {}): ReturnType<typeof createAgent> {
    const stop = new AbortController();
    this.#stop = stop;
    const agent = createAgent({
      transport: this.server.transport,
      runtime: new FakeRuntime(this.engine),
      volumes: hollowVolumes,
      checkpoint: memoryCheckpoint(this.checkpoint),
      volatile: memoryCheckpoint(this.volatile),
      dialers: this.#dialers,
      clock: this.clock,
      random: this.random,
      log: silentLog,
      node: {
        name: 'node-1',
        address: '192.0.2.1',
        labels: {},
        taints: [],
        version: 'v1.32.0-coracle.1',
        machineId: 'machine',
        bootId: 'boot',
        maxPods: 110,
        reserved: { cpuMillis: 0, memoryBytes: 0 },
      },
      ...more,
    });
    void agent.run(stop.signal);
    return agent;
  }

  /** The process dies; the engine and the checkpoint stay as they are. */
  kill(): void {
    this.#stop?.abort();
    this.server.cut();
  }

  /** Moves on until `check` holds. Throws after `ms` virtual milliseconds. */
  async until(check: () => boolean, ms = 60_000): Promise<void> {
    if (!(await this.clock.advanceUntil(check, ms, 20))) throw new Error(`it did not come to hold: ${check}`);
  }

  status(name: string) {
    return this.server.statuses.get(name);
  }

  /** Container names that run, by the engine. */
  running(): string[] {
    return [...this.engine.containers.values()]
      .filter(({ state }) => state === 'running')
      .map(({ spec }) => spec.name)
      .sort();
  }

  get #dialers(): Dialers {
    const answer = async (port: number): Promise<number> => {
      if (this.dialMs > 0) await this.clock.sleep(this.dialMs);
      const status = this.answers.get(port);
      if (status === undefined) throw new Error('connect: connection refused');
      return status;
    };
    return {
      http: async ({ port }) => ({ status: await answer(port), body: '' }),
      tcp: async (_host, port) => void (await answer(port)),
      grpc: async (_host, port) => ((await answer(port)) === 200 ? 'SERVING' : 'NOT_SERVING'),
    };
  }
}

export function container(name: string, more: Partial<Container> = {}): Container {
  return { name, image: 'example/app:1', ...more };
}

export function makePod(name: string, spec: Partial<PodSpec> = {}, more: Partial<Pod['metadata']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...more,
    },
    spec: { containers: [container('app')], nodeName: 'node-1', ...spec },
  };
}
