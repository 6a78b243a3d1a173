import type { Caller } from '../server-process.ts';
import { keys, many, map, maps, patches, pod, pods, typed, type Worst } from './request.ts';

const seed = (call: Caller) => call('POST', maps, { body: map('seed') });
const patch = (name: string, type: keyof typeof patches, body: unknown, path = `${maps}/seed?dryRun=All`): Worst => ({
  name,
  before: seed,
  ask: (call) => call('PATCH', path, typed(patches[type], body as object)),
});

const list = many(600_000, () => 1);
const long = (count: number) => ({ op: 'add', path: '/x', value: list.slice(0, count) });
const ops = (op: (index: number) => object) => many(9_990, op);

export const patchRequests: readonly Worst[] = [
  patch('JSON patch: adds at the head of a long list', 'json', [
    long(600_000),
    ...ops(() => ({ op: 'add', path: '/x/0', value: 1 })),
  ]),
  patch('JSON patch: removes at the head of a long list', 'json', [
    long(600_000),
    ...ops(() => ({ op: 'remove', path: '/x/0' })),
  ]),
  patch('JSON patch: moves from the head to the end', 'json', [
    long(600_000),
    ...ops(() => ({ op: 'move', from: '/x/0', path: '/x/-' })),
  ]),
  patch('JSON patch: moves from the end to the head', 'json', [
    long(600_000),
    ...ops(() => ({ op: 'move', from: '/x/-1', path: '/x/0' })),
  ]),
  patch('JSON patch: many tests of a long list', 'json', [
    long(100_000),
    ...ops(() => ({ op: 'test', path: '/x/50000', value: 1 })),
  ]),
  patch('JSON patch: adds and tests of the whole', 'json', [
    long(600),
    ...many(1_000, (i) =>
      i % 2
        ? { op: 'test', path: '/x', value: list.slice(0, 600 + (i + 1) / 2) }
        : { op: 'add', path: '/x/0', value: 1 },
    ),
  ]),
  patch('JSON patch: copies of a large list', 'json', [
    long(300_000),
    ...ops((i) => ({ op: 'copy', from: '/x/0', path: `/y${i}` })),
  ]),
  patch('JSON patch: copies of a large object', 'json', [
    { op: 'add', path: '/x', value: keys(100_000, () => 1) },
    ...ops((i) => ({ op: 'copy', from: '/x', path: `/x/y${i}` })),
  ]),
  patch('JSON patch: replaces in a large object', 'json', [
    { op: 'add', path: '/x', value: keys(100_000, () => 1) },
    ...ops((i) => ({ op: 'replace', path: `/x/k${i}`, value: 2 })),
  ]),
  patch('JSON patch: a large object removed name by name', 'json', [
    { op: 'add', path: '/x', value: keys(100_000, () => 1) },
    ...ops((i) => ({ op: 'remove', path: `/x/k${i}` })),
  ]),
  patch('JSON patch: a path of 3 MB', 'json', [{ op: 'add', path: '/'.repeat(3_000_000), value: 1 }]),
  patch('JSON patch: nests by moves', 'json', [
    { op: 'add', path: '/a', value: { x: 1 } },
    ...many(3_300, () => [
      { op: 'add', path: '/b', value: {} },
      { op: 'move', from: '/a', path: '/b/a' },
      { op: 'move', from: '/b', path: '/a' },
    ]).flat(),
  ]),
  patch(
    'JSON patch: tests of what is not there',
    'json',
    ops((i) => ({ op: 'test', path: `/no${i}`, value: null })),
  ),
  patch('merge patch: 150,000 members', 'merge', { data: keys(150_000, () => 'x') }),
  patch(
    'merge patch: 200,000 unknown members',
    'merge',
    keys(200_000, () => 1),
  ),
  patch('merge patch: 200,000 nulls', 'merge', { data: keys(200_000, () => null) }),
  patch('strategic: $retainKeys', 'strategic', {
    $retainKeys: many(100_000, (i) => `k${i}`),
    ...keys(100_000, () => 1),
  }),
  patch('strategic: $retainKeys over data', 'strategic', {
    data: { $retainKeys: many(100_000, (i) => `k${i}`), ...keys(100_000, () => 'x') },
  }),
  patch('strategic: $retainKeys of what is not there', 'strategic', { $retainKeys: many(300_000, (i) => `${i}`) }),
  patch('strategic: $setElementOrder of large values', 'strategic', {
    metadata: { finalizers: ['x'.repeat(1_000_000)], '$setElementOrder/finalizers': many(300_000, () => 'a') },
  }),
  patch('strategic: $setElementOrder of owners', 'strategic', {
    metadata: {
      ownerReferences: many(15_000, (i) => ({ apiVersion: 'v1', kind: 'Pod', name: 'o', uid: `${i}` })),
      '$setElementOrder/ownerReferences': many(15_000, (i) => ({ uid: `${14_999 - i}` })),
    },
  }),
  patch('strategic: $setElementOrder of owners, in order', 'strategic', {
    metadata: {
      ownerReferences: many(15_000, (i) => ({ apiVersion: 'v1', kind: 'Pod', name: 'o', uid: `${i}` })),
      '$setElementOrder/ownerReferences': many(15_000, (i) => ({ uid: `${i}` })),
    },
  }),
  patch('strategic: merge keys that are large', 'strategic', {
    metadata: {
      ownerReferences: many(500, (i) => ({ name: 'o', uid: { a: 'x'.repeat(2_000), i } })),
      '$setElementOrder/ownerReferences': many(500, (i) => ({ uid: { a: 'x'.repeat(2_000), i } })),
    },
  }),
  patch('strategic: $deleteFromPrimitiveList', 'strategic', {
    metadata: {
      finalizers: many(100_000, (i) => `f${i}`),
      '$deleteFromPrimitiveList/finalizers': many(100_000, (i) => `f${i}`),
    },
  }),
  patch(
    'strategic: many directives',
    'strategic',
    keys(70_000, () => [], '$deleteFromPrimitiveList/x'),
  ),
  patch('strategic: many deletions by key', 'strategic', {
    metadata: { ownerReferences: many(60_000, (i) => ({ $patch: 'delete', uid: `${i}` })) },
  }),
  patch('strategic: an unknown directive beside much', 'strategic', { $patch: 'x', ...keys(200_000, () => 1) }),
  patch(
    'strategic: an unknown directive, deep',
    'strategic',
    many(200, () => 0).reduce<object>((inner) => ({ a: inner }), { $patch: 'x', b: 'x'.repeat(2_500_000) }),
  ),
  patch('strategic: many unknown members', 'strategic', { spec: keys(150_000, () => ({})) }),
  {
    name: 'JSON patch: adds at the head of args of a pod',
    before: (call) =>
      call('POST', pods, {
        body: pod('args', { containers: [{ name: 'c', image: 'i', args: many(200_000, () => 'a') }] }),
      }),
    ask: (call) =>
      call(
        'PATCH',
        `${pods}/args?dryRun=All`,
        typed(
          patches.json,
          ops(() => ({ op: 'add', path: '/spec/containers/0/args/0', value: 'b' })),
        ),
      ),
  },
];
