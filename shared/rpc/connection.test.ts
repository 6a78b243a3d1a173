import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { TokenBucket } from '../token-bucket.ts';
import { VirtualClock } from '../virtual-clock.ts';
import { connectionOver } from './connection.ts';

it('a message that comes too fast is not decoded before its time', async () => {
  const clock = new VirtualClock();
  const bucket = new TokenBucket(clock, { burst: 2, perSecond: 1 });
  const stream = new PassThrough({ objectMode: true });
  const decoded: number[] = [];
  const decode = (message: number): number => {
    decoded.push(message);
    return message;
  };
  const connection = connectionOver(stream, { encode: (one: number) => one, decode, pace: () => bucket.take(1) });
  for (const message of [1, 2, 3, 4]) stream.write(message);
  const reading = (async () => {
    const seen: number[] = [];
    for await (const message of connection.incoming) if (seen.push(message) === 4) return seen;
    return seen;
  })();
  await new Promise(setImmediate);
  expect(decoded).toEqual([1, 2]);
  await clock.advance(1_000);
  await new Promise(setImmediate);
  expect(decoded).toEqual([1, 2, 3]);
  await clock.advance(1_000);
  expect(await reading).toEqual([1, 2, 3, 4]);
});
