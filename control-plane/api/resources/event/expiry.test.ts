import { expect, it } from 'vitest';
import { VirtualClock } from '../../../../shared/virtual-clock.ts';
import { startTestApi } from '../../../../test/support/api-server.ts';

it('forgets events an hour after they were last written', async () => {
  const clock = new VirtualClock();
  const starting = startTestApi({ clock });
  await clock.advance(100);
  const old = await starting;
  const made = old.client.create('Event', {
    metadata: { name: 'e', namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'Tested',
    type: 'Normal',
  } as never);
  await clock.advance(10);
  await made;
  await clock.advance(50 * 60_000);
  expect(old.cache.count('Event')).toBe(1);
  await clock.advance(15 * 60_000);
  expect(old.cache.count('Event')).toBe(0);
  const stopping = old.stop();
  await clock.advance(10);
  await stopping;
});
