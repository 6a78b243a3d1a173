import { describe, expect, it } from 'vitest';
import type { BindResult } from '../../shared/client.ts';
import { ApiError } from '../../shared/errors.ts';
import { binderOf } from '../../test/support/scheduling-binder.ts';

const conflict: BindResult = { ok: false, reason: 'Conflict', message: 'the guard has moved on' };
const ok = (guardVersion: string): BindResult => ({ ok: true, guardVersion });

describe('a call of the binder', () => {
  it('names the pod, its identity and the version that was decided on', () => {
    const { binder, calls, place } = binderOf();
    binder.guardSeen('n', 5);
    place('a');
    expect(calls[0]?.bindings).toEqual([
      { namespace: 'default', name: 'a', uid: 'uid-a', resourceVersion: '1', node: 'n', guardVersion: '5' },
    ]);
  });

  it('has at most so many placements, of one node at most so many, and the rest follows on the new guard', async () => {
    const { binder, calls, add, sent, reported } = binderOf({ batch: 5, perNode: 3, calls: 9 });
    for (const node of ['n', 'm', 'o']) binder.guardSeen(node, 1);
    for (let i = 0; i < 4; i++) for (const node of ['n', 'm', 'o']) add(`${node}${i}`, node);
    binder.flush();
    expect(sent()).toEqual([
      ['n0 n 1', 'n1 n 1', 'n2 n 1', 'm0 m 1', 'm1 m 1'],
      ['o0 o 1', 'o1 o 1', 'o2 o 1'],
    ]);
    await calls[0]?.answer([ok('2'), ok('3'), ok('4'), ok('2'), conflict]);
    expect(reported).toEqual(['bound n0', 'bound n1', 'bound n2', 'bound m0', 'failed m1']);
    expect(sent()[2]).toEqual(['n3 n 4', 'm2 m 2', 'm3 m 2']);
    await calls[1]?.answer([ok('7'), ok('6'), ok('5')]);
    expect(sent()[3]).toEqual(['o3 o 7']);
    expect(binder.inFlight).toBe(4);
  });

  it('waits for another to end when as many as allowed are under way', async () => {
    const { binder, calls, place, sent } = binderOf({ calls: 2 });
    for (const node of ['a', 'b', 'c']) {
      binder.guardSeen(node, 1);
      place(`on-${node}`, node);
    }
    expect(sent()).toEqual([['on-a a 1'], ['on-b b 1']]);
    await calls[1]?.answer([ok('2')]);
    expect(sent()[2]).toEqual(['on-c c 1']);
  });

  it('loses all its placements with the API’s reason when it fails, and reports its end', async () => {
    const { binder, calls, place, reported, reasons, settled } = binderOf();
    binder.guardSeen('n', 1);
    place('a');
    await calls[0]?.fail(new ApiError('ServiceUnavailable', 'away'));
    place('b');
    await calls[1]?.fail(new Error('something else'));
    place('c');
    await calls[2]?.answer([]);
    expect(reported).toEqual(['failed a', 'failed b', 'failed c']);
    expect(reasons).toEqual(['ServiceUnavailable', 'InternalError', 'InternalError']);
    expect([binder.inFlight, settled()]).toEqual([0, 3]);
  });

  it('that is not answered within 15 s is lost, and its late answer changes nothing', async () => {
    const { binder, clock, calls, place, reported, reasons, sent } = binderOf();
    binder.guardSeen('n', 1);
    place('a');
    await clock.advance(14_999);
    expect(reported).toEqual([]);
    await clock.advance(1);
    expect([reported, reasons, binder.inFlight]).toEqual([['failed a'], ['Timeout'], 0]);
    await calls[0]?.answer([ok('9')]);
    expect(reported).toEqual(['failed a']);
    place('b');
    expect(sent()[1]).toEqual(['b n 1']);
  });

  it('leaves no timer behind when it is answered', async () => {
    const { binder, clock, calls, place, reported } = binderOf();
    binder.guardSeen('n', 1);
    place('a');
    await calls[0]?.answer([ok('2')]);
    await clock.advance(20_000);
    expect(reported).toEqual(['bound a']);
  });
});

