import { describe, expect, it } from 'vitest';
import type { WireFromNode } from './messages.ts';
import { createRpcSchema } from './schema.ts';
import { fromNodeFromWire } from './session-messages.ts';

const schema = createRpcSchema();
const tooMany = { reason: 'RequestEntityTooLarge', message: expect.stringContaining('values') };

/** `count` times the same two bytes, as the message field that `head` begins. */
function repeated(head: number, pair: readonly [number, number], count: number): Buffer {
  const length = 2 * count;
  const varint = [
    (length & 0x7f) | 0x80,
    ((length >>> 7) & 0x7f) | 0x80,
    ((length >>> 14) & 0x7f) | 0x80,
    length >>> 21,
  ];
  return Buffer.concat([Buffer.from([head, ...varint]), Buffer.alloc(length, Buffer.from(pair))]);
}

describe('a message of very many small parts', () => {
  it('is refused before it is decoded, where a node sends it', () => {
    const { Connect } = schema.sessions;
    const empty = Connect.requestSerialize({ pod_status: { updates: [{}] } });
    const [head = 0, , ...pair] = empty;
    expect(pair).toEqual([0x12, 0]);
    const message = repeated(head, [0x12, 0], 1_000_000);
    expect(() => Connect.requestDeserialize(message)).toThrow(expect.objectContaining(tooMany));
    const updates = Array.from({ length: 1_000 }, (_, i) => ({ namespace: 'default', name: `p${i}`, uid: `u${i}` }));
    const kept = Connect.requestDeserialize(Connect.requestSerialize({ pod_status: { sequence: 7, updates } }));
    expect(kept.pod_status?.updates).toHaveLength(1_000);
  });

  it('and where it comes before it is known who sends it', () => {
    const bind = schema.kinds.find(({ entry }) => entry.kind === 'Pod')?.methods.Bind;
    const bindings = Buffer.alloc(2_000_000, Buffer.from([0x0a, 0]));
    expect(() => bind?.requestDeserialize(bindings)).toThrow(expect.objectContaining(tooMany));
  });

  it('and so are the reports in it', () => {
    const status = Buffer.from(`[${'[],'.repeat(500_000)}[]]`);
    const wire: WireFromNode = { node_status: { status } };
    expect(() => fromNodeFromWire(wire)).toThrow(expect.objectContaining(tooMany));
  });
});
