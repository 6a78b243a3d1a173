import { containerHash, containersOf, hashLabel } from '../../agent/pod/containers.ts';
import { markReplacing, recordDeletion, recordObserved } from '../../agent/pod/memory.ts';
import {
  emptyProgress,
  firstInputs,
  newMemory,
  type PodMemory,
  type PodProgress,
  type PodView,
  type ProbeVerdict,
} from '../../agent/pod/model.ts';
import { planPod } from '../../agent/pod/plan.ts';
import type { Step } from '../../agent/pod/steps.ts';
import type { ContainerState, SandboxState } from '../../agent/runtime/runtime.ts';
import type { Pod, PodSpec } from '../../shared/generated/types.ts';
import { container, makePod } from './hollow-agent.ts';

export const start = Date.UTC(2026, 0, 1);

/** How a container of the model behaves: how it ends by itself, if it does. */
export interface Behaviour {
  readonly exitCode?: number;
}

/** A runtime in a few lines: does what steps say, at once, so that plans can be followed to their end. */
export class ModelPod {
  now = start;
  pod: Pod;
  memory: PodMemory = newMemory(start);
  progress: PodProgress = emptyProgress;
  sandboxes: SandboxState[] = [];
  containers: ContainerState[] = [];
  readonly probes = new Map<string, ProbeVerdict>();
  readonly behaviours: Readonly<Record<string, Behaviour>>;
  /** Names in the order of their starts. */
  readonly started: string[] = [];
  cleaned = false;
  #ids = 0;

  constructor(pod: Pod, behaviours: Readonly<Record<string, Behaviour>> = {}) {
    this.pod = pod;
    this.behaviours = behaviours;
  }

  view(mayStart = true): PodView {
    const { pod, memory, progress, probes } = this;
    const observed = { sandboxes: this.sandboxes, containers: this.containers };
    return { pod, observed, memory, progress, inputs: firstInputs, probes, mayStart };
  }

  plan(): Step[] {
    this.memory = recordObserved(this.memory, { sandboxes: this.sandboxes, containers: this.containers }, this.now);
    return planPod(this.view(), this.now);
  }

  /** Plans and does until nothing is left to do, or `rounds` are over; true when it came to rest. */
  settle(rounds = 200, untilMs = Number.POSITIVE_INFINITY): boolean {
    const end = this.now + untilMs;
    for (let i = 0; i < rounds && !this.cleaned; i++) {
      const steps = this.plan();
      const doing = steps.filter(({ action }) => action !== 'wait');
      this.check();
      if (doing.length > 0) for (const step of doing) this.do(step);
      else if (!this.#endOne()) {
        const waits = steps.flatMap((step) => (step.action === 'wait' ? [step.until] : []));
        if (waits.length === 0 || Math.min(...waits) > end) return true;
        this.now = Math.min(...waits);
      }
      this.check();
    }
    return this.cleaned;
  }

