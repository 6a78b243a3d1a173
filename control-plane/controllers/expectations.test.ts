import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../shared/object.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { Expectations } from './expectations.ts';

const at = (resourceVersion: string) => ({ metadata: { name: 'x', resourceVersion } }) as unknown as KubeObject;

describe('a key', () => {
  it('without writes is always up to date', () => {
    expect(new Expectations(new VirtualClock()).satisfied('a', 0)).toBe(true);
  });

  it('is up to date once the informers have reached its last write, and not earlier', () => {
    const expectations = new Expectations(new VirtualClock());
    expectations.expect('a', at('12'));
    expect([expectations.satisfied('a', 11), expectations.satisfied('b', 11), expectations.satisfied('a', 12)]).toEqual(
      [false, true, true],
    );
  });

  it('waits for its highest write when answers arrive out of order, compared as numbers', () => {
    const expectations = new Expectations(new VirtualClock());
    for (const revision of ['9', '100', '20']) expectations.expect('a', at(revision));
    expect([expectations.satisfied('a', 99), expectations.satisfied('a', 100)]).toEqual([false, true]);
  });

  it('is not blocked by informers that restart from an older state after its expectations were met', () => {
    const expectations = new Expectations(new VirtualClock());
    expectations.expect('a', at('12'));
    expectations.satisfied('a', 12);
    expect(expectations.satisfied('a', 5)).toBe(true);
  });
});

describe('a deleted object', () => {
  it('counts as deleted until the informers have shown the deletion', () => {
    const expectations = new Expectations(new VirtualClock());
    expectations.expectDeletion('u1');
    expect([expectations.isDeletionExpected('u1'), expectations.isDeletionExpected('u2')]).toEqual([true, false]);
    expectations.deletionObserved('u1');
    expect(expectations.isDeletionExpected('u1')).toBe(false);
  });

  it('counts as deleted for half a minute when its deletion is never shown, and then as the informers show it', async () => {
    const clock = new VirtualClock();
    const expectations = new Expectations(clock);
    await clock.advance(60_000);
    expectations.expectDeletion('u1');
    await clock.advance(29_999);
    expect(expectations.isDeletionExpected('u1')).toBe(true);
    await clock.advance(1);
    expect(expectations.isDeletionExpected('u1')).toBe(false);
  });
});
