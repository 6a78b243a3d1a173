import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { behavioursOf, ModelPod, podOf } from '../../test/support/model-pod.ts';
import { containersOf } from './containers.ts';
import { firstInputs } from './model.ts';
import { planPod } from './plan.ts';

const specs = fc.record({
  inits: fc.array(fc.constantFrom('init', 'sidecar'), { maxLength: 3 }),
  apps: fc.integer({ min: 1, max: 3 }),
  policy: fc.constantFrom('Always' as const, 'OnFailure' as const, 'Never' as const),
});

const states = fc.constantFrom('created' as const, 'running' as const, 'exited' as const);

/** Whatever a crash of the agent, the engine or the machine may leave of a pod. */
const leftovers = fc.array(
  fc.record({
    running: fc.boolean(),
    containers: fc.array(fc.record({ of: fc.nat(5), state: states, code: fc.constantFrom(0, 1) }), { maxLength: 5 }),
  }),
  { maxLength: 3 },
);

function strew(model: ModelPod, left: typeof leftovers extends fc.Arbitrary<infer T> ? T : never): void {
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
        const model = new ModelPod(pod, behavioursOf(pod));
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
        const model = new ModelPod(pod, behavioursOf(pod));
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
        const model = new ModelPod(pod, behavioursOf(pod));
        model.settle();
        const order = containersOf(pod).map(({ spec: { name } }) => name);
        expect(model.started.slice(0, order.length)).toEqual(order);
      }),
    );
  });

  it('creates what comes first while the sandbox is made, and starts it only when that is whole', () => {
    const pod = podOf({ inits: ['init'], apps: 2, policy: 'Always' });
    const model = new ModelPod(pod, behavioursOf(pod));
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
        const model = new ModelPod(pod, behavioursOf(pod, exits));
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
    const added = (model: ModelPod): void => {
      const ephemeralContainers = [{ name: 'debug', image: 'busybox' }];
      model.pod = { ...model.pod, spec: { ...model.pod.spec, ephemeralContainers } };
    };
    const initializing = new ModelPod(podOf({ inits: ['init'], apps: 1, policy: 'Always' }), {
      debug: { exitCode: 1 },
    });
    initializing.settle();
    added(initializing);
    initializing.settle();
    expect(initializing.running()).toEqual(['i0']);
    expect(initializing.started.filter((name) => name === 'debug')).toEqual(['debug']);

    const ending = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Never' }), {});
    ending.settle();
    added(ending);
    ending.settle();
    expect(ending.running()).toEqual(['a0', 'debug']);
    ending.endOf('a0', 0);
    ending.settle();
    expect(ending.memory.terminal?.phase).toBe('Succeeded');
    expect(ending.running()).toEqual([]);

    const replaced = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }), {});
    replaced.settle();
    added(replaced);
    replaced.settle();
    replaced.sandboxes = replaced.sandboxes.map((sandbox) => ({ ...sandbox, running: false }));
    replaced.settle();
    expect(replaced.running()).toEqual(['a0']);
  });

  it('fails a pod that never restarts when an init container fails, before any app container', () => {
    const pod = podOf({ inits: ['init'], apps: 1, policy: 'Never' });
    const model = new ModelPod(pod, { i0: { exitCode: 1 } });
    model.settle();
    expect(model.memory.terminal?.phase).toBe('Failed');
    expect(model.started).toEqual(['i0']);
  });

  it('starts nothing while it may not, and stops what has to stop all the same', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
    expect(planPod(model.view(false), model.now)).toEqual([]);
    const dead = model.addSandbox(0, false);
    expect(planPod(model.view(false), model.now)).toEqual([{ action: 'removeSandbox', id: dead.id }]);
  });

  it('counts the grace period from when the agent received the deletion, and never prolongs it', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
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
    const model = new ModelPod(pod, behavioursOf(pod));
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
    const model = new ModelPod(pod, { a0: { exitCode: 1 } });
    model.settle(60, 120_000);
    expect(model.plan()).toEqual([{ action: 'wait', until: expect.any(Number) }]);
    model.pod = { ...pod, spec: { ...pod.spec, containers: [container('a0', { image: 'example/app:2' })] } };
    expect(model.plan()[0]).toMatchObject({ action: 'pullImage' });
  });

  it.each(['Never', 'OnFailure'] as const)(
    'restarts a container whose image was changed under the restart policy %s, as the kubelet does',
    (policy) => {
      const model = new ModelPod(makePod('web', { containers: [container('app')], restartPolicy: policy }));
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

  it('reports for a failed probe that the container will be restarted only if it will', () => {
    for (const [policy, again] of [
      ['Always', ', will be restarted'],
      ['Never', ''],
    ] as const) {
      const model = new ModelPod(makePod('web', { containers: [container('app')], restartPolicy: policy }));
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
    const model = new ModelPod(pod);
    const sandbox = model.addSandbox(0);
    for (const attempt of [0, 1, 2]) model.addContainer('a0', sandbox.id, 'exited', attempt, 1);
    model.addContainer('a0', sandbox.id, 'running', 3);
    model.settle();
    expect(model.containers.map(({ attempt }) => attempt)).toEqual([2, 3]);
  });

  it('does not make a pod that never restarts anew when its sandbox has died', () => {
    const pod = podOf({ inits: [], apps: 2, policy: 'Never' });
    const model = new ModelPod(pod);
    model.settle();
    model.sandboxes = model.sandboxes.map((sandbox) => ({ ...sandbox, running: false }));
    expect(model.settle()).toBe(true);
    expect(model.memory.terminal?.phase).toBe('Failed');
    expect(model.started).toEqual(['a0', 'a1']);
  });
});
