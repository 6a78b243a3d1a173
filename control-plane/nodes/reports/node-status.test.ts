import { describe, expect, it } from 'vitest';
import type { Client } from '../../../shared/client.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { Node, NodeStatus } from '../../../shared/generated/types.ts';
import { mergedNodeStatus, writeNodeStatus } from './node-status.ts';

const ready = (status: 'True' | 'False', lastTransitionTime: string) =>
  ({ type: 'Ready', status, lastTransitionTime, lastHeartbeatTime: lastTransitionTime }) as const;
const [t1, t2] = ['2026-01-01T00:00:00Z', '2026-01-01T01:00:00Z'];

describe('a report of the node', () => {
  const reported: NodeStatus = {
    capacity: { cpu: '4', memory: '8Gi' },
    allocatable: { cpu: '3', memory: '7Gi' },
    conditions: [ready('True', t2)],
    images: [],
  };

  it('leaves the capacity that others wrote, all of which is allocatable', () => {
    const stored = {
      capacity: { cpu: '2', 'example.com/gpu': '3' },
      allocatable: { cpu: '1', 'example.com/gpu': '1', 'example.com/gone': '7' },
    };
    expect(mergedNodeStatus(stored, reported)).toMatchObject({
      capacity: { cpu: '4', memory: '8Gi', 'example.com/gpu': '3' },
      allocatable: { cpu: '3', memory: '7Gi', 'example.com/gpu': '3' },
    });
    expect(mergedNodeStatus(stored, reported).allocatable).not.toHaveProperty(['example.com/gone']);
  });

  it('keeps the conditions of others, and writes its own only', () => {
    const problem = { type: 'KernelDeadlock', status: 'False', reason: 'KernelHasNoDeadlock' } as const;
    const network = { type: 'NetworkUnavailable', status: 'False' } as const;
    const merged = mergedNodeStatus(
      { conditions: [problem, ready('False', t1)] },
      {
        conditions: [ready('True', t2), { type: 'PIDPressure', status: 'False' }, network],
      },
    );
    expect(merged.conditions).toEqual([problem, ready('True', t2), { type: 'PIDPressure', status: 'False' }]);
  });

  it('keeps the time of a transition while the condition’s status stays', () => {
    const { conditions } = mergedNodeStatus({ conditions: [ready('True', t1)] }, reported);
    expect(conditions).toEqual([{ ...ready('True', t2), lastTransitionTime: t1 }]);
  });

  it('that comes after the node was lost is a transition of now', () => {
    const lost = { type: 'Ready', status: 'Unknown', lastTransitionTime: '2026-01-01T00:30:00Z' } as const;
    const back = { ...ready('True', t1), lastHeartbeatTime: t2 };
    const { conditions } = mergedNodeStatus({ conditions: [lost] }, { conditions: [back] });
    expect(conditions).toEqual([{ ...back, lastTransitionTime: t2 }]);
  });

  it('leaves fields that it does not have', () => {
    const stored = { volumesAttached: [{ name: 'v', devicePath: '/dev/v' }], addresses: [] } as NodeStatus;
    expect(mergedNodeStatus(stored, reported)).toMatchObject({ ...stored, images: [] });
    expect(mergedNodeStatus(undefined, reported)).toEqual(reported);
  });
});

describe('a report whose node has changed meanwhile', () => {
  const node = { metadata: { name: 'n', uid: 'u', resourceVersion: '1' } } as Node;

  /** The number of writes when the first one conflicts. `read`: called while the newer version is read. */
  async function writesOf(ended: AbortSignal, read: () => void): Promise<number> {
    let writes = 0;
    const client = {
      updateStatus: async (_kind: 'Node', object: Node) => {
        if (writes++ === 0) throw new ApiError('Conflict', 'the object has been modified');
        return object;
      },
      get: async () => {
        read();
        return node;
      },
    } as unknown as Client;
    await writeNodeStatus({ client, ended }, node, { images: [] }).catch(() => undefined);
    return writes;
  }

  it('is written onto the newer version', async () => {
    expect(await writesOf(new AbortController().signal, () => undefined)).toBe(2);
  });

  it('is not written any more when its session has ended', async () => {
    const ended = new AbortController();
    expect(await writesOf(ended.signal, () => ended.abort(new Error('the session has ended')))).toBe(1);
  });
});
