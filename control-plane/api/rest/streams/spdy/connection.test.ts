import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../../../shared/clock.ts';
import type { Connection } from '../../../../../shared/session.ts';
import { eventually } from '../../../../../test/support/eventually.ts';
import { BoundedQueue } from '../bounded-queue.ts';
import { SpdyConnection } from './connection.ts';
import { decodeFrames, type Frame, FrameEncoder } from './frames.ts';
import type { SpdyStream } from './stream.ts';

/** A client that writes and reads frames, at the other end of a connection. */
function connected(accept: (stream: SpdyStream) => boolean = () => true) {
  const up = new BoundedQueue<Uint8Array>(1024);
  const down = new BoundedQueue<Uint8Array>(1024 * 1024);
  const streams: SpdyStream[] = [];
  const received: Frame[] = [];
  const wire: Connection<Uint8Array, Uint8Array> = {
    incoming: up,
    send: (bytes) => down.put(bytes, bytes.length),
    close: () => down.end(),
  };
  const connection = new SpdyConnection({ clock: systemClock }, wire, (stream) => {
    streams.push(stream);
    return accept(stream);
  });
  const encoder = new FrameEncoder();
  const reading = (async () => {
    for await (const frame of decodeFrames(down)) received.push(frame);
  })();
  return {
    connection,
    streams,
    received,
    running: connection.run(),
    reading,
    send: (frame: Frame): Promise<void> => {
      const bytes = encoder.encode(frame);
      return up.put(bytes, bytes.length);
    },
    sendBytes: (bytes: Uint8Array): Promise<void> => up.put(bytes, bytes.length),
    hangUp: () => up.end(),
    of: (stream: number): Buffer =>
      Buffer.concat(
        received.flatMap((frame) => (frame.type === 'data' && frame.stream === stream ? [frame.data] : [])),
      ),
  };
}

const open = (stream: number): Frame => ({
  type: 'synStream',
  stream,
  headers: new Map([['streamtype', 'data']]),
  fin: false,
});
const bytes = (size: number): Buffer => Buffer.alloc(size, 'x');

describe('a SPDY connection', () => {
  it('carries bytes in both directions, each with its own end', async () => {
    const { send, streams, received, of, hangUp, running } = connected();
    await send(open(1));
    await eventually(() => streams.length === 1);
    const [stream] = streams;
    if (!stream) throw new Error('no stream');
    expect(stream.headers.get('streamtype')).toBe('data');
    await send({ type: 'data', stream: 1, data: Buffer.from('hello'), fin: true });
    const taken: Buffer[] = [];
    for await (const chunk of stream.incoming) taken.push(Buffer.from(chunk));
    expect(Buffer.concat(taken).toString()).toBe('hello');
    expect(stream.closed.aborted).toBe(false);
    await stream.send(Buffer.from('world'));
    await stream.end();
    expect(stream.closed.aborted).toBe(true);
    await eventually(() => received.some((frame) => frame.type === 'data' && frame.fin));
    expect(of(1).toString()).toBe('world');
    expect(received[0]).toEqual({ type: 'synReply', stream: 1, headers: new Map(), fin: false });
    hangUp();
    await running;
  });

  it('is ended by a protocol violation, and ends its streams', async () => {
    const { send, sendBytes, streams, received, running, reading } = connected();
    await send(open(1));
    await eventually(() => streams.length === 1);
    await sendBytes(Buffer.from([0x80, 9, 0, 1, 0, 0, 0, 0]));
    await expect(running).rejects.toThrow('SPDY version 9 is not spoken');
    await reading;
    expect(streams[0]?.closed.aborted).toBe(true);
    expect(received.at(-1)).toEqual({ type: 'goAway', lastStream: 1, status: 1 });
  });

  it('accepts no stream twice, and none whose number is not a client’s', async () => {
    for (const wrong of [1, 2]) {
      const { send, running } = connected();
      await send(open(1));
      await send(open(wrong));
      await expect(running).rejects.toThrow(`${wrong} is no new stream's number`);
    }
  });

  it('is not read while a stream has too many unread bytes', async () => {
    const { send, streams, hangUp, running } = connected();
    await send(open(1));
    let sent = 0;
    let before = 0;
    const filling = (async () => {
      for (; sent < 64; sent++) await send({ type: 'data', stream: 1, data: bytes(32 * 1024), fin: false });
    })();
    const stuck = (): boolean => {
      const same = sent === before;
      before = sent;
      return same && sent > 0;
    };
    await eventually(stuck, { everyMs: 50 });
    // 256 KiB in the stream's own buffer, and what the pieces on the way hold.
    expect(sent).toBeLessThan(16);
    let taken = 0;
    const taking = (async () => {
      for await (const chunk of streams[0]?.incoming ?? []) taken += chunk.length;
    })();
    await filling;
    await eventually(() => taken === 64 * 32 * 1024);
    hangUp();
    await Promise.all([running, taking]);
  });

  it('sends window updates, so that a client with flow control continues', async () => {
    const { send, streams, received, hangUp, running } = connected();
    await send(open(1));
    await eventually(() => streams.length === 1);
    streams[0]?.ignoreInput();
    for (let i = 0; i < 4; i++) await send({ type: 'data', stream: 1, data: bytes(16 * 1024), fin: false });
    const updated = (stream: number): number =>
      received.reduce((sum, f) => sum + (f.type === 'windowUpdate' && f.stream === stream ? f.delta : 0), 0);
    await eventually(() => updated(0) === 64 * 1024 && updated(1) === 64 * 1024);
    hangUp();
    await running;
  });

  it('obeys the window of a client that has sent an update', async () => {
    const { send, streams, of, hangUp, running } = connected();
    await send({ type: 'settings', initialWindow: 10_000 });
    await send(open(1));
    await eventually(() => streams.length === 1);
    const sending = streams[0]?.send(bytes(25_000));
    await eventually(() => of(1).length === 10_000);
    await send({ type: 'windowUpdate', stream: 1, delta: 7_000 });
    await eventually(() => of(1).length === 17_000);
    await send({ type: 'windowUpdate', stream: 1, delta: 50_000 });
    await sending;
    await eventually(() => of(1).length === 25_000);
    hangUp();
    await running;
  });

  it('ends a stream that the client resets, and all that wait for it', async () => {
    const { send, streams, hangUp, running } = connected();
    await send({ type: 'settings', initialWindow: 10 });
    await send(open(1));
    await eventually(() => streams.length === 1);
    const [stream] = streams;
    const sending = stream?.send(bytes(1_000));
    const reading = (async () => {
      for await (const _ of stream?.incoming ?? []);
    })();
    await send({ type: 'rstStream', stream: 1, status: 5 });
    await Promise.all([sending, reading]);
    expect(stream?.closed.aborted).toBe(true);
    hangUp();
    await running;
  });

  it('answers pings, and resets streams that are not accepted', async () => {
    const { send, received, hangUp, running } = connected(() => false);
    await send({ type: 'ping', id: 7 });
    await send(open(1));
    await eventually(() => received.some((frame) => frame.type === 'rstStream' && frame.stream === 1));
    expect(received[0]).toEqual({ type: 'ping', id: 7 });
    hangUp();
    await running;
  });
});
