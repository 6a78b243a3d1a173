import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pod, PodSpec } from '../../shared/generated/types.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import type { ContainerState, SandboxState } from '../runtime/runtime.ts';
import { absorb, absorbDesired, markReplacing } from './absorb.ts';
import { containerHash, containersOf, hashLabel } from './containers.ts';
import {
  emptyProgress,
  firstInputs,
  newMemory,
  type PodMemory,
  type PodProgress,
  type PodView,
  type ProbeVerdict,
} from './model.ts';
import { crashDelayMs, planPod } from './plan.ts';
import { resourcesLabel, resourcesText } from './resources.ts';
import type { Step } from './steps.ts';

const start = Date.UTC(2026, 0, 1);

/** How a container of the model behaves: how it ends by itself, if it does. */
interface Behaviour {
  readonly exitCode?: number;
}

/** A runtime in a few lines: does what steps say, at once, so that plans can be followed to their end. */
class Model {
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
    this.memory = absorb(this.memory, { sandboxes: this.sandboxes, containers: this.containers }, this.now);
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
        expect(this.#sandboxIds()).toContain(step.sandboxId);
        this.addContainer(step.container, step.sandboxId, 'created', step.attempt);
        return;
      case 'startContainer': {
        const name = step.container;
        const sandboxId = this.containers.find(({ id }) => id === step.id)?.sandboxId;
        expect(this.sandboxes.some(({ id, running }) => id === sandboxId && running)).toBe(true);
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
        expect(this.memory.terminal).toBeUndefined();
        this.memory = { ...this.memory, terminal };
        return;
      }
      case 'releaseVolumes':
        expect(this.running()).toEqual([]);
        this.progress = { ...this.progress, volumesReleased: true };
        return;
      case 'cleanup':
        expect([...this.sandboxes, ...this.containers]).toEqual([]);
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
    this.memory = absorbDesired(this.memory, this.pod, this.now);
  }

  #change(id: string, change: Partial<ContainerState>): void {
    this.containers = this.containers.map((each) => (each.id === id ? { ...each, ...change } : each));
  }
}

const specs = fc.record({
  inits: fc.array(fc.constantFrom('init', 'sidecar'), { maxLength: 3 }),
  apps: fc.integer({ min: 1, max: 3 }),
  policy: fc.constantFrom('Always' as const, 'OnFailure' as const, 'Never' as const),
});

function podOf({ inits, apps, policy }: { inits: string[]; apps: number; policy: PodSpec['restartPolicy'] }): Pod {
  return makePod('web', {
    restartPolicy: policy,
    initContainers: inits.map((role, i) => container(`i${i}`, role === 'sidecar' ? { restartPolicy: 'Always' } : {})),
    containers: Array.from({ length: apps }, (_, i) => container(`a${i}`)),
  });
}

/** Regular init containers succeed; the rest runs on, unless `ends` says otherwise. */
function behavioursOf(pod: Pod, ends: Record<string, Behaviour> = {}): Record<string, Behaviour> {
  const behaviours: Record<string, Behaviour> = { ...ends };
  for (const { spec, role } of containersOf(pod)) if (role === 'init') behaviours[spec.name] ??= { exitCode: 0 };
  return behaviours;
}

const states = fc.constantFrom('created' as const, 'running' as const, 'exited' as const);

/** Whatever a crash of the agent, the engine or the machine may leave of a pod. */
const leftovers = fc.array(
  fc.record({
    running: fc.boolean(),
    containers: fc.array(fc.record({ of: fc.nat(5), state: states, code: fc.constantFrom(0, 1) }), { maxLength: 5 }),
  }),
  { maxLength: 3 },
);

function strew(model: Model, left: typeof leftovers extends fc.Arbitrary<infer T> ? T : never): void {
  const names = containersOf(model.pod).map(({ spec }) => spec.name);
  const used = new Set<string>();
  left.forEach(({ running, containers }, attempt) => {
    const sandbox = model.addSandbox(attempt, running);
    containers.forEach(({ of, state, code }, i) => {
      const name = names[of % names.length] ?? '';
      const alive = state !== 'exited';
      if (alive && used.has(name)) return;
      if (alive) used.add(name);
      model.addContainer(name, sandbox.id, state, attempt * 10 + i, code);
    });
  });
}

