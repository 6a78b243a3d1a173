import { expect, it } from 'vitest';
import type { Node } from './generated/types.ts';
import { ownNodeOf, parseOwnNode } from './own-node.ts';
import { QuantityError } from './quantity.ts';

const taints = [{ key: 'k', value: 'v', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' }];
const node = { metadata: { labels: { a: 'b' } }, spec: { taints }, status: { allocatable: { cpu: '2' } } };
const known = ownNodeOf(node as unknown as Node);

it('the node fields that admission uses are sent unchanged', () => {
  expect(known).toEqual({
    labels: { a: 'b' },
    taints: [{ key: 'k', value: 'v', effect: 'NoExecute' }],
    allocatable: { cpu: '2' },
  });
  expect(parseOwnNode(JSON.parse(JSON.stringify(known)))).toEqual(known);
});

it('a node without data has no labels, taints and amounts', () => {
  const bare = { labels: {}, taints: [], allocatable: {} };
  expect(ownNodeOf({ metadata: {} } as Node)).toEqual(bare);
  expect(ownNodeOf({ metadata: {}, spec: {}, status: {} } as Node)).toEqual(bare);
  expect(parseOwnNode(bare)).toEqual(bare);
});

it.each(['NoExecute', 'NoSchedule', 'PreferNoSchedule'])(
  'a taint without a value comes over as it was: %s',
  (effect) => {
    const node = {
      metadata: {},
      spec: {
        taints: [
          { key: 'a', value: '', effect },
          { key: 'b', effect },
        ],
      },
    };
    const own = ownNodeOf(node as unknown as Node);
    expect(own.taints).toStrictEqual([
      { key: 'a', effect },
      { key: 'b', effect },
    ]);
    expect(parseOwnNode({ ...own, taints: [{ key: 'a', effect, value: '' }] }).taints).toStrictEqual([
      { key: 'a', effect, value: '' },
    ]);
  },
);

it('an invalid amount is the cause', () => {
  const refused = (): unknown => parseOwnNode({ ...known, allocatable: { cpu: 'much' } });
  expect(refused).toThrow(expect.objectContaining({ reason: 'BadRequest', cause: expect.any(QuantityError) }));
});

it.each([
  ['no object', []],
  ['labels that are no texts', { ...known, labels: { a: 1 } }],
  ['nothing', null],
  ['a text', 'node'],
  ['no labels', { ...known, labels: undefined }],
  ['labels that are a list', { ...known, labels: ['a'] }],
  ['no amounts', { ...known, allocatable: null }],
  ['taints that are no list', { ...known, taints: {} }],
  ['a taint that is no object', { ...known, taints: ['k'] }],
  ['a taint without a key', { ...known, taints: [{ effect: 'NoSchedule' }] }],
  ['a taint whose value is no text', { ...known, taints: [{ key: 'k', effect: 'NoSchedule', value: 1 }] }],
  ['an amount that is a number', { ...known, allocatable: { cpu: 2 } }],
  ['an effect that there is not', { ...known, taints: [{ key: 'k', effect: 'No' }] }],
  ['amounts that are no quantities', { ...known, allocatable: { cpu: 'much' } }],
])('%s is refused', (_, value) => {
  expect(() => parseOwnNode(value)).toThrow('a session message does not hold a node');
});
