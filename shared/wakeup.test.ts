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
  const wakeup = new Wakeup();
  wakeup.wake();
  wakeup.wake();
  expect(await isDone(wakeup.wait(never))).toBe(true);
  const second = wakeup.wait(never);
  expect(await isDone(second)).toBe(false);
  wakeup.wake();
  expect(await isDone(second)).toBe(true);
  expect(await isDone(wakeup.wait(never))).toBe(false);
});

it('a wait that is aborted rejects with the reason and loses no ring', async () => {
  const wakeup = new Wakeup();
  const stop = new AbortController();
  const waiting = wakeup.wait(stop.signal);
  stop.abort(new Error('over'));
  await expect(waiting).rejects.toThrow('over');
  await expect(wakeup.wait(stop.signal)).rejects.toThrow('over');
  wakeup.wake();
  await expect(wakeup.wait(stop.signal)).rejects.toThrow('over');
  expect(await isDone(wakeup.wait(never))).toBe(true);
});

it('waits leave nothing behind on the signal', async () => {
  const wakeup = new Wakeup();
  const listeners = new Set<unknown>();
  const signal = {
    throwIfAborted: () => undefined,
    addEventListener: (_type: string, listener: unknown) => listeners.add(listener),
    removeEventListener: (_type: string, listener: unknown) => listeners.delete(listener),
  } as unknown as AbortSignal;
  const waiting = wakeup.wait(signal);
  expect(listeners.size).toBe(1);
  wakeup.wake();
  await waiting;
  expect(listeners.size).toBe(0);
});
