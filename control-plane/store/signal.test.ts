import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Signal } from './signal.ts';

describe('a signal', () => {
  const setup = () => {
    const signal = new Signal();
    const woken: string[] = [];
    const wait = (name: string, abort = new AbortController().signal) =>
      signal.wait(abort).then(() => woken.push(name));
    return { signal, woken, wait };
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  it('wakes all waiters, once; a later one waits for the next broadcast', async () => {
    const { signal, woken, wait } = setup();
    signal.broadcast();
    const first = [wait('a'), wait('b')];
    await settle();
    expect(woken).toEqual([]);
    signal.broadcast();
    const later = wait('c');
    await Promise.all(first);
    await settle();
    expect(woken).toEqual(['a', 'b']);
    signal.broadcast();
    await later;
    expect(woken).toEqual(['a', 'b', 'c']);
  });

  it('releases an aborted waiter, without an error and without the others', async () => {
    const { signal, woken, wait } = setup();
    const own = new AbortController();
    const ended = wait('ended', own.signal);
    const other = wait('other');
    own.abort(new Error('gone'));
    await ended;
    await wait('too late', own.signal);
    expect(woken).toEqual(['ended', 'too late']);
    signal.broadcast();
    await other;
  });

  it('leaves no listener on the abort signals of waiters that it woke', async () => {
    const { signal, wait } = setup();
    const { signal: abort } = new AbortController();
    const waiting = wait('a', abort);
    expect(getEventListeners(abort, 'abort')).toHaveLength(1);
    signal.broadcast();
    await waiting;
    expect(getEventListeners(abort, 'abort')).toHaveLength(0);
  });
});
