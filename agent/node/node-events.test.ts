import { expect, test } from 'vitest';
import type { NodeStatus } from '../../shared/generated/types.ts';
import { NodeEvents } from './node-events.ts';

const status = (ready: string, memory: string): NodeStatus => ({
  conditions: [
    { type: 'MemoryPressure', status: memory },
    { type: 'Ready', status: ready },
  ],
});

test('a node’s events are its start, its conditions, and then their changes, with the reasons of the kubelet', () => {
  const told: string[] = [];
  const events = new NodeEvents('n1', (reason, message) => told.push(`${reason}: ${message}`));
  events.note(status('False', 'False'));
  events.note(status('False', 'False'));
  events.note(status('True', 'True'));
  expect(told).toEqual([
    'Starting: Starting kubelet.',
    'NodeHasSufficientMemory: Node n1 status is now: NodeHasSufficientMemory',
    'NodeHasInsufficientMemory: Node n1 status is now: NodeHasInsufficientMemory',
    'NodeReady: Node n1 status is now: NodeReady',
  ]);
});
