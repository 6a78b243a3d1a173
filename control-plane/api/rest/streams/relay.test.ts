import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../../shared/errors.ts';
import type { Connection, TunnelFrame } from '../../../../shared/session.ts';
import { eventually } from '../../../../test/support/eventually.ts';
import { BoundedQueue } from './bounded-queue.ts';
import { channels, endFrame, failureText, frame, Resizes, statusFrame } from './channels.ts';
import { relay } from './relay.ts';

/** One side of a relay: its output is put into `output`, its input is read from `input`. */
function side(limit = 1_000_000) {
  const output = new BoundedQueue<TunnelFrame>(1_000_000);
  const input = new BoundedQueue<TunnelFrame>(limit);
  const frames: TunnelFrame[] = [];
  const state = { closed: false };
  const end: Connection<TunnelFrame, TunnelFrame> = {
    incoming: output,
    async send(message) {
      if (state.closed) throw new Error('closed');
      frames.push(message);
      await input.put(message, message.data.length);
      if (state.closed) throw new Error('closed');
    },
    close() {
      state.closed = true;
      input.abort();
      output.end();
    },
  };
  return { output, input, frames, end, state };
}

const text = (words: string): Uint8Array => Buffer.from(words);
const success = statusFrame({ status: 'Success' });
const alive = new AbortController().signal;

describe('a relay', () => {
  it('carries a half-close to the pod and the last output and the status to the client, then ends both', async () => {
    const client = side();
    const pod = side();
    const running = relay(client.end, pod.end, alive);
    await client.output.put(frame(channels.stdin, text('in')));
    await client.output.put(endFrame(channels.stdin));
    await eventually(() => pod.frames.length === 2);
    expect(pod.frames[1]).toEqual(endFrame(channels.stdin));
    await pod.output.put(frame(channels.stdout, text('out')));
    await pod.output.put(success);
    await running;
    expect(client.frames).toEqual([frame(channels.stdout, text('out')), success]);
    expect([client.state.closed, pod.state.closed]).toEqual([true, true]);
  });

  it('ends the pod’s side immediately when the client disconnects, even while the pod reads nothing', async () => {
    const client = side();
    const pod = side(10);
    const running = relay(client.end, pod.end, alive);
    for (let i = 0; i < 5; i++) await client.output.put(frame(channels.stdin, Buffer.alloc(100)));
    await eventually(() => pod.frames.length === 1);
    // Its stdin is full; the client's end comes by the connection that is gone.
    client.output.abort();
    pod.end.close();
    await running;
    expect(pod.state.closed).toBe(true);
  });

  it('reads one side only as fast as the other takes it', async () => {
    const client = side(1_000);
    const pod = side();
    const running = relay(client.end, pod.end, alive);
    for (let i = 0; i < 100; i++) await pod.output.put(frame(channels.stdout, Buffer.alloc(500)));
    await eventually(() => client.frames.length > 0);
    let before = 0;
    await eventually(() => {
      const same = client.frames.length === before;
      before = client.frames.length;
      return same;
    });
    expect(client.frames.length).toBeLessThan(5);
    const taking = (async () => {
      for await (const _ of client.input);
    })();
    await pod.output.put(success);
    await running;
    await taking;
    expect(client.frames).toHaveLength(101);
  });

  it('sends the end to a client that still sends data which the pod does not take', async () => {
    const client = side();
    const pod = side();
    const running = relay(client.end, { ...pod.end, send: () => Promise.reject(new Error('exited')) }, alive);
    for (let i = 0; i < 5; i++) await client.output.put(frame(channels.stdin, text('more')));
    await pod.output.put(success);
    await running;
    expect(client.frames).toEqual([success]);
  });

  it('reports a lost node, an error, and the reason of an abort', async () => {
    const reported = async (finish: (pod: ReturnType<typeof side>) => void, signal = alive): Promise<string> => {
      const client = side();
      const pod = side();
      finish(pod);
      await relay(client.end, pod.end, signal);
      return failureText(client.frames[0]?.data ?? new Uint8Array(0));
    };
    expect(await reported((pod) => pod.output.end())).toBe(
      'Internal error occurred: the connection to the node was lost',
    );
    const gone = new ApiError('NotFound', 'there is no such process');
    expect(await reported((pod) => pod.output.end(gone))).toBe('there is no such process');
    const closing = AbortSignal.abort(new ApiError('ServiceUnavailable', 'the server is shutting down'));
    expect(await reported((pod) => pod.output.end(), closing)).toBe('the server is shutting down');
  });

  it('cuts large messages into frames that a tunnel takes', async () => {
    const client = side();
    const pod = side(10_000_000);
    const running = relay(client.end, pod.end, alive);
    const large = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251));
    await client.output.put(frame(channels.stdin, large, true));
    await eventually(() => pod.frames.at(-1)?.end === true);
    expect(Math.max(...pod.frames.map(({ data }) => data.length))).toBe(64 * 1024);
    expect(Buffer.concat(pod.frames.map(({ data }) => data)).equals(large)).toBe(true);
    expect(pod.frames.filter(({ end }) => end)).toHaveLength(1);
    await pod.output.put(success);
    await running;
  });
});

describe("a terminal's sizes", () => {
  it('are read from chunks of any size, and invalid ones are left out', () => {
    const resizes = new Resizes();
    const pieces = ['{"Width":80,"Hei', 'ght":24}\n{"Width":-1,"Height":2}', '{"Width":100,', '"Height":50}{}'];
    const found = pieces.flatMap((piece) =>
      [...resizes.push(text(piece))].map(({ data }) => Buffer.from(data).toString()),
    );
    expect(found).toEqual(['{"Width":80,"Height":24}', '{"Width":100,"Height":50}']);
  });
});
