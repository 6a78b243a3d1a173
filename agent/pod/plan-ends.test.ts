import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PodSpec } from '../../shared/generated/types.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { behavioursOf, ModelPod, podOf } from '../../test/support/model-pod.ts';
import { planPod } from './plan.ts';

type Policy = NonNullable<PodSpec['restartPolicy']>;

const phaseOf = (model: ModelPod) => model.memory.terminal?.phase;

function loseSandbox(model: ModelPod): void {
  model.sandboxes = model.sandboxes.map((sandbox) => ({ ...sandbox, running: false }));
  model.containers = model.containers.map((each) =>
    each.state === 'running' ? { ...each, state: 'exited', exitCode: 137, finishedAt: model.now } : each,
  );
}

/** A pod that has come to run, of which these containers have ended since. */
function ended(policy: Policy, exits: Record<string, number>, inits: string[] = []): ModelPod {
  const pod = podOf({ inits, apps: 2, policy });
  const model = new ModelPod(pod, behavioursOf(pod));
  model.settle();
  for (const [name, code] of Object.entries(exits)) model.endOf(name, code);
  return model;
}

describe('the phase at the end of a pod', () => {
  /** Kubernetes, "Pod phase": Succeeded when all have ended with 0 and none is restarted, Failed when one of them has not. */
  it.each([
    ['Never', [0, 0], 'Succeeded', []],
    ['Never', [0, 1], 'Failed', []],
    ['Never', [1, 0], 'Failed', []],
    ['Never', [1, 1], 'Failed', []],
    ['Never', [0], undefined, ['a1']],
    ['Never', [1], undefined, ['a1']],
    ['OnFailure', [0, 0], 'Succeeded', []],
    ['OnFailure', [0, 1], undefined, ['a1']],
    ['OnFailure', [1, 1], undefined, ['a0', 'a1']],
    ['Always', [0, 0], undefined, ['a0', 'a1']],
    ['Always', [1, 1], undefined, ['a0', 'a1']],
  ] as const)('under the policy %s after exits with %j is %s', (policy, codes, phase, running) => {
    const model = ended(policy, Object.fromEntries(codes.map((code, i) => [`a${i}`, code])));
    model.settle();
    expect(phaseOf(model)).toBe(phase);
    expect(model.running()).toEqual(running);
  });

  it('does not depend on how sidecars and ephemeral containers ended', () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 1), fc.constantFrom(0, 1), fc.constantFrom(0, 1), (app, sidecar, debug) => {
        const model = ended('Never', {}, ['sidecar']);
        model.pod = { ...model.pod, spec: { ...model.pod.spec, ephemeralContainers: [container('debug')] } };
        model.settle();
        model.endOf('i0', sidecar);
        model.endOf('debug', debug);
        model.settle(2);
        for (const name of ['a0', 'a1']) model.endOf(name, app);
        model.settle();
        expect(phaseOf(model)).toBe(app === 0 ? 'Succeeded' : 'Failed');
        expect(model.running()).toEqual([]);
      }),
      { numRuns: 8 },
    );
  });

  it('is Failed when the second init container fails for good, and sidecars before it are stopped', () => {
    const pod = podOf({ inits: ['init', 'sidecar', 'init'], apps: 1, policy: 'Never' });
    const model = new ModelPod(pod, { i0: { exitCode: 0 }, i2: { exitCode: 3 } });
    model.settle();
    expect(phaseOf(model)).toBe('Failed');
    expect(model.started).toEqual(['i0', 'i1', 'i2']);
    expect(model.running()).toEqual([]);
  });

  it('is final: what the containers, the sandbox or the spec do later changes nothing', () => {
    const model = ended('Never', { a0: 0, a1: 0 });
    model.settle();
    const { memory, started } = model;
    loseSandbox(model);
    model.pod = podOf({ inits: [], apps: 3, policy: 'Always' });
    model.settle();
    expect(model.memory.terminal).toEqual(memory.terminal);
    expect(model.started).toEqual(started);
  });
});

