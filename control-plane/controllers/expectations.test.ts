import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../shared/object.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { OwnWrites } from './expectations.ts';

const at = (resourceVersion: string) => ({ metadata: { name: 'x', resourceVersion } }) as unknown as KubeObject;

describe('a key', () => {
  it('that nothing was written for is always up to date', () => {
    expect(new OwnWrites(new VirtualClock()).seen('a', 0)).toBe(true);
  });

  it('is up to date once the informers have come to its last write, and not before', () => {
    const writes = new OwnWrites(new VirtualClock());
    writes.wrote('a', at('12'));
    expect([writes.seen('a', 11), writes.seen('b', 11), writes.seen('a', 12)]).toEqual([false, true, true]);
  });

  it('waits for its highest write when answers come back in another order, compared as numbers', () => {
    const writes = new OwnWrites(new VirtualClock());
    for (const revision of ['9', '100', '20']) writes.wrote('a', at(revision));
    expect([writes.seen('a', 99), writes.seen('a', 100)]).toEqual([false, true]);
  });

  it('is not held up by informers that start again from an older state once its writes were seen', () => {
    const writes = new OwnWrites(new VirtualClock());
    writes.wrote('a', at('12'));
    writes.seen('a', 12);
    expect(writes.seen('a', 5)).toBe(true);
  });
});

describe('a deleted object', () => {
  it('counts as gone until the informers have shown its end', () => {
    const writes = new OwnWrites(new VirtualClock());
    writes.deleted('u1');
    expect([writes.isDeleted('u1'), writes.isDeleted('u2')]).toEqual([true, false]);
    writes.gone('u1');
    expect(writes.isDeleted('u1')).toBe(false);
  });

  it('counts as gone for half a minute when its end is never shown, and then for what is shown', async () => {
    const clock = new VirtualClock();
    const writes = new OwnWrites(clock);
    await clock.advance(60_000);
    writes.deleted('u1');
    await clock.advance(29_999);
    expect(writes.isDeleted('u1')).toBe(true);
    await clock.advance(1);
    expect(writes.isDeleted('u1')).toBe(false);
  });
});