describe('the plan', () => {
  it('comes to rest with every container running, from whatever was left', () => {
    fc.assert(
      fc.property(specs, leftovers, (spec, left) => {
        const pod = podOf({ ...spec, policy: 'Always' });
        const model = new Model(pod, behavioursOf(pod));
        strew(model, left);
        expect(model.settle()).toBe(true);
        const wanted = containersOf(pod).flatMap(({ spec: { name }, role }) => (role === 'init' ? [] : [name]));
        expect(model.running()).toEqual(wanted.sort());
        expect(model.sandboxes).toHaveLength(1);
      }),
    );
  });

  it('ends with nothing when the pod is deleted at any moment, from whatever was left', () => {
    fc.assert(
      fc.property(specs, leftovers, fc.nat(12), (spec, left, rounds) => {
        const pod = podOf(spec);
        const model = new Model(pod, behavioursOf(pod));
        strew(model, left);
        model.settle(rounds);
        model.delete();
        expect(model.settle()).toBe(true);
        expect(model.cleaned).toBe(true);
      }),
    );
  });

  it('starts no app container before all init containers before it have done their part', () => {
    fc.assert(
      fc.property(specs, (spec) => {
        const pod = podOf(spec);
        const model = new Model(pod, behavioursOf(pod));
        model.settle();
        const order = containersOf(pod).map(({ spec: { name } }) => name);
        expect(model.started.slice(0, order.length)).toEqual(order);
      }),
    );
  });

  it('creates what comes first while the sandbox is made, and starts it only when that is whole', () => {
    const pod = podOf({ inits: ['init'], apps: 2, policy: 'Always' });
    const model = new Model(pod, behavioursOf(pod));
    const actions = () =>
      model.plan().map((step) => ('container' in step ? `${step.action} ${step.container}` : step.action));
    model.progress = { ...model.progress, mounted: true, volumes: firstInputs };
    expect(actions()).toEqual(['createSandbox', 'pullImage i0']);
    for (const step of model.plan()) model.do(step);
    expect(actions()).toEqual(['createSandbox', 'createContainer i0']);
    model.addContainer('i0', model.progress.making?.id ?? '', 'created', 0);
    expect(actions()).toEqual(['createSandbox']);
    for (const step of model.plan()) model.do(step);
    expect(actions()).toEqual(['startContainer i0']);
  });

  it('gives every pod that ends the phase its containers’ exits say, and runs nothing afterwards', () => {
    const codes = fc.array(fc.constantFrom(0, 1), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(specs, codes, (spec, ends) => {
        const pod = podOf({ ...spec, policy: 'Never' });
        const exits = Object.fromEntries(ends.map((exitCode, i) => [`a${i}`, { exitCode }]));
        const model = new Model(pod, behavioursOf(pod, exits));
        expect(model.settle()).toBe(true);
        const failed = ends.slice(0, spec.apps).some((code) => code !== 0);
        expect(model.memory.terminal?.phase).toBe(failed ? 'Failed' : 'Succeeded');
        expect(model.running()).toEqual([]);
        const starts = model.started.length;
        model.now += 1_000_000;
        model.settle();
        expect(model.started).toHaveLength(starts);
      }),
    );
  });

  it('starts an ephemeral container once, whatever the pod is at, and waits for none', () => {
    const added = (model: Model): void => {
      const ephemeralContainers = [{ name: 'debug', image: 'busybox' }];
      model.pod = { ...model.pod, spec: { ...model.pod.spec, ephemeralContainers } };
    };
    const initializing = new Model(podOf({ inits: ['init'], apps: 1, policy: 'Always' }), { debug: { exitCode: 1 } });
    initializing.settle();
    added(initializing);
    initializing.settle();
    expect(initializing.running()).toEqual(['i0']);
    expect(initializing.started.filter((name) => name === 'debug')).toEqual(['debug']);

    const ending = new Model(podOf({ inits: [], apps: 1, policy: 'Never' }), {});
    ending.settle();
    added(ending);
    ending.settle();
    expect(ending.running()).toEqual(['a0', 'debug']);
    ending.endOf('a0', 0);
    ending.settle();
    expect(ending.memory.terminal?.phase).toBe('Succeeded');
    expect(ending.running()).toEqual([]);

    const replaced = new Model(podOf({ inits: [], apps: 1, policy: 'Always' }), {});
    replaced.settle();
    added(replaced);
    replaced.settle();
    replaced.sandboxes = replaced.sandboxes.map((sandbox) => ({ ...sandbox, running: false }));
    replaced.settle();
    expect(replaced.running()).toEqual(['a0']);
  });

  it('fails a pod that never restarts when an init container fails, before any app container', () => {
    const pod = podOf({ inits: ['init'], apps: 1, policy: 'Never' });
    const model = new Model(pod, { i0: { exitCode: 1 } });
    model.settle();
    expect(model.memory.terminal?.phase).toBe('Failed');
    expect(model.started).toEqual(['i0']);
  });

  it('starts nothing while it may not, and stops what has to stop all the same', () => {
    const model = new Model(podOf({ inits: [], apps: 1, policy: 'Always' }));
    expect(planPod(model.view(false), model.now)).toEqual([]);
    const dead = model.addSandbox(0, false);
    expect(planPod(model.view(false), model.now)).toEqual([{ action: 'removeSandbox', id: dead.id }]);
  });

  it('counts the grace from when the deletion was heard of, and never prolongs it', () => {
    const model = new Model(podOf({ inits: [], apps: 1, policy: 'Always' }));
    model.settle();
    model.delete(30);
    const begun = model.now;
    model.now += 20_000;
    const [step] = model.plan();
    expect(step).toMatchObject({ action: 'stopContainer', deadline: begun + 30_000 });
    model.delete(5);
    expect(model.plan()[0]).toMatchObject({ deadline: begun + 5_000 });
    model.delete(60);
    expect(model.plan()[0]).toMatchObject({ deadline: begun + 5_000 });
  });

  it('stops sidecars after the others, the last one first', () => {
    const pod = podOf({ inits: ['sidecar', 'sidecar'], apps: 2, policy: 'Always' });
    const model = new Model(pod, behavioursOf(pod));
    model.settle();
    model.delete();
    const order: string[] = [];
    for (let i = 0; i < 10 && !model.cleaned; i++) {
      for (const step of model.plan()) {
        if (step.action === 'stopContainer') order.push(step.container);
        model.do(step);
      }
    }
    expect(order).toEqual(['a0', 'a1', 'i1', 'i0']);
  });

  it('restarts a container whose image was changed, at once and although it had crashed', () => {
    const pod = podOf({ inits: [], apps: 1, policy: 'Always' });
    const model = new Model(pod, { a0: { exitCode: 1 } });
    model.settle(60, 120_000);
    expect(model.plan()).toEqual([{ action: 'wait', until: expect.any(Number) }]);
    model.pod = { ...pod, spec: { ...pod.spec, containers: [container('a0', { image: 'example/app:2' })] } };
    expect(model.plan()[0]).toMatchObject({ action: 'pullImage' });
  });

  it.each(['Never', 'OnFailure'] as const)(
    'restarts a container whose image was changed under the restart policy %s, as the kubelet does',
    (policy) => {
      const model = new Model(makePod('web', { containers: [container('app')], restartPolicy: policy }));
      model.settle();
      model.pod = makePod('web', { containers: [container('app', { image: 'app:2' })], restartPolicy: policy });
      expect(model.plan()).toEqual([
        expect.objectContaining({
          action: 'stopContainer',
          why: 'Container app definition changed, will be restarted',
        }),
      ]);
      model.settle();
      expect(model.memory.terminal).toBeUndefined();
      expect(model.containers.find(({ state }) => state === 'running')?.attempt).toBe(1);
    },
  );

  it('says of a failed probe that the container will be restarted only where it will', () => {
    for (const [policy, again] of [
      ['Always', ', will be restarted'],
      ['Never', ''],
    ] as const) {
      const model = new Model(makePod('web', { containers: [container('app')], restartPolicy: policy }));
      model.settle();
      const [running] = model.containers;
      model.probes.set(running?.id ?? '', {
        ready: false,
        started: true,
        unhealthy: { probe: 'liveness', graceSeconds: 1 },
      });
      expect(model.plan()).toMatchObject([{ why: `Container app failed liveness probe${again}` }]);
    }
  });

  it('keeps of each name the newest container and the last that ended', () => {
    const pod = podOf({ inits: [], apps: 1, policy: 'Always' });
    const model = new Model(pod);
    const sandbox = model.addSandbox(0);
    for (const attempt of [0, 1, 2]) model.addContainer('a0', sandbox.id, 'exited', attempt, 1);
    model.addContainer('a0', sandbox.id, 'running', 3);
    model.settle();
    expect(model.containers.map(({ attempt }) => attempt)).toEqual([2, 3]);
  });

  it('does not make a pod that never restarts anew when its sandbox has died', () => {
    const pod = podOf({ inits: [], apps: 2, policy: 'Never' });
    const model = new Model(pod);
    model.settle();
    model.sandboxes = model.sandboxes.map((sandbox) => ({ ...sandbox, running: false }));
    expect(model.settle()).toBe(true);
    expect(model.memory.terminal?.phase).toBe('Failed');
    expect(model.started).toEqual(['a0', 'a1']);
  });
});

