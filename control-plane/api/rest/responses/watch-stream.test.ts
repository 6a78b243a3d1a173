import type { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../../shared/errors.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { VirtualClock } from '../../../../shared/virtual-clock.ts';
import type { ApiWatchEvent } from '../../api.ts';
import { streamWatch, type WatchStream } from './watch-stream.ts';

/** A client that takes only so many writes. */
class Client extends Writable {
  taken = '';
  #left: number;

  constructor(writes: number) {
    super({ highWaterMark: 1024, decodeStrings: false });
    this.#left = writes;
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    if (this.#left-- <= 0) return;
    this.taken += chunk.toString();
    done();
  }

  writeHead(): this {
    return this;
  }

  flushHeaders(): this {
    return this;
  }
}

function watchFor(client: Client, clock: VirtualClock, text: (event: ApiWatchEvent) => string): WatchStream {
  // As the server does it: what is done for a client ends with its connection.
  const gone = new AbortController();
  client.on('close', () => gone.abort());
  return {
    response: client as unknown as ServerResponse,
    clock,
    signal: gone.signal,
    contentType: 'application/json',
    encode: text,
    encodeError: (status) => `ERROR ${(status as { code: number }).code}\n`,
  };
}

const event: ApiWatchEvent = { type: 'ADDED', object: { metadata: { name: 'a' } } as KubeObject };

describe('the stream of a watch', () => {
  it('reads no more events than the client takes, and buffers few of them', async () => {
    const clock = new VirtualClock();
    const client = new Client(2);
    let asked = 0;
    async function* events() {
      for (; asked < 1_000; asked++) yield event;
    }
    const streamed = streamWatch(
      watchFor(client, clock, () => 'x'.repeat(10_000)),
      events(),
    );
    await clock.advance(29_000);
    expect(asked).toBeLessThan(30);
    expect(client.writableLength).toBeLessThan(200_000);
    await clock.advance(2_000);
    expect(client.destroyed).toBe(true);
    await streamed;
  });

  it('sends an error event when it cannot go on, and disconnects a client that does not read it', async () => {
    for (const writes of [10, 1]) {
      const clock = new VirtualClock();
      const client = new Client(writes);
      async function* events() {
        yield event;
        await clock.sleep(10);
        throw new ApiError('Expired', 'too old');
      }
      const streamed = streamWatch(
        watchFor(client, clock, () => 'one\n'),
        events(),
      );
      await clock.advance(20);
      expect(client.taken).toBe(writes === 10 ? 'one\nERROR 410\n' : 'one\n');
      expect(client.destroyed).toBe(writes === 10);
      await clock.advance(31_000);
      await streamed;
      expect(client.destroyed).toBe(true);
    }
  });

  it('writes events of one turn together', async () => {
    const clock = new VirtualClock();
    const client = new Client(1_000);
    let writes = 0;
    const { _write } = client;
    client._write = function counted(...all: Parameters<Client['_write']>) {
      writes++;
      _write.apply(this, all);
    };
    async function* events() {
      for (let i = 0; i < 100; i++) yield event;
      await clock.sleep(10);
    }
    const streamed = streamWatch(
      watchFor(client, clock, () => 'one\n'),
      events(),
    );
    await clock.advance(20);
    await streamed;
    expect(client.taken).toBe('one\n'.repeat(100));
    expect(writes).toBe(1);
  });
});
