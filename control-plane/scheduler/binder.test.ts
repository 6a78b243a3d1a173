import { describe, expect, it } from 'vitest';
import type { BindResult } from '../../shared/client.ts';
import { binderOf } from '../../test/support/scheduling-binder.ts';

const conflict: BindResult = { ok: false, reason: 'Conflict', message: 'the guard has moved on' };

describe('the binder', () => {
  it('has one call for a node under way, and sends the next with the guard that it gave', async () => {
    const { binder, calls, reported, place, sent } = binderOf();
    binder.guardSeen('n', 5);
    place('a');
    place('b');
    place('c');
    expect(sent()).toEqual([['a n 5']]);
    await calls[0]?.answer([{ ok: true, guardVersion: '9' }]);
    expect(sent()[1]).toEqual(['b n 9', 'c n 9']);
    expect(reported).toEqual(['bound a']);
    expect(binder.inFlight).toBe(2);
  });

  it('recognizes its own guard when the informer is faster than the answer', async () => {
    const { binder, calls, reported, place, sent } = binderOf();
    binder.guardSeen('n', 5);
    place('a');
    place('b');
    binder.guardSeen('n', 9);
    await calls[0]?.answer([{ ok: true, guardVersion: '9' }]);
    expect(reported).toEqual(['bound a']);
    expect(sent()[1]).toEqual(['b n 9']);
  });

  it('returns unsent placements for a new decision when another writer used capacity of the node', async () => {
    const { binder, calls, reported, place } = binderOf();
    binder.guardSeen('n', 5);
    place('a');
    place('b');
    binder.guardSeen('n', 7);
    await calls[0]?.answer([conflict]);
    expect(reported).toEqual(['failed a', 'stale b']);
    expect(calls).toHaveLength(1);
    place('c');
    expect(calls[1]?.bindings).toMatchObject([{ name: 'c', guardVersion: '7' }]);
  });

  it('sends nothing to a node whose guard another writer changed, until the informer shows it or a short time has passed', async () => {
    const { binder, clock, calls, reported, place } = binderOf();
    binder.guardSeen('n', 5);
    place('a');
    await calls[0]?.answer([conflict]);
    place('b');
    await clock.advance(20);
    expect(calls).toHaveLength(1);
    binder.guardSeen('n', 8);
    expect(reported).toEqual(['failed a', 'stale b']);
    place('c');
    await calls[1]?.answer([conflict]);
    place('d');
    await clock.advance(100);
    expect(calls[2]?.bindings).toMatchObject([{ name: 'd', guardVersion: '8' }]);
  });

  it('gives up on a node that never gets a guard', async () => {
    const { binder, clock, reported, place, calls } = binderOf();
    place('a', 'ghost');
    await clock.advance(6_000);
    expect(reported).toEqual(['failed a']);
    expect(binder.inFlight).toBe(0);
    expect(calls).toHaveLength(0);
  });

  it('returns unsent placements for a new decision when the node itself changed', () => {
    const { binder, place, sent, reported } = binderOf();
    place('a');
    binder.nodeChanged('n');
    binder.guardSeen('n', 5);
    binder.flush();
    expect(sent()).toEqual([]);
    expect(reported).toEqual(['stale a']);
    expect(binder.inFlight).toBe(0);
  });
});
