import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aside } from './aside.ts';
import { VirtualClock } from './virtual-clock.ts';

describe('a virtual clock', () => {
  it('fires timers in the order of their times, and of their making when those are equal', async () => {
    const waits = fc.array(fc.integer({ min: -1, max: 6 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(waits, fc.nat(7), async (all, until) => {
        const clock = new VirtualClock();
        const fired: number[] = [];
        for (const [index, ms] of all.entries()) clock.timer(ms, () => fired.push(index));
        await clock.advance(until);
        const due = [...all.keys()].filter((index) => (all[index] ?? 0) <= until);
        const at = (index: number) => Math.max(0, all[index] ?? 0);
        expect(fired).toEqual(due.sort((a, b) => at(a) - at(b) || a - b));
      }),
    );
  });

  it('shows each timer the time that it is due', async () => {
    const clock = new VirtualClock(1_000);
    const seen: number[] = [];
    for (const ms of [20, 10]) clock.timer(ms, () => seen.push(clock.now(), clock.monotonic()));
    await clock.advance(30);
    expect(seen).toEqual([1_010, 10, 1_020, 20]);
    expect([clock.now(), clock.monotonic()]).toEqual([1_030, 30]);
    expect(new VirtualClock().now()).toBe(Date.parse('2026-01-01T00:00:00Z'));
  });

  it('fires what is set on the way, when it falls due before the end', async () => {
    const clock = new VirtualClock();
    const fired: number[] = [];
    const again = (): void => {
      fired.push(clock.monotonic());
      clock.timer(10, again);
    };
    clock.timer(10, again);
    await clock.advance(35);
    expect(fired).toEqual([10, 20, 30]);
  });

  it('lets time pass for a wait too short to show in the time, but none for no wait', async () => {
    const clock = new VirtualClock();
    await clock.advance(1e9);
    const fired: number[] = [];
    clock.timer(Number.MIN_VALUE, () => fired.push(clock.monotonic()));
    clock.timer(0, () => fired.push(clock.monotonic()));
    clock.timer(-5, () => fired.push(clock.monotonic()));
    await clock.advance(1);
    expect(fired[0]).toBe(1e9);
    expect(fired[1]).toBe(1e9);
    expect(fired[2]).toBeGreaterThan(1e9);
  });

  it('forgets a cancelled timer and no other', async () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    const timers = ['a', 'b', 'c'].map((name) => clock.timer(10, () => fired.push(name)));
    timers[1]?.cancel();
    timers[1]?.cancel();
    await clock.advance(10);
    timers[0]?.cancel();
    clock.timer(5, () => fired.push('d'));
    timers[2]?.cancel();
    await clock.advance(10);
    expect(fired).toEqual(['a', 'c', 'd']);
  });

  it('jumps with its wall time only', async () => {
    const clock = new VirtualClock(1_000);
    let fired = false;
    clock.timer(100, () => {
      fired = true;
    });
    clock.jump(1_000_000);
    await clock.advance(50);
    expect([clock.now(), clock.monotonic(), fired]).toEqual([1_001_050, 50, false]);
    clock.jump(-2_000_000);
    await clock.advance(50);
    expect([clock.now(), clock.monotonic(), fired]).toEqual([-998_900, 100, true]);
  });

  it('ends a sleep when its time has come, or with the reason when it is aborted', async () => {
    const clock = new VirtualClock();
    const stop = new AbortController();
    const outcomes: string[] = [];
    void clock.sleep(10, stop.signal).then(() => outcomes.push('slept'));
    const cut = clock.sleep(20, stop.signal).catch((error: Error) => outcomes.push(error.message));
    await clock.advance(15);
    expect(outcomes).toEqual(['slept']);
    stop.abort(new Error('over'));
    await cut;
    expect(outcomes).toEqual(['slept', 'over']);
    await expect(clock.sleep(1, stop.signal)).rejects.toThrow('over');
  });

  it('advances until a condition holds, and no further than it may', async () => {
    const clock = new VirtualClock();
    let fired = false;
    clock.timer(120, () => {
      fired = true;
    });
    expect(await clock.advanceUntil(() => fired, 100)).toBe(false);
    expect(clock.monotonic()).toBe(100);
    expect(await clock.advanceUntil(() => fired, 100)).toBe(true);
    expect(clock.monotonic()).toBe(150);
    expect(await clock.advanceUntil(() => clock.monotonic() >= 153, 10, 2)).toBe(true);
    expect(clock.monotonic()).toBe(154);
    expect(await clock.advanceUntil(() => true, 0)).toBe(true);
    expect(await clock.advanceUntil(() => false, 0)).toBe(false);
  });

  it('runs what is ready before it moves, so that work set aside is not overtaken', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.timer(1, () => seen.push('timer'));
    void aside().then(() => seen.push('aside'));
    await clock.advance(1);
    expect(seen).toEqual(['aside', 'timer']);
  });
});

it('what is set aside runs behind what is ready', async () => {
  const seen: string[] = [];
  const waiting = aside().then(() => seen.push('aside'));
  void Promise.resolve().then(() => seen.push('promise'));
  await waiting;
  expect(seen).toEqual(['promise', 'aside']);
});
