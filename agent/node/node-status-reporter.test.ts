import { describe, expect, it } from 'vitest';
import { silentLog } from '../../shared/log.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import type { EngineInfo } from '../runtime/runtime.ts';
import { NodeStatusReporter } from './node-status-reporter.ts';

const identity = {
  name: 'node-1',
  address: '192.0.2.1',
  labels: {},
  taints: [],
  version: 'v1.32.0-coracle.1',
  machineId: 'machine',
  bootId: 'boot',
  maxPods: 110,
  reserved: { cpuMillis: 500, memoryBytes: 0 },
};
const engine = { cpus: 4, memoryBytes: 2 ** 33, kernelVersion: '6.1', security: {} } as unknown as EngineInfo;

class Scene {
  readonly clock = new VirtualClock();
  answers = true;
  clean = true;
  /** How often the capacity became known, with the capacity that pods saw then. */
  readonly known: number[] = [];
  readonly reporter: NodeStatusReporter = new NodeStatusReporter({
    node: identity,
    runtime: {
      info: async () => {
        if (!this.answers) throw new Error('no answer');
        return engine;
      },
      listImages: async () => [],
    },
    clock: this.clock,
    log: silentLog,
    pods: () => ({ engineUp: true, clean: this.clean }),
    capacityKnown: () => this.known.push(this.reporter.podFacts().allocatable.cpuMillis),
  });

  async register(): Promise<void> {
    await this.reporter.firstLook(new AbortController().signal);
    this.reporter.register();
    this.reporter.registered();
    this.reporter.take();
  }
}

describe('the status of the node', () => {
  it('has the capacity from its first look on, of which pods may know what is allocatable', async () => {
    const scene = new Scene();
    expect(scene.reporter.podFacts()).toMatchObject({ memoryCapacity: 0, allocatable: { cpuMillis: 0 } });
    await scene.register();
    expect(scene.known).toEqual([3_500]);
    expect(scene.reporter.podFacts()).toMatchObject({ memoryCapacity: 2 ** 33, allocatable: { cpuMillis: 3_500 } });
    expect(scene.reporter.status().capacity?.cpu).toBe('4');
  });

  it('has the capacity later when the engine does not answer the first look', async () => {
    const scene = new Scene();
    scene.answers = false;
    await scene.reporter.firstLook(new AbortController().signal);
    expect([scene.known, scene.reporter.features([])]).toEqual([[], undefined]);
    scene.answers = true;
    await scene.clock.advance(10_000);
    scene.reporter.tick();
    await scene.clock.advance(1);
    expect(scene.known).toEqual([3_500]);
  });

  it('is reported when it has changed, and not else within a minute', async () => {
    const scene = new Scene();
    await scene.register();
    expect(scene.reporter.take()).toBeUndefined();
    scene.clean = false;
    scene.reporter.podsChanged();
    expect(scene.reporter.tick()).toBe(true);
    const ready = scene.reporter.take()?.conditions?.find(({ type }) => type === 'Ready');
    expect(ready).toMatchObject({ status: 'False', reason: 'KubeletNotReady' });
    await scene.clock.advance(1);
    expect(scene.reporter.take()).toBeUndefined();
  });

  it('is reported once a minute though nothing has changed', async () => {
    const scene = new Scene();
    await scene.register();
    await scene.clock.advance(59_000);
    expect(scene.reporter.take()).toBeUndefined();
    await scene.clock.advance(1_000);
    expect(scene.reporter.tick()).toBe(true);
    expect(scene.reporter.take()).toBeDefined();
  });
});
