import { setMaxListeners } from 'node:events';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../../shared/virtual-clock.ts';
import { groups, type Identity } from '../../auth/identity.ts';
import { FairGate, type Seat } from './gate.ts';
import { levelOf, levels, listWidth } from './levels.ts';

const user = (name: string): Identity => ({ user: name, groups: [groups.authenticated] });
const never = new AbortController().signal;
setMaxListeners(0, never);
const limits = levels.workload;

/** Requests of some users, in the order in which they got their seats. */
class Crowd {
  readonly clock = new VirtualClock();
  readonly registry = new Registry();
  readonly gate = new FairGate({ clock: this.clock, registry: this.registry });
  readonly seated: { name: string; seat: Seat }[] = [];
  readonly refused: unknown[] = [];

  come(name: string, { width = 1, signal = never }: { width?: number; signal?: AbortSignal } = {}): void {
    try {
      const seat = this.gate.enter(user(name), width, () => signal);
      if (seat instanceof Promise) {
        seat.then(
          (got) => this.seated.push({ name, seat: got }),
          (error: unknown) => this.refused.push(error),
        );
      } else this.seated.push({ name, seat });
    } catch (error) {
      this.refused.push(error);
    }
  }

  async leave(count: number, name?: string): Promise<void> {
    for (let left = 0; left < count; left++) {
      const index = this.seated.findIndex((one) => name === undefined || one.name === name);
      const [gone] = this.seated.splice(index, 1);
      if (gone) this.gate.leave(gone.seat);
    }
    await this.clock.advance(0);
  }

  count(name: string): number {
    return this.seated.filter((one) => one.name === name).length;
  }
}

describe('the fair gate', () => {
  it('admits a request at once, without a promise, as long as there is a seat', () => {
    const gate = new FairGate({ clock: new VirtualClock() });
    expect(gate.enter(user('ann'), 1, () => never)).not.toBeInstanceOf(Promise);
  });

  it('gives one user a part of the seats, and another user a seat at once', () => {
    const crowd = new Crowd();
    for (let i = 0; i < 500; i++) crowd.come('flood');
    expect(crowd.count('flood')).toBe(limits.perUser);
    crowd.come('ann');
    expect(crowd.count('ann')).toBe(1);
  });

  it('gives a free seat to the waiting user with the fewest seats', async () => {
    const crowd = new Crowd();
    const floods = ['a', 'b', 'c', 'd'];
    for (const name of floods) for (let i = 0; i < 100; i++) crowd.come(name);
    expect(crowd.seated).toHaveLength(limits.seats);
    for (let i = 0; i < 10; i++) crowd.come('ann');
    await crowd.leave(1, 'a');
    expect(crowd.count('ann')).toBe(1);
    await crowd.leave(86);
    const [least, most] = [Math.min, Math.max].map((of) => of(...floods.map((name) => crowd.count(name)))) as [
      number,
      number,
    ];
    expect(crowd.count('ann')).toBe(10);
    expect(most - least).toBeLessThanOrEqual(2);
  });

  it('refuses with TooManyRequests and Retry-After when a queue is full, while other users still wait in theirs', () => {
    const crowd = new Crowd();
    for (let i = 0; i < limits.perUser + limits.queue + 3; i++) crowd.come('flood');
    expect(crowd.refused).toHaveLength(3);
    expect(crowd.refused[0]).toMatchObject({
      reason: 'TooManyRequests',
      message: 'Too many requests, please try again later.',
      details: { retryAfterSeconds: 1 },
    });
    crowd.come('ann');
    expect(crowd.refused).toHaveLength(3);
  });

  it('refuses a request that waited too long, and removes an aborted one at once', async () => {
    const crowd = new Crowd();
    const gone = new AbortController();
    for (let i = 0; i < limits.perUser; i++) crowd.come('ann');
    crowd.come('ann', { signal: gone.signal });
    crowd.come('ann');
    gone.abort(new Error('gone'));
    await crowd.clock.advance(0);
    expect(crowd.refused).toEqual([new Error('gone')]);
    await crowd.clock.advance(15_000);
    expect(crowd.refused[1]).toMatchObject({ reason: 'TooManyRequests' });
    await crowd.leave(1);
    crowd.come('ann');
    expect(crowd.count('ann')).toBe(limits.perUser);
  });

  it('takes more seats for a costlier request, and starves no wide one', async () => {
    const crowd = new Crowd();
    for (let i = 0; i < 3; i++) crowd.come('ann', { width: 10 });
    expect(crowd.count('ann')).toBe(2);
    crowd.come('ann');
    expect(crowd.count('ann')).toBe(2);
    await crowd.leave(1);
    expect(crowd.count('ann')).toBe(3);
    crowd.come('bob', { width: 1_000 });
    expect(crowd.count('bob')).toBe(1);
  });

  it('isolates a priority level from a flood in another', () => {
    const crowd = new Crowd();
    for (let i = 0; i < 50; i++) for (let j = 0; j < 10; j++) crowd.come(`user-${i}`);
    const node: Identity = { user: 'system:node:a', groups: [groups.nodes, groups.authenticated] };
    expect(crowd.gate.enter(node, 1, () => never)).not.toBeInstanceOf(Promise);
  });

  it('takes a seat back once, however often it is left', async () => {
    const crowd = new Crowd();
    crowd.come('ann');
    const [first] = crowd.seated;
    for (let i = 0; i < 3; i++) if (first) crowd.gate.leave(first.seat);
    for (let i = 0; i < 100; i++) crowd.come('bob');
    expect(crowd.count('bob')).toBe(limits.perUser);
  });

  it('bounds the open watches of a user', () => {
    const { gate } = new Crowd();
    const open = Array.from({ length: 5_000 }, () => gate.openStream(user('ann')));
    expect(() => gate.openStream(user('ann'))).toThrow('too many watches and streams: ann has 5000 open');
    open[0]?.close();
    open[0]?.close();
    gate.openStream(user('ann')).close();
    gate.openStream(user('bob')).close();
  });

  it('has metrics of its seats and queues', async () => {
    const crowd = new Crowd();
    for (let i = 0; i < limits.perUser + 5; i++) crowd.come('ann');
    await crowd.leave(1);
    const text = await crowd.registry.metrics();
    const figure = (name: string): string | undefined =>
      new RegExp(`^apiserver_flowcontrol_${name}{priority_level="workload"} (\\d+)$`, 'm').exec(text)?.[1];
    expect(figure('current_executing_seats')).toBe(String(limits.perUser));
    expect(figure('current_inqueue_requests')).toBe('4');
    expect(figure('dispatched_requests_total')).toBe(String(limits.perUser + 1));
    expect(figure('request_wait_duration_seconds_count')).toBe('1');
  });
});

describe('levels and widths', () => {
  it('separate nodes and components from users and pods, and from anonymous requests', () => {
    expect(levelOf({ user: 'system:node:a', groups: [groups.nodes] })).toBe('system');
    expect(levelOf({ user: 'system:kube-scheduler', groups: [] })).toBe('system');
    expect(levelOf({ user: 'admin', groups: [groups.masters] })).toBe('workload');
    expect(levelOf({ user: 'system:serviceaccount:default:a', groups: [] })).toBe('workload');
    expect(levelOf({ user: 'system:anonymous', groups: [groups.unauthenticated] })).toBe('catch-all');
  });

  it('give a list seats by what it reads', () => {
    expect(listWidth(0, undefined)).toBe(1);
    expect(listWidth(10_000, undefined)).toBe(10);
    expect(listWidth(10_000, 500)).toBe(3);
  });
});
