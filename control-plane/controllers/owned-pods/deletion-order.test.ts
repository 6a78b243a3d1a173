import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pod } from '../../../shared/generated/types.ts';
import { rankForDeletion } from './deletion-order.ts';

const hours = (count: number) => new Date(Date.UTC(2026, 0, 1, count)).toISOString();

/** The facts of a pod that the order uses. */
interface Facts {
  node?: string;
  phase?: 'Pending' | 'Unknown' | 'Running';
  ready?: boolean;
  cost?: string;
  /** Hours of the first day of 2026; undefined: unknown. */
  readyAt?: number;
  restarts?: number[];
  /** Of a sidecar, and of an init container that is none. */
  sidecarRestarts?: number;
  initRestarts?: number;
  createdAt?: number;
}

function pod(name: string, facts: Facts): Pod {
  const { node, phase, ready = false, cost, readyAt, restarts = [], sidecarRestarts, initRestarts, createdAt } = facts;
  const statuses = (entries: Array<[string, number | undefined]>) =>
    entries.flatMap(([container, restartCount]) =>
      restartCount === undefined ? [] : [{ name: container, restartCount }],
    );
  return {
    metadata: {
      name,
      ...(cost === undefined ? {} : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } }),
      ...(createdAt === undefined ? {} : { creationTimestamp: hours(createdAt) }),
    },
    spec: {
      containers: [],
      initContainers: [{ name: 'sidecar', restartPolicy: 'Always' }, { name: 'init' }],
      ...(node ? { nodeName: node } : {}),
    },
    status: {
      phase,
      conditions: [
        { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: readyAt && hours(readyAt) },
        { type: 'Initialized', status: 'True' },
      ],
      containerStatuses: statuses(restarts.map((count, index) => [`c${index}`, count])),
      initContainerStatuses: statuses([
        ['init', initRestarts],
        ['sidecar', sidecarRestarts],
      ]),
    },
  } as unknown as Pod;
}

/** The names in the order of deletion, for any order of the list. */
function ranked(...pods: Pod[]): string[] {
  const order = names(rankForDeletion(pods));
  expect(names(rankForDeletion([...pods].reverse()))).toEqual(order);
  return order;
}

const names = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata.name);

/** Kubernetes' rules for scaling a ReplicaSet down, in their order: the pod that is deleted first, and one that is kept. */
const rules: ReadonlyArray<[string, Facts, Facts]> = [
  ['a pod without a node before one that has a node', {}, { node: 'a' }],
  ['Pending before Unknown', { node: 'a', phase: 'Pending' }, { node: 'a', phase: 'Unknown' }],
  ['Unknown before Running', { node: 'a', phase: 'Unknown' }, { node: 'a', phase: 'Running' }],
  ['Pending before Running', { node: 'a', phase: 'Pending' }, { node: 'a', phase: 'Running' }],
  ['not ready before ready', { ready: false }, { ready: true }],
  ['a low deletion cost before a high one', { cost: '-5' }, { cost: '3' }],
  ['a low deletion cost before none', { cost: '-5' }, {}],
  ['no deletion cost before a high one', {}, { cost: '3' }],
  ['the one ready for less time', { ready: true, readyAt: 9 }, { ready: true, readyAt: 8 }],
  ['ready since an unknown time', { ready: true }, { ready: true, readyAt: 8 }],
  ['many restarts of one container before fewer', { restarts: [0, 5] }, { restarts: [4, 4] }],
  ['many restarts of a sidecar before fewer', { sidecarRestarts: 2 }, { sidecarRestarts: 1 }],
  ['the younger one', { createdAt: 7 }, { createdAt: 6 }],
  ['one with an unknown creation time', {}, { createdAt: 6 }],
];

/** For each rule, facts that contradict it and belong to later rules. */
const later: ReadonlyArray<[string, Facts, Facts]> = [
  ['phase', { phase: 'Running' }, { phase: 'Pending' }],
  ['ready', { ready: true }, { ready: false }],
  ['cost', { cost: '3' }, { cost: '-5' }],
  ['readyAt', { ready: true, readyAt: 1 }, { ready: true, readyAt: 2 }],
  ['restarts', { restarts: [0] }, { restarts: [9] }],
  ['sidecarRestarts', { sidecarRestarts: 0 }, { sidecarRestarts: 9 }],
  ['createdAt', { createdAt: 1 }, { createdAt: 2 }],
];
const placeOf = (facts: readonly Facts[], name: string) => facts.some((one) => Object.hasOwn(one, name));

