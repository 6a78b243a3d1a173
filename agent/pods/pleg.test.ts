import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { containerState, sandboxState } from '../../test/support/pod-view.ts';
import type { RuntimeEvent } from '../runtime/runtime.ts';
import { Pleg, type RuntimePods } from './pleg.ts';

const stop: AbortController[] = [];
afterEach(() => {
  for (const each of stop.splice(0)) each.abort();
});

/** A PLEG on a runtime that can be cut off, ticked once a second while it is up, with everything recorded. */
class Scene {
  readonly clock = new VirtualClock();
  readonly log: string[] = [];
  readonly lists: RuntimePods[] = [];
  answers = true;
  up = false;
  #end: (error: Error) => void = () => undefined;
  #push: (event: RuntimeEvent) => void = () => undefined;
  readonly pleg: Pleg;
  readonly signal: AbortSignal;

  constructor() {
    const controller = new AbortController();
    stop.push(controller);
    this.signal = controller.signal;
    this.pleg = new Pleg(
      {
        runtime: { events: () => this.#events(), list: () => this.#list(), prepare: async () => undefined },
        clock: this.clock,
        random: seededRandom(1),
        log: silentLog,
      },
      {
        relisting: () => async (pods) => {
          this.log.push('list');
          this.lists.push(pods);
        },
        event: ({ type }) => this.log.push(type),
        up: () => {
          this.up = true;
          this.log.push('up');
        },
        down: () => {
          this.up = false;
          this.log.push('down');
        },
      },
    );
    void this.pleg.run(this.signal);
  }

  push(event: RuntimeEvent): void {
    this.#push(event);
  }

  cut(): void {
    this.#end(new Error('the connection broke'));
  }

  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      await this.clock.advance(1_000);
      if (this.up) await this.pleg.relistIfDue(this.signal);
    }
  }

  async *#events(): AsyncGenerator<RuntimeEvent> {
    const waiting: RuntimeEvent[] = [];
    let wake: () => void = () => undefined;
    let failure: Error | undefined;
    this.#push = (event) => {
      waiting.push(event);
      wake();
    };
    this.#end = (error) => {
      failure = error;
      wake();
    };
    for (;;) {
      for (let next = waiting.shift(); next; next = waiting.shift()) yield next;
      if (failure) throw failure;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  async #list() {
    if (!this.answers) throw new Error('no answer');
    return { sandboxes: [sandboxState()], containers: [containerState('app'), containerState('other')] };
  }
}

describe('the PLEG', () => {
  it('lists what the runtime has by pod, is up then, and hands on events', async () => {
    const scene = new Scene();
    await scene.clock.advance(100);
    const { uid } = sandboxState().pod;
    expect([...(scene.lists[0] ?? [])]).toEqual([
      [uid, { sandboxes: [sandboxState()], containers: [containerState('app'), containerState('other')] }],
    ]);
    scene.push({ type: 'exited', containerId: 'c', podUid: uid });
    await scene.clock.advance(10);
    expect(scene.log).toEqual(['list', 'up', 'exited']);
  });

  it('lists again a second after the stream of events has begun, and then every 45 seconds', async () => {
    const scene = new Scene();
    await scene.pass(3);
    expect(scene.lists).toHaveLength(2);
    await scene.pass(40);
    expect(scene.lists).toHaveLength(2);
    await scene.pass(10);
    expect(scene.lists).toHaveLength(3);
  });

  it('lists soon when it is asked to', async () => {
    const scene = new Scene();
    await scene.pass(5);
    const { length } = scene.lists;
    scene.pleg.relistSoon();
    await scene.pass(2);
    expect(scene.lists).toHaveLength(length + 1);
  });

  it('is down when the stream of events breaks, and up when the runtime answers again', async () => {
    const scene = new Scene();
    await scene.pass(5);
    scene.log.length = 0;
    scene.answers = false;
    scene.cut();
    await scene.clock.advance(30_000);
    expect(scene.up).toBe(false);
    expect(new Set(scene.log)).toEqual(new Set(['down']));
    scene.answers = true;
    await scene.clock.advance(5_000);
    expect(scene.log.slice(-2)).toEqual(['list', 'up']);
  });

  it('stays up when a later list fails, and lists again in its turn', async () => {
    const scene = new Scene();
    await scene.pass(5);
    scene.answers = false;
    scene.pleg.relistSoon();
    await scene.pass(2);
    expect(scene.log).not.toContain('down');
    scene.answers = true;
    const { length } = scene.lists;
    await scene.pass(50);
    expect(scene.lists).toHaveLength(length + 1);
  });
});
