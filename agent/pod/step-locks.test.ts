import { describe, expect, it } from 'vitest';
import { isCancellable, tryStart } from './step-locks.ts';
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
const starts = (step: Step, ...running: Step[]) => tryStart(step, running).starts;
const cancels = (step: Step, ...running: Step[]) => tryStart(step, running).cancels;

describe('a step starts', () => {
  it('when nothing runs', () => {
    for (const step of [pull, create, start, stop, hook, update, remove, volumes, sandbox, finish, cleanup]) {
      expect(tryStart(step, [])).toEqual({ starts: true, cancels: [] });
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

  it('for the whole pod only alone, and nothing starts beside it', () => {
    for (const whole of [removeSandbox, finish, cleanup, { action: 'releaseVolumes' } as Step]) {
      for (const step of [pull, create, start, stop, hook, update, remove, volumes]) {
        expect(starts(whole, step)).toBe(false);
        expect(starts(step, whole)).toBe(false);
      }
      expect(starts(whole, sandbox)).toBe(false);
      expect(starts(sandbox, whole)).toBe(false);
    }
  });

  it('while a sandbox is made only when it pulls an image or creates a container', () => {
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

describe('a running step is cancelled', () => {
  it('when its container is to stop: pulls and starts, not what must not end halfway', () => {
    expect(cancels(stop, pull)).toEqual([pull]);
    expect(cancels(stop, start)).toEqual([start]);
    for (const step of [create, update]) expect(cancels(stop, step)).toEqual([]);
    expect(cancels(start, pull)).toEqual([]);
    expect(cancels(stop, ofOther(pull))).toEqual([]);
  });

  it('when it stops the same container and the deadline has moved forward', () => {
    const sooner = { ...stop, deadline: deadline - 1 };
    expect(cancels(sooner, stop)).toEqual([stop]);
    expect(cancels(sooner, hook)).toEqual([hook]);
    expect(cancels({ ...hook, deadline: deadline - 1 }, stop)).toEqual([stop]);
    expect(cancels(stop, stop)).toEqual([]);
    expect(cancels(stop, sooner)).toEqual([]);
    expect(cancels({ ...sooner, id: 'another' }, stop)).toEqual([]);
  });

  it('when a step for the whole pod waits: pulls and starts of all containers, and no stop', () => {
    expect(cancels(finish, pull, ofOther(start), stop, volumes, create)).toEqual([pull, ofOther(start)]);
    expect(cancels(sandbox, pull)).toEqual([]);
    expect(cancels(volumes, sandbox, pull)).toEqual([]);
  });

  it('by a signal that only pulls, starts, hooks and stops have', () => {
    expect([pull, start, hook, stop].every(isCancellable)).toBe(true);
    expect([create, update, remove, volumes, sandbox, removeSandbox, finish, cleanup].some(isCancellable)).toBe(false);
  });
});