describe('a pod whose sandbox is lost', () => {
  it.each([
    ['while all ran', {}, 'Failed'],
    ['when one had succeeded', { a0: 0 }, 'Failed'],
    ['when one had failed', { a1: 1 }, 'Failed'],
    ['when all had succeeded', { a0: 0, a1: 0 }, 'Succeeded'],
    ['when all had ended and one failed', { a0: 0, a1: 2 }, 'Failed'],
  ] as const)('and that never restarts, %s, has ended: it gets no other sandbox', (_, exits, phase) => {
    const model = ended('Never', exits);
    model.plan();
    loseSandbox(model);
    model.settle();
    expect(phaseOf(model)).toBe(phase);
    expect(model.started).toEqual(['a0', 'a1']);
  });

  it('and that never restarts has ended too when only its init container had run', () => {
    const pod = podOf({ inits: ['init', 'init'], apps: 1, policy: 'Never' });
    const model = new ModelPod(pod, { i0: { exitCode: 0 } });
    model.settle();
    expect(model.running()).toEqual(['i1']);
    loseSandbox(model);
    model.settle();
    expect(phaseOf(model)).toBe('Failed');
    expect(model.started).toEqual(['i0', 'i1']);
  });

  it.each([
    ['its init container has succeeded', 'i0', 0],
    ['one of two containers had run', 'a0', 0],
  ])('and that never restarts has failed when no more than this is known: %s', (_, name, code) => {
    const model = new ModelPod(podOf({ inits: name === 'i0' ? ['init'] : [], apps: 2, policy: 'Never' }));
    const dead = model.addSandbox(0, false);
    model.addContainer(name, dead.id, 'exited', 0, code);
    model.settle();
    expect(phaseOf(model)).toBe('Failed');
    expect(model.started).toEqual([]);
  });

  it('and that never restarts is made anew though an ephemeral container has run', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Never' }));
    model.pod = { ...model.pod, spec: { ...model.pod.spec, ephemeralContainers: [container('debug')] } };
    const dead = model.addSandbox(0, false);
    model.addContainer('debug', dead.id, 'exited', 0, 0);
    model.settle();
    expect(model.started).toEqual(['a0']);
  });

  it('and that never restarts is made anew as long as none of its containers has run', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Never' }));
    model.addSandbox(0, false);
    model.settle();
    expect(model.running()).toEqual(['a0']);
    expect(model.sandboxes.map(({ attempt }) => attempt)).toEqual([1]);
  });

  it('and that restarts on failure starts in the new one only what had not succeeded', () => {
    const model = ended('OnFailure', { a0: 0 });
    model.plan();
    loseSandbox(model);
    model.settle();
    expect(model.started).toEqual(['a0', 'a1', 'a1']);
    expect(model.running()).toEqual(['a1']);
    model.endOf('a1', 0);
    model.settle();
    expect(phaseOf(model)).toBe('Succeeded');
  });

  it('and that always restarts runs all of it again in the new one, init containers first', () => {
    const pod = podOf({ inits: ['init', 'sidecar'], apps: 2, policy: 'Always' });
    const model = new ModelPod(pod, behavioursOf(pod));
    model.settle();
    loseSandbox(model);
    const lostAt = model.now;
    model.settle();
    expect(model.started).toEqual(['i0', 'i1', 'a0', 'a1', 'i0', 'i1', 'a0', 'a1']);
    expect(model.running()).toEqual(['a0', 'a1', 'i1']);
    expect(model.now).toBe(lostAt);
  });

  it('starts an init container that had succeeded at last without a pause', () => {
    const model = new ModelPod(podOf({ inits: ['init'], apps: 1, policy: 'Always' }));
    model.settle();
    for (const code of [1, 1, 1, 0]) {
      model.endOf('i0', code);
      model.settle();
    }
    const lostAt = model.now;
    loseSandbox(model);
    model.settle();
    expect(model.running()).toEqual(['i0']);
    expect(model.now).toBe(lostAt);
  });

  it('starts a failed init container in the new one only after its back-off', () => {
    const pod = podOf({ inits: ['init'], apps: 1, policy: 'Always' });
    const model = new ModelPod(pod);
    model.settle();
    for (let i = 0; i < 2; i++) {
      model.endOf('i0', 1);
      if (i === 0) model.settle();
    }
    model.plan();
    const failedAt = model.now;
    loseSandbox(model);
    model.settle();
    expect(model.running()).toEqual(['i0']);
    expect(model.now - failedAt).toBe(10_000);
  });

  it('gets a new one only when what ran in the old one has been stopped, and that is removed', () => {
    const pod = makePod('web', { terminationGracePeriodSeconds: 7, containers: [container('a0'), container('a1')] });
    const model = new ModelPod(pod);
    model.settle();
    model.sandboxes = model.sandboxes.map((sandbox) => ({ ...sandbox, running: false }));
    const stops = model.plan();
    expect(stops).toEqual(
      model.containers.map(({ id, name }) => ({
        action: 'stopContainer',
        container: name,
        id,
        deadline: model.now + 7_000,
        why: 'Pod sandbox changed, it will be killed and re-created.',
      })),
    );
    for (const step of stops) model.do(step);
    expect(model.plan()).toEqual([{ action: 'removeSandbox', id: model.sandboxes[0]?.id }]);
  });

  it.each([
    [3, 2],
    [2, 3],
  ])('keeps the newest of two that run, listed as %i and %i', (...attempts) => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
    const [old, young] = attempts.map((attempt) => model.addSandbox(attempt)).sort((a, b) => a.attempt - b.attempt);
    if (!old || !young) throw new Error('there are two');
    expect(model.plan()).toContainEqual({ action: 'removeSandbox', id: old.id });
    model.settle();
    expect(model.sandboxes).toEqual([young]);
    expect(model.containers.map(({ sandboxId }) => sandboxId)).toEqual([young.id]);
  });
});