describe('the binder’s guards', () => {
  it('are awaited on a new node for 5 s, and the first one releases the waiting pods', async () => {
    const { binder, clock, place, sent, reported, reasons, settled } = binderOf();
    place('a', 'new');
    await clock.advance(4_999);
    place('b', 'new');
    binder.guardSeen('new', 3);
    binder.flush();
    expect([sent(), reported]).toEqual([[['a new 3', 'b new 3']], []]);
    place('c', 'never');
    await clock.advance(4_999);
    expect(reported).toEqual([]);
    const before = settled();
    await clock.advance(1);
    expect([reported, reasons]).toEqual([['failed c'], ['NotFound']]);
    expect(settled()).toBe(before + 1);
    place('d', 'never');
    await clock.advance(4_999);
    expect(reported).toEqual(['failed c']);
  });

  it('block a node for 50 ms only when no binding succeeded and no newer guard is seen', async () => {
    const { binder, clock, calls, place, sent } = binderOf();
    binder.guardSeen('n', 1);
    place('a');
    place('b');
    await calls[0]?.answer([conflict]);
    expect(sent()).toHaveLength(1);
    await clock.advance(49);
    expect(sent()).toHaveLength(1);
    await clock.advance(1);
    expect(sent()[1]).toEqual(['b n 1']);
    place('c');
    place('d');
    await calls[1]?.answer([ok('4')]);
    await calls[2]?.answer([conflict, ok('5')]);
    place('e');
    expect(sent()[3]).toEqual(['e n 5']);
    // Another reason than a conflict says nothing about the guard.
    await calls[3]?.answer([{ ok: false, reason: 'NotFound', message: 'gone' }]);
    place('f');
    expect(sent()[4]).toEqual(['f n 5']);
  });

  it('that come with an answer later than they were seen do not go back', async () => {
    const { binder, calls, place, sent } = binderOf();
    binder.guardSeen('n', 5);
    binder.guardSeen('n', 3);
    place('a');
    binder.guardSeen('n', 20);
    await calls[0]?.answer([ok('9')]);
    place('b');
    expect(sent()).toEqual([['a n 5'], ['b n 20']]);
    binder.guardSeen('n', 7);
    await calls[1]?.answer([ok('21')]);
    place('c');
    expect(sent()[2]).toEqual(['c n 21']);
  });

  it('that are deleted drop the waiting pods, and the next guard of the same name is awaited', async () => {
    const { binder, place, calls, sent, reported } = binderOf();
    binder.guardSeen('n', 5);
    place('a');
    place('b');
    binder.guardDeleted('n');
    expect(reported).toEqual(['stale b']);
    expect(binder.inFlight).toBe(1);
    await calls[0]?.answer([{ ok: false, reason: 'NotFound', message: 'gone' }]);
    place('c');
    expect(sent()).toHaveLength(1);
    binder.guardSeen('n', 30);
    binder.flush();
    expect(sent()[1]).toEqual(['c n 30']);
    await calls[1]?.answer([ok('31')]);
    binder.guardDeleted('n');
    binder.guardDeleted('unknown');
    place('d');
    expect(sent()).toHaveLength(2);
  });

  it('are kept of a node that comes back while a call for it is under way', async () => {
    const { binder, place, calls, sent } = binderOf();
    binder.guardSeen('n', 5);
    place('a');
    binder.guardDeleted('n');
    binder.guardSeen('n', 8);
    await calls[0]?.answer([conflict]);
    place('b');
    expect(sent()[1]).toEqual(['b n 8']);
  });
});

describe('placements of the binder', () => {
  it('are no more than allowed at a time', async () => {
    const { binder, calls, place } = binderOf({ inFlight: 2 });
    binder.guardSeen('n', 1);
    place('a');
    expect(binder.full).toBe(false);
    place('b');
    expect([binder.full, binder.inFlight]).toEqual([true, 2]);
    await calls[0]?.answer([ok('2')]);
    expect(binder.full).toBe(false);
  });

  it('can be withdrawn until they are sent', async () => {
    const { binder, add, place, sent, calls, reported } = binderOf();
    binder.guardSeen('n', 1);
    const a = place('a');
    const [b, c] = [add('b'), add('c')];
    expect(binder.withdraw(a, 'n')).toBe(false);
    expect(binder.withdraw(c, 'unknown')).toBe(false);
    expect([binder.withdraw(b, 'n'), binder.withdraw(b, 'n')]).toEqual([true, false]);
    expect(binder.inFlight).toBe(2);
    await calls[0]?.answer([ok('2')]);
    expect(sent()[1]).toEqual(['c n 2']);
    expect(reported).toEqual(['bound a']);
  });

  it('of a node that changed are decided again, those of others are sent', () => {
    const { binder, add, sent, reported } = binderOf();
    for (const node of ['n', 'm']) binder.guardSeen(node, 1);
    add('a', 'n');
    add('b', 'm');
    binder.nodeChanged('n');
    binder.nodeChanged('unknown');
    binder.flush();
    expect([sent(), reported, binder.inFlight]).toEqual([[['b m 1']], ['stale a'], 1]);
  });

  it('that no call has left are all done when it is idle', async () => {
    const { binder, clock, calls, place } = binderOf();
    binder.guardSeen('n', 1);
    await binder.idle();
    place('a');
    place('b');
    let idle = false;
    void binder.idle().then(() => {
      idle = true;
    });
    await clock.advance(10);
    expect(idle).toBe(false);
    await calls[0]?.answer([ok('2')]);
    expect(idle).toBe(false);
    await calls[1]?.answer([ok('3')]);
    expect(idle).toBe(true);
  });

  it('are forgotten when it closes, without a word', async () => {
    const { binder, clock, add, place, reported, sent } = binderOf();
    place('a', 'new');
    binder.guardSeen('n', 1);
    add('b');
    binder.close();
    binder.flush();
    await clock.advance(10_000);
    expect([reported, sent()]).toEqual([[], []]);
  });
});
