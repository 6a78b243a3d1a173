import { expect, test } from 'vitest';
import type { Pod } from '../shared/generated/types.ts';
import { seededRandom } from '../shared/random.ts';
import { VirtualClock } from '../shared/virtual-clock.ts';
import { EventQueue } from './events.ts';

const pod = { metadata: { name: 'web', namespace: 'shop', uid: 'u1' }, spec: { containers: [] } } as unknown as Pod;

test('an event that repeats at once is told at once, and its whole count a few seconds later', async () => {
  const clock = new VirtualClock();
  let calls = 0;
  const events = new EventQueue({ clock, random: seededRandom(1), nodeName: 'n1', ready: () => calls++ });
  const started = (): void => events.pod(pod, 'Normal', 'Started', 'Started container app', 'app');
  started();
  const first = events.take();
  expect(first).toMatchObject({ reason: 'Started', count: 1 });
  for (let i = 0; i < 2; i++) {
    await clock.advance(100);
    started();
  }
  expect(events.take()).toBeUndefined();
  await clock.advance(5_000);
  expect(events.take()).toMatchObject({
    metadata: { name: first?.metadata.name },
    ...{ count: 3, firstTimestamp: first?.firstTimestamp },
  });
  expect(calls).toBe(2);
  await clock.advance(60_000);
  expect(events.take()).toBeUndefined();
});
