import { expect, it } from 'vitest';
import type { Client } from '../../../shared/client.ts';
import type { Event } from '../../../shared/generated/types.ts';
import type { Informers } from '../../../shared/informer.ts';
import { silentLog } from '../../../shared/log.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { NodeEventWriter } from './node-events.ts';

it('an event that is too large does not wait for its turn, and takes no place of others', async () => {
  const clock = new VirtualClock();
  const written: string[] = [];
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const create = async (_kind: string, { metadata }: Event) => {
    written.push(metadata.name);
    await held;
    return {};
  };
  const writer = new NodeEventWriter(
    { client: { create } as unknown as Client, informers: {} as Informers, clock, log: silentLog },
    'a',
  );
  const event = (name: string, text = ''): Event => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace: 'default', uid: '', resourceVersion: '', creationTimestamp: '' },
    involvedObject: { kind: 'Node', name: 'a' },
    reason: text,
  });
  const stop = new AbortController();
  const running = writer.run(stop.signal).catch(() => undefined);
  writer.put(event('first'));
  await clock.advance(0);
  for (let i = 0; i < 300; i++) writer.put(event(`large-${i}`, 'x'.repeat(10_000)));
  writer.put(event('last'));
  release();
  await clock.advance(0);
  expect(written).toEqual(['first', 'last']);
  stop.abort();
  await running;
});
