import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { PodStatusUpdate } from '../../shared/session.ts';
import { StatusOutbox } from './status-outbox.ts';

const update = (uid: string, phase: string, terminated = false): PodStatusUpdate => ({
  namespace: 'default',
  name: uid,
  uid,
  status: { phase },
  terminated,
});

it('sends of each pod only the newest status', () => {
  const outbox = new StatusOutbox();
  outbox.put(update('a', '1'));
  outbox.put(update('b', '1'));
  outbox.put(update('a', '2'));
  expect(outbox.take()?.updates.map(({ uid, status }) => uid + status?.phase)).toEqual(['b1', 'a2']);
  expect(outbox.take()).toBeUndefined();
});

it('ends with every pod’s newest status stored, however sessions end and acknowledgements are lost', () => {
  const actions = fc.array(
    fc.oneof(
      fc.record({ do: fc.constant('put' as const), pod: fc.nat(3) }),
      fc.record({ do: fc.constant('send' as const), arrives: fc.boolean(), acknowledged: fc.boolean() }),
      fc.record({ do: fc.constant('restart' as const) }),
    ),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(actions, (list) => {
      const outbox = new StatusOutbox();
      const newest = new Map<string, string>();
      const stored = new Map<string, string>();
      let version = 0;
      const send = (arrives: boolean, acknowledged: boolean): void => {
        const batch = outbox.take();
        if (!batch || !arrives) return;
        for (const { uid, status } of batch.updates) stored.set(uid, status?.phase ?? '');
        if (acknowledged) outbox.acknowledge(batch.sequence);
      };
      for (const action of list) {
        if (action.do === 'put') {
          const phase = String(++version);
          newest.set(`pod${action.pod}`, phase);
          outbox.put(update(`pod${action.pod}`, phase));
        } else if (action.do === 'send') send(action.arrives, action.arrives && action.acknowledged);
        else outbox.restart([]);
      }
      outbox.restart([]);
      while (outbox.pending) send(true, true);
      expect(stored).toEqual(newest);
      expect(outbox.unacknowledged).toBe(0);
    }),
  );
});

it('never sends an older status after a newer one, though only the older one’s acknowledgement was lost', () => {
  const outbox = new StatusOutbox();
  outbox.put(update('a', '1'));
  outbox.take();
  outbox.put(update('a', '2'));
  outbox.acknowledge(outbox.take()?.sequence ?? 0);
  outbox.restart([]);
  expect(outbox.pending).toBe(false);
});

it('keeps that a pod has ended until it is acknowledged', () => {
  const outbox = new StatusOutbox();
  outbox.put(update('a', 'Succeeded', true));
  outbox.take();
  outbox.restart([]);
  expect(outbox.take()?.updates).toEqual([update('a', 'Succeeded', true)]);
});

it('large statuses go in several reports, one that is larger than a report by itself', () => {
  const outbox = new StatusOutbox();
  const sizes = [200_000, 100_000, 100_000, 900_000, 10];
  for (const [index, size] of sizes.entries()) {
    const [name, status] = [`p${index}`, { message: 'x'.repeat(size) }];
    outbox.put({ namespace: 'default', name, uid: name, status, terminated: false });
  }
  const batches: string[][] = [];
  for (let batch = outbox.take(); batch; batch = outbox.take()) batches.push(batch.updates.map(({ name }) => name));
  expect(batches).toEqual([['p0'], ['p1', 'p2'], ['p3'], ['p4']]);
});
