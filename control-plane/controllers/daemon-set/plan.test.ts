import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DaemonSet, Node, Pod, Taint } from '../../../shared/generated/types.ts';
import { bounds, type DaemonSetState, planDaemonSet } from './plan.ts';

const start = Date.parse('2026-01-01T00:00:00Z');
const time = (seconds: number) => new Date(start + seconds * 1000).toISOString();

interface PodFacts {
  node: string;
  hash?: string;
  phase?: string;
  ready?: boolean;
  since?: number;
  created?: number;
  deleted?: boolean;
  bound?: boolean;
}

let count = 0;
function pod({ node, hash = 'new', phase = 'Running', ready = true, since = 0, created = 0, ...more }: PodFacts): Pod {
  const name = `p${count++}`;
  const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] };
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } } };
  return {
    metadata: {
      name,
      uid: name,
      labels: { 'controller-revision-hash': hash },
      creationTimestamp: time(created),
      ...(more.deleted ? { deletionTimestamp: time(0) } : {}),
    },
    spec: { containers: [], affinity, ...(more.bound === false ? {} : { nodeName: node }) },
    status: {
      phase,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: time(since) }],
    },
  } as unknown as Pod;
}

function node(name: string, { labels = {}, taints = [] }: { labels?: Record<string, string>; taints?: Taint[] } = {}) {
  return { metadata: { name, labels }, spec: { taints } } as unknown as Node;
}

function daemonSet(spec: object = {}, template: object = {}): DaemonSet {
  return {
    metadata: { name: 'd', generation: 3 },
    spec: { selector: {}, template: { spec: { containers: [], ...template } }, ...spec },
  } as unknown as DaemonSet;
}

const plan = (more: Partial<DaemonSetState>) =>
  planDaemonSet({
    daemonSet: daemonSet(),
    hash: 'new',
    nodes: [],
    pods: [],
    now: start,
    failedBackoffMs: () => 0,
    ...more,
  });

const names = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata.name).sort();
const rolling = (rollingUpdate: object) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } });

describe('a node', () => {
  it('that is eligible gets one pod, and a second one of the same template goes', () => {
    const pods = [pod({ node: 'b', created: 1 }), pod({ node: 'b', created: 2 })];
    const { create, delete: surplus } = plan({ nodes: [node('a'), node('b')], pods });
    expect(create).toEqual(['a']);
    expect(surplus).toEqual([pods[1]]);
  });

  it('whose pod is being deleted gets none until it is gone', () => {
    expect(plan({ nodes: [node('a')], pods: [pod({ node: 'a', deleted: true })] })).toMatchObject({
      create: [],
      delete: [],
    });
  });

  it('that its template does not select, by name, label or affinity, has no pod', () => {
    const nodes = [node('a', { labels: { disk: 'ssd' } }), node('b')];
    const pods = [pod({ node: 'b' })];
    const selector = plan({ nodes, pods, daemonSet: daemonSet({}, { nodeSelector: { disk: 'ssd' } }) });
    expect([selector.create, selector.delete]).toEqual([['a'], pods]);
    expect(plan({ nodes, daemonSet: daemonSet({}, { nodeName: 'b' }) }).create).toEqual(['b']);
  });

  it('with a NoSchedule taint keeps its pod and gets no new one; with an untolerated NoExecute taint it loses it', () => {
    const taint = (effect: Taint['effect']): Taint => ({ key: 'k', effect });
    const pods = [pod({ node: 'b' })];
    const noSchedule = { taints: [taint('NoSchedule')] };
    expect(plan({ nodes: [node('a', noSchedule), node('b', noSchedule)], pods })).toMatchObject({
      create: [],
      delete: [],
    });
    expect(plan({ nodes: [node('b', { taints: [taint('NoExecute')] })], pods }).delete).toEqual(pods);
  });

  it('that is cordoned, not ready, unreachable or under pressure is eligible, as in Kubernetes', () => {
    const keys = ['unschedulable', 'disk-pressure', 'memory-pressure', 'pid-pressure'];
    const nodes = [
      ...keys.map((key) => node(key, { taints: [{ key: `node.kubernetes.io/${key}`, effect: 'NoSchedule' }] })),
      ...['not-ready', 'unreachable'].map((key) =>
        node(key, { taints: [{ key: `node.kubernetes.io/${key}`, effect: 'NoExecute' }] }),
      ),
    ];
    expect(plan({ nodes }).create).toEqual(nodes.map(({ metadata }) => metadata.name));
  });

  it('whose pod failed gets another after the backoff, and one that succeeded at once', () => {
    const failed = pod({ node: 'a', phase: 'Failed' });
    const waiting = plan({ nodes: [node('a')], pods: [failed], failedBackoffMs: () => 700 });
    expect(waiting).toMatchObject({ create: [], delete: [], requeueAfterMs: 700 });
    expect(plan({ nodes: [node('a')], pods: [failed] }).delete).toEqual([failed]);
    const done = pod({ node: 'a', phase: 'Succeeded' });
    expect(plan({ nodes: [node('a')], pods: [done], failedBackoffMs: () => 700 }).delete).toEqual([done]);
  });

  it('that is gone leaves only pods that were never bound to be deleted here', () => {
    const pods = [pod({ node: 'gone', bound: false }), pod({ node: 'gone' })];
    expect(plan({ nodes: [], pods }).delete).toEqual([pods[0]]);
  });
});

