import { describe, expect, it } from 'vitest';
import { admitStep, canBeLeft } from './lanes.ts';
import type { Step } from './steps.ts';

const deadline = 5_000;
const pull: Step = { action: 'pullImage', container: 'app', attempt: 0 };
const create: Step = { action: 'createContainer', container: 'app', attempt: 0, sandboxId: 's' };
const start: Step = { action: 'startContainer', container: 'app', id: 'c' };
const stop: Step = { action: 'stopContainer', container: 'app', id: 'c', deadline, why: '' };
const hook: Step = { action: 'preStop', container: 'app', id: 'c', deadline };
const update: Step = { action: 'updateContainer', container: 'app', id: 'c', from: '', resources: '' };
const remove: Step = { action: 'removeContainer', container: 'app', id: 'old' };
const volumes: Step = { action: 'prepareVolumes' };
const sandbox: Step = { action: 'createSandbox', attempt: 0 };
const removeSandbox: Step = { action: 'removeSandbox', id: 's' };
const finish: Step = { action: 'finish', phase: 'Failed' };
const cleanup: Step = { action: 'cleanup' };

const ofOther = (step: Step): Step => ({ ...step, container: 'other' }) as Step;
const starts = (step: Step, ...running: Step[]) => admitStep(step, running).starts;
const leaves = (step: Step, ...running: Step[]) => admitStep(step, running).leaves;

describe('a step begins', () => {
  it('when nothing is under way', () => {
    for (const step of [pull, create, start, stop, hook, update, remove, volumes, sandbox, finish, cleanup]) {
      expect(admitStep(step, [])).toEqual({ starts: true, leaves: [] });
    }
  });

  it('beside those of other containers, of volumes and of removals', () => {
    for (const step of [pull, create, start, stop, hook, update]) {
      expect(starts(step, ofOther(stop), volumes, remove)).toBe(true);
    }
    expect(starts(volumes, pull, remove)).toBe(true);
    expect(starts(remove, pull, volumes, { ...remove, id: 'older' })).toBe(true);
  });

  it('never beside another for the same container, removal or volumes', () => {
    const ofApp = [pull, create, start, stop, hook, update];
    for (const step of ofApp) for (const other of ofApp) expect(starts(step, ofOther(pull), other)).toBe(false);
    expect(starts(remove, remove)).toBe(false);
    expect(starts(volumes, volumes)).toBe(false);
  });

  it('for the whole pod only alone, and nothing begins beside it', () => {
    for (const whole of [removeSandbox, finish, cleanup, { action: 'releaseVolumes' } as Step]) {
      for (const step of [pull, create, start, stop, hook, update, remove, volumes]) {
        expect(starts(whole, step)).toBe(false);
        expect(starts(step, whole)).toBe(false);
      }
      expect(starts(whole, sandbox)).toBe(false);
      expect(starts(sandbox, whole)).toBe(false);
    }
  });

  it('beside the making of a sandbox when it pulls an image or makes a container, and not else', () => {
    for (const step of [pull, create]) {
      expect(starts(step, sandbox)).toBe(true);
      expect(starts(sandbox, step)).toBe(true);
    }
    for (const step of [start, stop, hook, update, remove, volumes]) {
      expect(starts(step, sandbox)).toBe(false);
      expect(starts(sandbox, step)).toBe(false);
    }
  });
});

describe('a step under way is left in the middle', () => {
  it('when its container is to stop: pulls and starts, not what has to be whole', () => {
    expect(leaves(stop, pull)).toEqual([pull]);
    expect(leaves(stop, start)).toEqual([start]);
    for (const step of [create, update]) expect(leaves(stop, step)).toEqual([]);
    expect(leaves(start, pull)).toEqual([]);
    expect(leaves(stop, ofOther(pull))).toEqual([]);
  });

  it('when it stops the same container and there is less time now', () => {
    const sooner = { ...stop, deadline: deadline - 1 };
    expect(leaves(sooner, stop)).toEqual([stop]);
    expect(leaves(sooner, hook)).toEqual([hook]);
    expect(leaves({ ...hook, deadline: deadline - 1 }, stop)).toEqual([stop]);
    expect(leaves(stop, stop)).toEqual([]);
    expect(leaves(stop, sooner)).toEqual([]);
    expect(leaves({ ...sooner, id: 'another' }, stop)).toEqual([]);
  });

  it('when the whole pod is waited for: pulls and starts of all containers, and no stop', () => {
    expect(leaves(finish, pull, ofOther(start), stop, volumes, create)).toEqual([pull, ofOther(start)]);
    expect(leaves(sandbox, pull)).toEqual([]);
    expect(leaves(volumes, sandbox, pull)).toEqual([]);
  });

  it('by a signal that pulls, starts, hooks and stops have, and nothing else', () => {
    expect([pull, start, hook, stop].every(canBeLeft)).toBe(true);
    expect([create, update, remove, volumes, sandbox, removeSandbox, finish, cleanup].some(canBeLeft)).toBe(false);
  });
});
