import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WorkQueue } from './queue.ts';
import type { Random } from './random.ts';
import { VirtualClock } from './virtual-clock.ts';

/** Chance that is always the same: the backoff's jitter is `share` of half the wait. */
const fixed = (share: number): Random => ({ bytes: (count) => new Uint8Array(count).fill(Math.round(share * 255)) });

function setup(random: Random = fixed(1)) {
  const clock = new VirtualClock();
  const queue = new WorkQueue({ clock, random }, { firstMs: 100, capMs: 1_000 });
  /** The keys that can be had at once. */
  const takeAll = async (): Promise<string[]> => {
    const keys: string[] = [];
    while (queue.depth > 0) keys.push((await queue.take()) as string);
    return keys;
  };
  return { clock, queue, takeAll };
}

describe('the work queue', () => {
  it('hands keys out in the order they came, each once however often it was added', async () => {
    const { queue, takeAll } = setup();
    for (const key of ['b', 'a', 'b', 'c', 'a']) queue.add(key);
    expect(queue.depth).toBe(3);
    expect(await takeAll()).toEqual(['b', 'a', 'c']);
    expect(queue.depth).toBe(0);
  });

  it('gives a key to the longest waiting consumer', async () => {
    const { queue } = setup();
    const taken: string[] = [];
    const takers = ['first', 'second'].map(async (name) => taken.push(`${name} ${await queue.take()}`));
    queue.add('a');
    queue.add('b');
    await Promise.all(takers);
    expect(taken).toEqual(['first a', 'second b']);
    expect(queue.depth).toBe(0);
  });

  it('hands a key that is added while it is worked on out again, once, and only after that work', async () => {
    const { clock, queue, takeAll } = setup();
    const waiting = (async () => {
      const first = await queue.take();
      return [first, await queue.take()];
    })();
    queue.add('a');
    await clock.advance(0);
    queue.add('a');
    queue.add('a');
    await clock.advance(0);
    expect(queue.depth).toBe(0);
    queue.done('a');
    expect(await waiting).toEqual(['a', 'a']);
    queue.done('a');
    expect(await takeAll()).toEqual([]);
  });

  it('returns a failed key after a backoff that doubles up to its cap, and that a success resets', async () => {
    const { clock, queue } = setup();
    const waits: number[] = [];
    const fail = async (): Promise<void> => {
      await queue.take();
      queue.retry('a');
      const began = clock.monotonic();
      await clock.advanceUntil(() => queue.depth > 0, 10_000, 10);
      waits.push(Math.round((clock.monotonic() - began) / 10) * 10);
    };
    queue.add('a');
    for (let i = 0; i < 5; i++) await fail();
    expect(waits).toEqual([100, 200, 400, 800, 1_000]);
    await queue.take();
    queue.done('a');
    queue.add('a');
    await fail();
    expect(waits.at(-1)).toBe(100);
  });

  it('counts the failures of each key by itself', async () => {
    const { clock, queue, takeAll } = setup();
    queue.add('a');
    for (let i = 0; i < 3; i++) {
      expect(await queue.take()).toBe('a');
      queue.retry('a');
      await clock.advance(1_000);
    }
    queue.add('b');
    expect(await takeAll()).toEqual(['a', 'b']);
    queue.retry('b');
    queue.retry('a');
    await clock.advance(100);
    expect(await takeAll()).toEqual(['b']);
    await clock.advance(700);
    expect(await takeAll()).toEqual(['a']);
  });

  it('adds jitter to the upper half of a delay, so that keys that failed together are not retried together', async () => {
    for (const [share, ms] of [
      [0, 50],
      [1, 100],
    ] as const) {
      const { clock, queue } = setup(fixed(share));
      queue.add('a');
      await queue.take();
      queue.retry('a');
      await clock.advance(ms - 1);
      expect(queue.depth).toBe(0);
      await clock.advance(2);
      expect(queue.depth).toBe(1);
    }
  });

  it('waits between 5 and 10 ms after a first failure and at most 30 s after many, when it is given no backoff', async () => {
    const clock = new VirtualClock();
    const queue = new WorkQueue({ clock, random: fixed(1) });
    queue.add('a');
    await queue.take();
    queue.retry('a');
    await clock.advance(4);
    expect(queue.depth).toBe(0);
    await clock.advance(7);
    expect(queue.depth).toBe(1);
    for (let i = 0; i < 20; i++) {
      await queue.take();
      queue.retry('a');
      await clock.advance(30_001);
      expect(queue.depth).toBe(1);
    }
  });

  it('hands a key that failed and was added meanwhile out at once, and once more after the backoff', async () => {
    const { clock, queue, takeAll } = setup();
    queue.add('a');
    await queue.take();
    queue.add('a');
    queue.retry('a');
    expect(await takeAll()).toEqual(['a']);
    queue.done('a');
    await clock.advance(100);
    expect(await takeAll()).toEqual(['a']);
  });

  it('keeps the earlier of two appointments', async () => {
    for (const [first, second] of [
      [100, 500],
      [500, 100],
      [100, 100],
    ] as const) {
      const { clock, queue, takeAll } = setup();
      queue.addAfter('a', first);
      queue.addAfter('a', second);
      await clock.advance(99);
      expect(queue.depth).toBe(0);
      await clock.advance(1);
      expect(await takeAll()).toEqual(['a']);
      queue.done('a');
      await clock.advance(1_000);
      expect(queue.depth).toBe(0);
      queue.addAfter('a', 300);
      await clock.advance(300);
      expect(queue.depth).toBe(1);
    }
  });

  it('closed, sends takers home, present and later ones, and takes no key any more', async () => {
    const { clock, queue } = setup();
    queue.add('worked on');
    await queue.take();
    queue.addAfter('later', 10);
    const waiting = queue.take();
    queue.add('worked on');
    queue.close();
    expect(await waiting).toBeUndefined();
    queue.retry('worked on');
    queue.add('new');
    queue.addAfter('new', 10);
    await clock.advance(1_000);
    expect([queue.depth, await queue.take()]).toEqual([0, undefined]);
  });

  it('closed with keys that wait, hands none of them out', async () => {
    const { queue } = setup();
    queue.add('a');
    queue.close();
    expect([queue.depth, await queue.take()]).toEqual([0, undefined]);
  });

  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const), key: fc.constantFrom('a', 'b', 'c') }) },
    fc.record({
      do: fc.constant('later' as const),
      key: fc.constantFrom('a', 'b', 'c'),
      ms: fc.integer({ min: 0, max: 300 }),
    }),
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('done' as const, 'fail' as const), which: fc.nat(2) }) },
    fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 300 }) }),
  );

  it('never hands a key to two at once, loses none that was wanted, and makes no work of its own', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), async (steps, workers) => {
        const { clock, queue } = setup();
        const working: string[] = [];
        const twice: string[] = [];
        /** Keys that were added and whose work has not begun since. */
        const wanted = new Set<string>();
        let wishes = 0;
        let handedOut = 0;
        const work = async (): Promise<void> => {
          const key = await queue.take();
          if (key === undefined) return;
          if (working.includes(key)) twice.push(key);
          handedOut++;
          working.push(key);
          wanted.delete(key);
        };
        let free = workers;
        const hire = (): void => {
          for (; free > 0; free--) void work();
        };
        const end = (which: number, failed: boolean): void => {
          const [key] = working.splice(which % Math.max(1, working.length), 1);
          if (key === undefined) return;
          if (failed) wishes++;
          if (failed) wanted.add(key);
          if (failed) queue.retry(key);
          else queue.done(key);
          free++;
        };
        const wish = (key: string): void => {
          wishes++;
          wanted.add(key);
        };
        for (const one of steps) {
          hire();
          if (one.do === 'add') {
            wish(one.key);
            queue.add(one.key);
          } else if (one.do === 'later') {
            wish(one.key);
            queue.addAfter(one.key, one.ms);
          } else if (one.do === 'pass') await clock.advance(one.ms);
          else end(one.which, one.do === 'fail');
          await Promise.resolve();
        }
        for (let i = 0; i < 20; i++) {
          hire();
          await clock.advance(1_000);
          end(0, false);
        }
        expect([twice, [...wanted], working]).toEqual([[], [], []]);
        expect(queue.depth).toBe(0);
        expect(handedOut).toBeLessThanOrEqual(wishes);
      }),
      { numRuns: 60 },
    );
  });
});
