import { expect, it } from 'vitest';
import { Wakeup } from './wakeup.ts';

const never = new AbortController().signal;

/** Whether the promise is resolved by the time all that is ready has run. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

it('a ring before the wait is not lost, and many are one', async () => {
  const bell = new Wakeup();
  bell.wake();
  bell.wake();
  expect(await isDone(bell.wait(never))).toBe(true);
  const second = bell.wait(never);
  expect(await isDone(second)).toBe(false);
  bell.wake();
  expect(await isDone(second)).toBe(true);
  expect(await isDone(bell.wait(never))).toBe(false);
});

it('a wait that is aborted rejects with the reason and loses no ring', async () => {
  const bell = new Wakeup();
  const stop = new AbortController();
  const waiting = bell.wait(stop.signal);
  stop.abort(new Error('over'));
  await expect(waiting).rejects.toThrow('over');
  await expect(bell.wait(stop.signal)).rejects.toThrow('over');
  bell.wake();
  await expect(bell.wait(stop.signal)).rejects.toThrow('over');
  expect(await isDone(bell.wait(never))).toBe(true);
});

it('waits leave nothing behind on the signal', async () => {
  const bell = new Wakeup();
  const listeners = new Set<unknown>();
  const signal = {
    throwIfAborted: () => undefined,
    addEventListener: (_type: string, listener: unknown) => listeners.add(listener),
    removeEventListener: (_type: string, listener: unknown) => listeners.delete(listener),
  } as unknown as AbortSignal;
  const waiting = bell.wait(signal);
  expect(listeners.size).toBe(1);
  bell.wake();
  await waiting;
  expect(listeners.size).toBe(0);
});
