import type { PodMemory } from '../../agent/pod/model.ts';
import { PodWorker, type WorkerDeps } from '../../agent/pod/worker.ts';
import { FakeEngine } from '../../agent/runtime/fake/engine.ts';
import { FakeRuntime } from '../../agent/runtime/fake/fake.ts';
import type { RuntimeEvent } from '../../agent/runtime/runtime.ts';
import { hollowVolumes } from '../../agent/volumes/hollow-volumes.ts';
import type { PodVolumes } from '../../agent/volumes/pod-volumes.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Pod, PodStatus } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import type { PodStatusUpdate } from '../../shared/session.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';

/** One pod's worker on an engine of its own, with everything around it recorded. */
export class WorkerScene {
  readonly clock = new VirtualClock();
  readonly engine = new FakeEngine({ clock: this.clock, random: seededRandom(1) }, { images: 'all' });
  readonly runtime = new FakeRuntime(this.engine);
  readonly reports: Array<{ readonly at: number; readonly update: PodStatusUpdate }> = [];
  readonly remembered: Array<{ readonly memory: PodMemory; readonly status: PodStatus | undefined }> = [];
  readonly events: string[] = [];
  readonly gone: string[] = [];
  resyncs = 0;
  /** Timers that have not fired. */
  timers = 0;
  mayStart = true;
  /** How often the worker has looked at its pod. */
  views = 0;
  volumes: PodVolumes = hollowVolumes;
  readonly worker: PodWorker;

  constructor(pod: Pod, memory?: PodMemory) {
    this.worker = new PodWorker(this.#deps(), pod, memory);
  }

  get status(): PodStatus | undefined {
    return this.reports.at(-1)?.update.status;
  }

  /** Containers that run, by the engine. */
  running(): string[] {
    return [...this.engine.containers.values()].flatMap(({ state, spec }) => (state === 'running' ? [spec.name] : []));
  }

  /** Shows the worker what the runtime has. */
  async look(): Promise<boolean> {
    const version = this.worker.version;
    const { sandboxes, containers } = await this.runtime.list();
    return this.worker.observe(sandboxes, containers, version);
  }

  /** The engine's news reach the worker from now on. */
  follow(signal = new AbortController().signal): void {
    const read = async (): Promise<void> => {
      for await (const event of this.runtime.events(signal)) await this.worker.onEvent(event);
    };
    void read().catch(() => undefined);
  }

  async until(check: () => boolean, ms = 60_000): Promise<void> {
    if (!(await this.clock.advanceUntil(check, ms, 10))) throw new Error(`it did not come to hold: ${check}`);
  }

  /** Looks, follows, and waits until all containers run. */
  async settle(): Promise<void> {
    await this.look();
    this.follow();
    const { containers } = this.worker.pod.spec;
    await this.until(() => containers.every(({ name }) => this.running().includes(name)));
    await this.clock.advance(100);
  }

  /** The event of the engine about the container of this name. */
  eventOf(name: string, type: RuntimeEvent['type']): RuntimeEvent {
    const found = [...this.engine.containers.values()].find(({ spec }) => spec.name === name);
    return { type, containerId: found?.id ?? '', podUid: this.worker.pod.metadata.uid };
  }

  #counting(): Clock {
    const { clock } = this;
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
      timer: (ms, fire) => {
        this.timers++;
        let over = false;
        const end = (): void => {
          if (!over) this.timers--;
          over = true;
        };
        const timer = clock.timer(ms, () => {
          end();
          fire();
        });
        return {
          cancel: () => {
            end();
            timer.cancel();
          },
        };
      },
    };
  }

  #deps(): WorkerDeps {
    return {
      runtime: this.runtime,
      volumes: {
        ...hollowVolumes,
        prepare: (...args) => this.volumes.prepare(...args),
        refresh: (...args) => this.volumes.refresh(...args),
        remove: (uid) => this.volumes.remove(uid),
      },
      inputs: { configMap: () => undefined, secret: () => undefined },
      hooks: { run: async () => undefined },
      clock: this.#counting(),
      random: seededRandom(1),
      log: silentLog,
      node: () => ({
        nodeName: 'node-1',
        hostIP: '192.0.2.1',
        memoryCapacity: 2 ** 33,
        allocatable: { cpuMillis: 4_000, memoryBytes: 2 ** 33, ephemeralBytes: 2 ** 33 },
      }),
      dnsOf: () => ({ servers: [], searches: [], options: [], warnings: [] }),
      confiners: { security: () => ({ seccomp: true, appArmor: true, seLinux: true }), seccompProfile: async () => '' },
      saved: async () => undefined,
      allocateAddress: () => '10.64.3.2',
      releaseAddress: () => undefined,
      event: (_pod, type, reason, message) => this.events.push(`${type} ${reason}: ${message}`),
      dialers: {
        http: async () => ({ status: 200, body: '' }),
        tcp: async () => undefined,
        grpc: async () => 'SERVING',
      },
      status: () => ({ hostIP: '192.0.2.1', runtimeName: 'fake' }),
      mayStart: () => {
        this.views++;
        return this.mayStart;
      },
      unsupported: () => undefined,
      report: (update) => this.reports.push({ at: this.clock.monotonic(), update }),
      remember: (_pod, memory, status) => this.remembered.push({ memory, status }),
      gone: ({ metadata }) => this.gone.push(metadata.uid),
      resync: () => {
        this.resyncs++;
      },
    };
  }
}