describe('of two pods the one deleted first', () => {
  it.each(rules)('is %s', (_rule, first, second) => {
    expect(ranked(pod('a', first), pod('b', second))).toEqual(['a', 'b']);
    expect(ranked(pod('b', first), pod('a', second))).toEqual(['b', 'a']);
  });

  it.each(rules)('is %s, whatever the later rules prefer', (_rule, first, second) => {
    const places = later.map(([name]) => placeOf([first, second], name));
    const start = places.lastIndexOf(true) + 1;
    const against = (side: 1 | 2) => Object.assign({}, ...later.slice(start).map((entry) => entry[side])) as Facts;
    const ready = first.ready ?? second.ready;
    const [a, b] = [
      { ...against(1), ...first },
      { ...against(2), ...second },
    ];
    // To be ready is looked at before the rules about what is ready.
    const same = ready === undefined && start > 2 ? { ready: false } : {};
    expect(ranked(pod('b', { ...a, ...same }), pod('a', { ...b, ...same }))).toEqual(['b', 'a']);
  });

  it('is on the node with more of them, before age is compared', () => {
    const pods = [
      pod('alone', { node: 'x', ready: true, readyAt: 9, createdAt: 9 }),
      pod('pair-1', { node: 'y', ready: true, readyAt: 2, createdAt: 2 }),
      pod('pair-2', { node: 'y', ready: true, readyAt: 1, createdAt: 1 }),
    ];
    expect(ranked(...pods)).toEqual(['pair-1', 'pair-2', 'alone']);
  });

  it('is not on the node with more of them when its deletion cost is higher', () => {
    const pods = [
      pod('cheap', { node: 'x', cost: '1' }),
      pod('a', { node: 'y', cost: '2' }),
      pod('b', { node: 'y', cost: '2' }),
    ];
    expect(ranked(...pods)[0]).toBe('cheap');
  });

  it('does not depend on restarts of an init container that has ended', () => {
    const [often, never] = [
      { initRestarts: 9, createdAt: 1 },
      { initRestarts: 0, createdAt: 2 },
    ];
    expect(ranked(pod('often', often), pod('never', never))).toEqual(['never', 'often']);
  });

  it('of pods that are not ready does not depend on since when they are not', () => {
    const [old, young] = [
      { readyAt: 1, createdAt: 5 },
      { readyAt: 2, createdAt: 4 },
    ];
    expect(ranked(pod('old', old), pod('young', young))).toEqual(['old', 'young']);
  });

  it('does not depend on which of them has no container statuses', () => {
    const silent = {
      ...pod('b', { restarts: [1], createdAt: 1 }),
      spec: { containers: [] },
      status: {},
    } as unknown as Pod;
    expect(ranked(silent, pod('a', { createdAt: 2 }))).toEqual(['a', 'b']);
  });

  it('ignores a deletion cost that is not a number', () => {
    const pods = [pod('high', { cost: '1' }), pod('odd', { cost: 'cheap' }), pod('low', { cost: '-1' })];
    expect(ranked(...pods)).toEqual(['low', 'odd', 'high']);
  });

  it('counts a pod without a status as Pending', () => {
    const bare = { metadata: { name: 'bare' }, spec: { containers: [], nodeName: 'a' } } as unknown as Pod;
    expect(ranked(pod('unknown', { node: 'a', phase: 'Unknown' }), bare)).toEqual(['bare', 'unknown']);
  });
});

it('the order of deletion does not depend on the order of the list, and the list is not changed', () => {
  const facts: fc.Arbitrary<Facts> = fc.record(
    {
      node: fc.constantFrom('x', 'y'),
      phase: fc.constantFrom('Pending' as const, 'Running' as const),
      ready: fc.boolean(),
      cost: fc.constantFrom('1', '2'),
      readyAt: fc.integer({ min: 1, max: 3 }),
      createdAt: fc.integer({ min: 1, max: 3 }),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.array(facts, { maxLength: 6 }), (all) => {
      const pods = all.map((one, index) => pod(`p${index}`, one));
      const before = names(pods);
      rankForDeletion(pods);
      ranked(...pods);
      expect(names(pods)).toEqual(before);
    }),
    { numRuns: 50 },
  );
});
