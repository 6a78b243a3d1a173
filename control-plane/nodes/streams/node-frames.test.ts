import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ApiError } from '../../../shared/errors.ts';
import type { TunnelFrame } from '../../../shared/session.ts';
import { checkedFrames, readStatus } from './node-frames.ts';

const bytes = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

it('the end of a command is passed on as the node sent it', () => {
  const said = {
    ...{
      apiVersion: 'v1',
      kind: 'Status',
      metadata: {},
      status: 'Failure',
      reason: 'NonZeroExitCode',
      message: 'exit 3',
    },
    details: { causes: [{ reason: 'ExitCode', message: '3' }] },
    code: 500,
  };
  expect(readStatus(bytes(said))).toEqual(said);
  const { reason, details, code, message, ...rest } = said;
  expect(readStatus(bytes({ ...rest, status: 'Success' }))).toEqual({ ...rest, status: 'Success' });
});

it.each(['', '{', 'null', '7', '[]', '{"status":"Failure","message":7}', '{"message":{}}'])(
  '%j ends the stream with an error',
  (text) => {
    expect(readStatus(bytes(text))).toMatchObject({
      status: 'Failure',
      message: expect.stringContaining('cannot be read'),
    });
  },
);

it('anything that a node sends becomes a Status of bounded size, and an error', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.object().map((value) => JSON.stringify({ status: 'Failure', message: 'm', ...value })),
      ),
      (text) => {
        const found = readStatus(bytes(text));
        expect(() => ApiError.fromStatus(found).toStatus()).not.toThrow();
      },
    ),
  );
  const huge = {
    status: 'Failure',
    message: 'x'.repeat(2 ** 20),
    reason: 'y'.repeat(2 ** 20),
    details: { causes: Array(9_999).fill({ reason: 'z' }) },
  };
  expect(JSON.stringify(readStatus(bytes(huge))).length).toBeLessThan(20_000);
});

it('frames on channels that a node does not write are left out', async () => {
  async function* sent(): AsyncGenerator<TunnelFrame> {
    for (const channel of [0, 1, 2, 3, 4, 255, -1]) yield { channel, data: Buffer.from('{}'), end: false };
  }
  const seen: number[] = [];
  for await (const { channel } of checkedFrames(sent())) seen.push(channel);
  expect(seen).toEqual([1, 2, 3]);
});