describe('the memory', () => {
  it('takes a running container that is gone for one that ended unknown, once', () => {
    const model = new Model(podOf({ inits: [], apps: 1, policy: 'Always' }));
    model.settle();
    model.containers = [];
    model.plan();
    const exits = model.memory.containers.a0?.exits;
    expect(exits).toHaveLength(1);
    expect(exits?.[0]).toMatchObject({ exitCode: 137, reason: 'ContainerStatusUnknown' });
    expect(model.settle()).toBe(true);
    expect(model.running()).toEqual(['a0']);
  });

  it('knows what a container was given as it ran, until it ends', () => {
    const model = new Model(podOf({ inits: [], apps: 1, policy: 'Always' }));
    model.settle();
    const [made] = model.containers;
    const [spec] = model.pod.spec.containers;
    if (!made || !spec) throw new Error('there is no container');
    model.containers = [{ ...made, labels: { ...made.labels, [resourcesLabel]: resourcesText(spec) } }];
    const resized = { ...spec, resources: { requests: { cpu: '200m' } } };
    model.pod = { ...model.pod, spec: { ...model.pod.spec, containers: [resized] } };
    const resources = 'cpu=200m/,memory=/';
    expect(model.plan()).toEqual([
      { action: 'updateContainer', container: 'a0', id: made.id, from: 'cpu=/,memory=/', resources },
    ]);
    const { a0 } = model.memory.containers;
    if (a0) model.memory = { ...model.memory, containers: { a0: { ...a0, resized: { id: made.id, resources } } } };
    expect(model.plan()).toEqual([]);
    const resizePolicy = [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' as const }];
    const back = { ...resized, resources: { requests: { cpu: '100m' } }, resizePolicy };
    model.pod = { ...model.pod, spec: { ...model.pod.spec, containers: [back] } };
    expect(model.plan()).toMatchObject([{ action: 'stopContainer', why: 'Container a0 resize requires restart' }]);
    model.endOf('a0', 143);
    model.plan();
    expect(model.memory.containers.a0?.resized).toBeUndefined();
  });

  it('is the same object when there is nothing new', () => {
    const model = new Model(podOf({ inits: [], apps: 2, policy: 'Always' }));
    model.settle();
    const before = model.memory;
    model.plan();
    expect(model.memory).toBe(before);
  });

  it('forgets crashes after ten minutes of running', () => {
    const model = new Model(podOf({ inits: [], apps: 1, policy: 'Always' }));
    const sandbox = model.addSandbox(0);
    for (const attempt of [0, 1, 2, 3]) model.addContainer('a0', sandbox.id, 'exited', attempt, 1);
    model.plan();
    expect(model.memory.containers.a0?.crashes).toBe(4);
    model.addContainer('a0', sandbox.id, 'exited', 4, 1);
    model.containers = model.containers.map((each) =>
      each.attempt === 4 ? { ...each, startedAt: start - 600_001 } : each,
    );
    model.plan();
    expect(model.memory.containers.a0?.crashes).toBe(1);
  });
});

it('crashed containers wait not at all, then 10 s doubling to 60 s', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 1000].map(crashDelayMs)).toEqual([0, 0, 10, 20, 40, 60, 60, 60].map((s) => s * 1000));
});
