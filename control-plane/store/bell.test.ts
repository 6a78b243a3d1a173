import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Bell } from './bell.ts';

describe('a bell', () => {
  const setup = () => {
    const bell = new Bell();
    const woken: string[] = [];
    const wait = (name: string, signal = new AbortController().signal) =>
      bell.wait(signal).then(() => woken.push(name));
    return { bell, woken, wait };
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  it('wakes all who wait, once; who comes later waits for the next ring', async () => {
    const { bell, woken, wait } = setup();
    bell.ring();
    const first = [wait('a'), wait('b')];
    await settle();
    expect(woken).toEqual([]);
    bell.ring();
    const later = wait('c');
    await Promise.all(first);
    await settle();
    expect(woken).toEqual(['a', 'b']);
    bell.ring();
    await later;
    expect(woken).toEqual(['a', 'b', 'c']);
  });

  it('lets go of those whose signal ends, without an error and without the others', async () => {
    const { bell, woken, wait } = setup();
    const own = new AbortController();
    const ended = wait('ended', own.signal);
    const other = wait('other');
    own.abort(new Error('gone'));
    await ended;
    await wait('too late', own.signal);
    expect(woken).toEqual(['ended', 'too late']);
    bell.ring();
    await other;
  });

  it('leaves nothing behind at the signals of those whom it woke', async () => {
    const { bell, wait } = setup();
    const { signal } = new AbortController();
    const waiting = wait('a', signal);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    bell.ring();
    await waiting;
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});