describe('a rolling update', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((name) => node(name));
  const old = (name: string, more: Partial<PodFacts> = {}) => pod({ node: name, hash: 'old', ...more });

  it('replaces as many available pods as maxUnavailable leaves, and all that are not available', () => {
    const pods = [old('a'), old('b'), old('c', { ready: false }), pod({ node: 'd', ready: false })];
    const set = (maxUnavailable: number | string) => daemonSet(rolling({ maxUnavailable }));
    expect(plan({ nodes, pods, daemonSet: set(1) }).delete).toEqual([pods[2]]);
    expect(plan({ nodes, pods, daemonSet: set(2) }).delete).toHaveLength(2);
    // 30 % of four nodes are two.
    expect(plan({ nodes, pods, daemonSet: set('30%') }).delete).toHaveLength(2);
  });

  it('with a surge creates new pods beside old ones, and deletes an old one when the new one is available', () => {
    const set = daemonSet(rolling({ maxSurge: 1, maxUnavailable: 0 }));
    const first = plan({ nodes, pods: nodes.map(({ metadata }) => old(metadata.name)), daemonSet: set });
    expect([first.create, first.delete]).toEqual([['a'], []]);
    const both = [old('a'), pod({ node: 'a', ready: false }), old('b'), old('c'), old('d')];
    expect(plan({ nodes, pods: both, daemonSet: set })).toMatchObject({ create: [], delete: [] });
    const served = [both[0] as Pod, pod({ node: 'a' }), old('b'), old('c'), old('d')];
    const next = plan({ nodes, pods: served, daemonSet: set });
    expect([next.create, next.delete]).toEqual([['b'], [both[0]]]);
  });

  it('waits for minReadySeconds, and says until when', () => {
    const set = daemonSet({ ...rolling({ maxUnavailable: 1 }), minReadySeconds: 10 });
    const pods = [pod({ node: 'a', since: 4 }), old('b', { since: -60 })];
    const { delete: none, requeueAfterMs } = plan({
      nodes: nodes.slice(0, 2),
      pods,
      daemonSet: set,
      now: start + 5_000,
    });
    expect([none, requeueAfterMs]).toEqual([[], 9_000]);
  });

  it('is left to the user with OnDelete', () => {
    const set = daemonSet({ updateStrategy: { type: 'OnDelete' } });
    expect(plan({ nodes, pods: nodes.map(({ metadata }) => old(metadata.name)), daemonSet: set }).delete).toEqual([]);
  });

  const step = fc.record({ which: fc.nat(40), what: fc.constantFrom('ready', 'ready', 'ready', 'unready', 'fail') });
  const scenario = fc.record({
    size: fc.integer({ min: 1, max: 6 }),
    limits: fc.oneof(
      fc.record({ maxUnavailable: fc.integer({ min: 1, max: 3 }), maxSurge: fc.constant(0) }),
      fc.record({ maxUnavailable: fc.constant(0), maxSurge: fc.integer({ min: 1, max: 3 }) }),
    ),
    steps: fc.array(step, { maxLength: 30 }),
  });

  it('never takes more than maxUnavailable available pods away, never has more than two pods on a node or maxSurge surges, and ends', () => {
    fc.assert(
      fc.property(scenario, ({ size, limits, steps }) => {
        const all = Array.from({ length: size }, (_, i) => node(`n${i}`));
        let pods = all.map(({ metadata }) => old(metadata.name));
        const daemon = daemonSet(rolling(limits));
        const state = (): DaemonSetState => ({
          daemonSet: daemon,
          hash: 'new',
          nodes: all,
          pods,
          now: start,
          failedBackoffMs: () => 0,
        });
        const isReady = (one: Pod) => one.status?.conditions?.[0]?.status === 'True' && one.status.phase === 'Running';
        const served = () => new Set(pods.filter(isReady).map(({ spec }) => spec.nodeName)).size;
        const advance = (): boolean => {
          const before = served();
          const { create, delete: gone } = planDaemonSet(state());
          pods = [
            ...pods.filter((one) => !gone.includes(one)),
            ...create.map((name) => pod({ node: name, ready: false })),
          ];
          const { maxUnavailable } = bounds(state(), size);
          expect(before - served()).toBeLessThanOrEqual(
            limits.maxSurge > 0 ? 0 : Math.max(0, maxUnavailable - (size - before)),
          );
          for (const { metadata } of all) {
            expect(pods.filter(({ spec }) => spec.nodeName === metadata.name).length).toBeLessThanOrEqual(
              limits.maxSurge > 0 ? 2 : 1,
            );
          }
          return create.length + gone.length > 0;
        };
        const change = (one: Pod, what: string) => {
          const phase = what === 'fail' ? 'Failed' : 'Running';
          const status = { phase, conditions: [{ type: 'Ready', status: what === 'ready' ? 'True' : 'False' }] };
          pods = pods.map((each) => (each === one ? ({ ...one, status } as Pod) : each));
        };
        for (const { which, what } of steps) {
          advance();
          const one = pods[which % Math.max(1, pods.length)];
          if (one) change(one, what);
        }
        for (let round = 0; round < 100; round++) {
          for (const one of pods) change(one, 'ready');
          if (!advance()) break;
        }
        expect(names(pods)).toHaveLength(size);
        expect(pods.every(({ metadata }) => metadata.labels?.['controller-revision-hash'] === 'new')).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

it('the status counts nodes: desired, with a pod, ready, available, of the present template, and with a pod too many', () => {
  const nodes = ['a', 'b', 'c'].map((name) => node(name, { labels: { run: 'yes' } }));
  const pods = [pod({ node: 'a' }), pod({ node: 'b', hash: 'old', ready: false }), pod({ node: 'other', hash: 'old' })];
  const set = daemonSet({ updateStrategy: { type: 'OnDelete' } }, { nodeSelector: { run: 'yes' } });
  expect(plan({ nodes: [...nodes, node('other')], pods, daemonSet: set }).status).toEqual({
    observedGeneration: 3,
    desiredNumberScheduled: 3,
    currentNumberScheduled: 2,
    numberReady: 1,
    numberAvailable: 1,
    numberUnavailable: 2,
    updatedNumberScheduled: 1,
    numberMisscheduled: 1,
  });
});
