import type { ExecutorDeps, PodContext } from '../../agent/pod/executors/context.ts';
import { executors } from '../../agent/pod/executors/executors.ts';
import type { Hooks } from '../../agent/pod/hooks.ts';
import {
  emptyProgress,
  type InputVersions,
  newMemory,
  type PodMemory,
  type PodProgress,
} from '../../agent/pod/model.ts';
import type { Action, StepArgs } from '../../agent/pod/steps.ts';
import { FakeEngine, type FakeEngineOptions } from '../../agent/runtime/fake/engine.ts';
import { FakeRuntime } from '../../agent/runtime/fake/fake.ts';
import type { ContainerState, Runtime, SandboxState } from '../../agent/runtime/runtime.ts';
import { hollowVolumes } from '../../agent/volumes/hollow-volumes.ts';
import type { PodVolumes } from '../../agent/volumes/pod-volumes.ts';
import type { ConfigMap, Pod, Secret } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { makePod } from './hollow-agent.ts';
import { podFacts, podInputs } from './pod-inputs.ts';

/** Single steps of one pod on a hollow engine: what they do, what they record, and their events. */
export class StepScene {
  readonly clock = new VirtualClock();
  readonly engine: FakeEngine;
  readonly runtime: FakeRuntime;
  /** `TYPE REASON [CONTAINER]: MESSAGE` */
  readonly events: string[] = [];
  readonly sandboxes = new Map<string, SandboxState>();
  readonly containers = new Map<string, ContainerState>();
  /** The calls of the step: `saved`, `finished`, `resync`, `release UID`, and what tests add. */
  readonly calls: string[] = [];
  pod: Pod = makePod('web');
  memory: PodMemory = newMemory(0);
  progress: PodProgress = emptyProgress;
  inputs: InputVersions = { objects: 1, pod: 1 };
  objects: ReadonlyArray<ConfigMap | Secret> = [];
  volumes: PodVolumes = hollowVolumes;
  hooks: Hooks = { run: async () => undefined };
  /** Methods of the runtime that answer otherwise. */
  overrides: Partial<Runtime> = {};
  warnings: readonly string[] = [];
  allocate = (_uid: string, wanted: string | undefined): string => wanted ?? '10.64.0.9';
  readonly abort = new AbortController();

  constructor(options: FakeEngineOptions = { images: 'all' }) {
    this.engine = new FakeEngine({ clock: this.clock, random: seededRandom(1) }, options);
    this.runtime = new FakeRuntime(this.engine);
  }

  run<A extends Action>(action: A, args: StepArgs[A]): Promise<void> {
    return executors[action](this.deps(), this.#context(), args, this.abort.signal);
  }

  /** Makes the pod's sandbox and the container `name`, and forgets the events. */
  async created(name = 'app', attempt = 0): Promise<ContainerState> {
    await this.run('createSandbox', { attempt: 0 });
    const [sandbox] = this.sandboxes.values();
    await this.run('createContainer', { container: name, attempt, sandboxId: sandbox?.id ?? '' });
    const made = [...this.containers.values()].find((each) => each.name === name && each.attempt === attempt);
    if (!made) throw new Error(`${name} was not created: ${this.events.at(-1)}`);
    this.events.length = 0;
    return made;
  }

  async running(name = 'app'): Promise<ContainerState> {
    const { id } = await this.created(name);
    await this.run('startContainer', { container: name, id });
    this.events.length = 0;
    const state = this.containers.get(id);
    if (state?.state !== 'running') throw new Error(`${name} does not run`);
    return state;
  }

  deps(): ExecutorDeps {
    const runtime: Runtime = new Proxy(this.runtime, {
      get: (target, key) => {
        const own = Reflect.get(this.overrides, key) ?? Reflect.get(target, key, target);
        return typeof own === 'function' ? own.bind(target) : own;
      },
    });
    return {
      runtime,
      volumes: this.volumes,
      inputs: podInputs(...this.objects),
      hooks: this.hooks,
      clock: this.clock,
      random: seededRandom(1),
      log: silentLog,
      confiners: this.#confiners(),
      node: () => ({ ...podFacts, memoryCapacity: 8 * 2 ** 30 }),
      dnsOf: () => ({ servers: ['192.0.2.53'], searches: [], options: [], warnings: this.warnings }),
      saved: async () => void this.calls.push('saved'),
      allocateAddress: (uid, wanted) => this.allocate(uid, wanted),
      releaseAddress: (uid) => void this.calls.push(`release ${uid}`),
      event: (_pod, type, reason, message, container) =>
        void this.events.push(`${type} ${reason}${container === undefined ? '' : ` ${container}`}: ${message}`),
    };
  }

  #confiners(): ExecutorDeps['confiners'] {
    return { security: () => this.engine.info.security, seccompProfile: async () => '{}' };
  }

  #context(): PodContext {
    const scene = this;
    return {
      get pod() {
        return scene.pod;
      },
      get memory() {
        return scene.memory;
      },
      get progress() {
        return scene.progress;
      },
      get inputs() {
        return scene.inputs;
      },
      container: (id) => this.containers.get(id),
      runningContainer: (sandboxId, name) =>
        [...this.containers.values()].find(
          (each) => each.sandboxId === sandboxId && each.name === name && each.state === 'running',
        ),
      setMemory: (change) => {
        this.memory = { ...this.memory, ...change };
      },
      setProgress: (change) => {
        this.progress = { ...this.progress, ...change };
      },
      setContainerProgress: (name, change) => {
        const before = this.progress.containers.get(name);
        const kept = before?.attempt === change.attempt ? before : {};
        const containers = new Map(this.progress.containers).set(name, { ...kept, ...change });
        this.progress = { ...this.progress, containers };
      },
      putSandbox: (state) => void this.sandboxes.set(state.id, state),
      dropSandbox: (id) => void this.sandboxes.delete(id),
      putContainer: (state) => void this.containers.set(state.id, state),
      dropContainer: (id) => void this.containers.delete(id),
      finished: () => void this.calls.push('finished'),
      resync: () => void this.calls.push('resync'),
    };
  }
}