  /** Ends one of the running containers that end by themselves. */
  #endOne(): boolean {
    const ending = this.containers.find(
      ({ name, state }) => state === 'running' && this.behaviours[name]?.exitCode !== undefined,
    );
    if (!ending) return false;
    this.#change(ending.id, {
      state: 'exited',
      exitCode: this.behaviours[ending.name]?.exitCode,
      finishedAt: this.now,
    });
    return true;
  }

  check(): void {
    const running = this.containers.filter(({ state }) => state === 'running').map(({ name }) => name);
    if (new Set(running).size < running.length) throw new Error(`two of one name run: ${running}`);
  }

  do(step: Step): void {
    switch (step.action) {
      case 'prepareVolumes':
        this.progress = { ...this.progress, mounted: true, volumes: firstInputs };
        return;
      case 'createSandbox': {
        // Two looks: first the engine has it, then it is whole.
        const { making } = this.progress;
        if (making) this.addSandbox(step.attempt, true, making.id);
        const next = making ? undefined : { id: `s${this.#ids++}`, attempt: step.attempt };
        this.progress = { ...this.progress, making: next };
        return;
      }
      case 'removeSandbox':
        this.sandboxes = this.sandboxes.filter(({ id }) => id !== step.id);
        this.containers = this.containers.filter(({ sandboxId }) => sandboxId !== step.id);
        return;
      case 'pullImage': {
        const containers = new Map(this.progress.containers);
        const image = containersOf(this.pod).find(({ spec }) => spec.name === step.container)?.spec.image;
        containers.set(step.container, { attempt: step.attempt, image });
        this.progress = { ...this.progress, containers };
        return;
      }
      case 'createContainer':
        must(this.#sandboxIds().includes(step.sandboxId), 'a container is made in a sandbox that is there');
        this.addContainer(step.container, step.sandboxId, 'created', step.attempt);
        return;
      case 'startContainer': {
        const name = step.container;
        const sandboxId = this.containers.find(({ id }) => id === step.id)?.sandboxId;
        must(
          this.sandboxes.some(({ id, running }) => id === sandboxId && running),
          'a container is started in a running sandbox',
        );
        this.started.push(name);
        const exitCode = this.behaviours[name]?.exitCode;
        const ended = exitCode === undefined ? {} : { state: 'exited' as const, exitCode, finishedAt: this.now };
        this.#change(step.id, { state: 'running', startedAt: this.now, ...ended });
        return;
      }
      case 'stopContainer':
        if (step.replaces) this.memory = markReplacing(this.memory, step.container, step.id);
        this.#change(step.id, { state: 'exited', exitCode: 143, finishedAt: this.now });
        return;
      case 'removeContainer':
        this.containers = this.containers.filter(({ id }) => id !== step.id);
        return;
      case 'finish': {
        const { action: _, ...terminal } = step;
        must(this.memory.terminal === undefined, 'a pod ends once');
        this.memory = { ...this.memory, terminal };
        return;
      }
      case 'releaseVolumes':
        must(this.running().length === 0, 'volumes go when nothing runs');
        this.progress = { ...this.progress, volumesReleased: true };
        return;
      case 'cleanup':
        must(this.sandboxes.length + this.containers.length === 0, 'nothing is left at the end');
        this.cleaned = true;
    }
  }

  /** Where containers can be created. */
  #sandboxIds(): string[] {
    const whole = this.sandboxes.flatMap(({ id, running }) => (running ? [id] : []));
    return this.progress.making ? [...whole, this.progress.making.id] : whole;
  }

  addSandbox(attempt: number, running = true, id = `s${this.#ids++}`): SandboxState {
    const sandbox: SandboxState = {
      id,
      pod: { namespace: 'default', name: 'web', uid: 'uid-web' },
      running,
      address: '10.0.0.2',
      attempt,
      createdAt: this.now,
    };
    this.sandboxes = [...this.sandboxes, sandbox];
    return sandbox;
  }

  addContainer(name: string, sandboxId: string, state: ContainerState['state'], attempt: number, exitCode = 0): void {
    const spec = containersOf(this.pod).find((each) => each.spec.name === name)?.spec;
    const id = `c${this.#ids++}`;
    const ran = state === 'created' ? {} : { startedAt: this.now - 1000 };
    const ended = state === 'exited' ? { exitCode, finishedAt: this.now } : {};
    const made: ContainerState = {
      id,
      sandboxId,
      pod: { namespace: 'default', name: 'web', uid: 'uid-web' },
      name,
      attempt,
      state,
      image: spec?.image ?? '',
      imageId: '',
      createdAt: this.now,
      ...ran,
      ...ended,
      labels: spec ? { [hashLabel]: containerHash(spec) } : {},
    };
    this.containers = [...this.containers, made];
  }

  endOf(name: string, exitCode: number): void {
    const running = this.containers.find((each) => each.name === name && each.state === 'running');
    if (running) this.#change(running.id, { state: 'exited', exitCode, finishedAt: this.now });
  }

  running(): string[] {
    return this.containers.flatMap(({ name, state }) => (state === 'running' ? [name] : [])).sort();
  }

  delete(graceSeconds = 30): void {
    const metadata = { ...this.pod.metadata, deletionTimestamp: 'x', deletionGracePeriodSeconds: graceSeconds };
    this.pod = { ...this.pod, metadata };
    this.memory = recordDeletion(this.memory, this.pod, this.now);
  }

  #change(id: string, change: Partial<ContainerState>): void {
    this.containers = this.containers.map((each) => (each.id === id ? { ...each, ...change } : each));
  }
}

/** `inits`: 'init' or 'sidecar' each; containers are named i0, i1 … and a0, a1 … */
export function podOf({
  inits,
  apps,
  policy,
}: {
  inits: string[];
  apps: number;
  policy: PodSpec['restartPolicy'];
}): Pod {
  return makePod('web', {
    restartPolicy: policy,
    initContainers: inits.map((role, i) => container(`i${i}`, role === 'sidecar' ? { restartPolicy: 'Always' } : {})),
    containers: Array.from({ length: apps }, (_, i) => container(`a${i}`)),
  });
}

/** Regular init containers succeed; the rest runs on, unless `ends` says otherwise. */
export function behavioursOf(pod: Pod, ends: Record<string, Behaviour> = {}): Record<string, Behaviour> {
  const behaviours: Record<string, Behaviour> = { ...ends };
  for (const { spec, role } of containersOf(pod)) if (role === 'init') behaviours[spec.name] ??= { exitCode: 0 };
  return behaviours;
}

function must(holds: boolean, promise: string): void {
  if (!holds) throw new Error(`broken: ${promise}`);
}