describe('a pod with a deadline', () => {
  const spec = { activeDeadlineSeconds: 60, containers: [container('a0')] };

  it('fails when it is reached, and not a millisecond before', () => {
    const model = new ModelPod(makePod('web', spec));
    const deadline = model.now + 60_000;
    model.settle(200, 0);
    expect(model.running()).toEqual(['a0']);
    expect(planPod(model.view(), deadline - 1)).toEqual([{ action: 'wait', until: deadline }]);
    expect(planPod(model.view(), deadline)).toEqual([
      {
        action: 'finish',
        phase: 'Failed',
        reason: 'DeadlineExceeded',
        message: 'Pod was active on the node longer than the specified deadline',
      },
    ]);
  });

  it('that has ended, or is being deleted, ends no second time by it', () => {
    const done = new ModelPod(makePod('web', { ...spec, restartPolicy: 'Never' }), { a0: { exitCode: 0 } });
    done.settle();
    done.now += 120_000;
    done.settle();
    expect(done.memory.terminal).toEqual({ phase: 'Succeeded' });
    const going = new ModelPod(makePod('web', spec));
    going.settle(200, 0);
    going.delete();
    expect(planPod(going.view(), going.now + 120_000).map(({ action }) => action)).toEqual(['stopContainer']);
  });
});

describe('a pod that ended before the agent was restarted', () => {
  it.each([
    ['Never', 0, 'Succeeded'],
    ['Never', 1, 'Failed'],
    ['OnFailure', 0, 'Succeeded'],
  ] as const)('under the policy %s with code %i while none watched is %s', (policy, code, phase) => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy }));
    const sandbox = model.addSandbox(0);
    model.addContainer('a0', sandbox.id, 'exited', 0, code);
    model.settle();
    expect(phaseOf(model)).toBe(phase);
    expect(model.started).toEqual([]);
  });

  it('does not end it while a newer container of the name is there', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Never' }));
    const sandbox = model.addSandbox(0);
    model.addContainer('a0', sandbox.id, 'exited', 0, 1);
    model.addContainer('a0', sandbox.id, 'running', 1);
    model.settle();
    expect(phaseOf(model)).toBeUndefined();
    expect(model.running()).toEqual(['a0']);
  });

  it('is ended although nothing new may be started yet', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Never' }));
    const sandbox = model.addSandbox(0);
    model.addContainer('a0', sandbox.id, 'exited', 0, 1);
    model.plan();
    expect(planPod(model.view(false), model.now)).toEqual([{ action: 'finish', phase: 'Failed' }]);
  });
});

it('a pod that cannot run here is refused before anything of it is made, and not once it has a sandbox', () => {
  const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
  const unsupported = { reason: 'UnsupportedPod', message: 'no such thing here' };
  expect(planPod({ ...model.view(), unsupported }, model.now)).toEqual([
    { action: 'finish', phase: 'Failed', ...unsupported, refused: true },
  ]);
  model.settle();
  expect(planPod({ ...model.view(), unsupported }, model.now)).toEqual([]);
});
