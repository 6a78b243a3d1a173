import { expect, it } from 'vitest';
import type { Node } from './generated/types.ts';
import { ownNodeOf, parseOwnNode } from './own-node.ts';

const taints = [{ key: 'k', value: 'v', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' }];
const node = { metadata: { labels: { a: 'b' } }, spec: { taints }, status: { allocatable: { cpu: '2' } } };
const known = ownNodeOf(node as unknown as Node);

it('what admission looks at of a node comes over the wire as it was', () => {
  expect(known).toEqual({
    labels: { a: 'b' },
    taints: [{ key: 'k', value: 'v', effect: 'NoExecute' }],
    allocatable: { cpu: '2' },
  });
  expect(parseOwnNode(JSON.parse(JSON.stringify(known)))).toEqual(known);
});

it.each([
  ['no object', []],
  ['labels that are no texts', { ...known, labels: { a: 1 } }],
  ['taints that are no list', { ...known, taints: {} }],
  ['an effect that there is not', { ...known, taints: [{ key: 'k', effect: 'No' }] }],
  ['amounts that are no quantities', { ...known, allocatable: { cpu: 'much' } }],
])('%s is refused', (_, value) => {
  expect(() => parseOwnNode(value)).toThrow('a session message does not hold a node');
});
