import { describe, expect, it } from 'vitest';
import { onNode, pendingPod, readyNode } from '../../../test/support/scheduling.ts';
import type { Node, Pod } from '../../generated/types.ts';
import { Decider } from '../decide.ts';
import { explain } from '../explain.ts';
import { NodeIndex } from '../node-index.ts';
import { defaultPlugins } from './index.ts';

type Spec = Partial<Pod['spec']>;

/** Why each node does not take the pod (the first rule's reasons), or `fits`. */
function verdicts(pod: Pod, nodes: readonly Node[], placed: readonly Pod[] = []): Record<string, string> {
  const index = indexOf(nodes, placed);
  return Object.fromEntries(
    explain(pod, index, defaultPlugins).nodes.map(({ node, reasons }) => [node, reasons[0]?.reason ?? 'fits']),
  );
}

/** The node for the pod. */
function choice(pod: Pod, nodes: readonly Node[], placed: readonly Pod[] = []): string | undefined {
  const index = indexOf(nodes, placed);
  return index.withShape(pod, (shape) => new Decider(index, defaultPlugins, 1).decide(shape).node?.name);
}

function indexOf(nodes: readonly Node[], placed: readonly Pod[]): NodeIndex {
  const index = new NodeIndex();
  for (const node of nodes) index.setNode(node);
  for (const pod of placed) index.setPod(pod);
  return index;
}

const zoned = (name: string, zone: string): Node => readyNode(name, {}, { labels: { zone } });
const app = (name: string, value: string, spec: Spec = {}): Pod =>
  pendingPod(name, undefined, { labels: { app: value }, spec });
const term = (value: string, topologyKey = 'zone') => ({ topologyKey, labelSelector: { matchLabels: { app: value } } });
const affinity = (value: NonNullable<Spec['affinity']>): Spec => ({ affinity: value });
const notReady = (status: string): Node => {
  const node = readyNode('n');
  return { ...node, status: { ...node.status, conditions: [{ type: 'Ready', status }] } };
};

describe('rules on the node itself', () => {
  const taint = { key: 'gpu', value: 'a100', effect: 'NoSchedule' } as const;
  const tainted = readyNode('n', {}, { spec: { taints: [taint] } });
  const cordoned = readyNode('n', {}, { spec: { unschedulable: true } });
  const labelled = readyNode('n', {}, { labels: { disk: 'ssd', cores: '8' } });
  const select = (key: string, operator: 'In' | 'NotIn' | 'Exists' | 'Gt', values?: string[]): Spec =>
    affinity({
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key, operator, ...(values ? { values } : {}) }] }],
        },
      },
    });
  const noMatch = "node(s) didn't match Pod's node affinity/selector";
  const field: Spec = affinity({
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['other'] }] }],
      },
    },
  });

  it.each<[string, Node, Spec, string]>([
    ['a cordoned node takes nothing', cordoned, {}, 'node(s) were unschedulable'],
    [
      'except for pods that tolerate it',
      cordoned,
      { tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }] },
      'fits',
    ],
    ['a taint keeps pods away', tainted, {}, 'node(s) had untolerated taint {gpu: a100}'],
    ['a toleration of its value lets one in', tainted, { tolerations: [{ key: 'gpu', value: 'a100' }] }, 'fits'],
    [
      'a toleration of another effect does not',
      tainted,
      { tolerations: [{ key: 'gpu', operator: 'Exists', effect: 'NoExecute' }] },
      'node(s) had untolerated taint {gpu: a100}',
    ],
    [
      'a node that is not ready counts as tainted',
      notReady('False'),
      {},
      'node(s) had untolerated taint {node.kubernetes.io/not-ready: }',
    ],
    [
      'so does one that is lost',
      notReady('Unknown'),
      {},
      'node(s) had untolerated taint {node.kubernetes.io/unreachable: }',
    ],
    ['a node selector selects', labelled, { nodeSelector: { disk: 'ssd' } }, 'fits'],
    ['a node selector rejects', labelled, { nodeSelector: { disk: 'hdd' } }, noMatch],
    ['affinity In', labelled, select('disk', 'In', ['ssd', 'nvme']), 'fits'],
    ['affinity NotIn', labelled, select('disk', 'NotIn', ['ssd']), noMatch],
    ['affinity Exists', labelled, select('gpu', 'Exists'), noMatch],
    ['affinity Gt', labelled, select('cores', 'Gt', ['7']), 'fits'],
    ['affinity by the name of the node', labelled, field, noMatch],
  ])('%s', (_, node, spec, expected) => {
    expect(verdicts(pendingPod('p', undefined, { spec }), [node])).toEqual({ n: expected });
  });
});

describe('rules on the pods of the node', () => {
  const node = readyNode('n', { cpu: '1', memory: '1Gi', pods: '2', 'example.com/gpu': '1' });
  const placed = (requests: Record<string, string>, name = 'q'): Pod => onNode(pendingPod(name, requests), 'n');
  const port = (name: string, hostPort: number): Pod =>
    pendingPod(name, {}, { ports: [{ hostPort, containerPort: 80 }] });
  const ended = { ...placed({ cpu: '1' }), status: { phase: 'Succeeded' as const } };

  it.each<[string, Pod, Pod[], string]>([
    ['what is just free is enough', pendingPod('p', { cpu: '400m' }), [placed({ cpu: '600m' })], 'fits'],
    ['a thousandth less is not', pendingPod('p', { cpu: '401m' }), [placed({ cpu: '600m' })], 'Insufficient cpu'],
    ['memory', pendingPod('p', { memory: '1025Mi' }), [], 'Insufficient memory'],
    ['pods that have ended take nothing', pendingPod('p', { cpu: '1' }), [ended], 'fits'],
    ['the number of pods', pendingPod('p', {}), [placed({}, 'a'), placed({}, 'b')], 'Too many pods'],
    [
      'what nodes have of their own kind',
      pendingPod('p', { 'example.com/gpu': '1' }),
      [placed({ 'example.com/gpu': '1' })],
      'Insufficient example.com/gpu',
    ],
    ['what the node does not have at all', pendingPod('p', { foo: '1' }), [], 'Insufficient foo'],
    [
      'a port of the node serves one pod',
      port('p', 80),
      [onNode(port('q', 80), 'n')],
      "node(s) didn't have free ports for the requested pod ports",
    ],
    ['another port is free', port('p', 81), [onNode(port('q', 80), 'n')], 'fits'],
  ])('%s', (_, pod, others, expected) => {
    expect(verdicts(pod, [node], others)).toEqual({ n: expected });
  });
});

describe('rules on other nodes', () => {
  const nodes = [zoned('a1', 'a'), zoned('a2', 'a'), zoned('b1', 'b'), readyNode('none')];
  const near = (value: string): Spec =>
    affinity({ podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(value)] } });
  const away = (value: string): Spec =>
    affinity({ podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(value)] } });
  const noAffinity = "node(s) didn't match pod affinity rules";
  const anti = "node(s) didn't match pod anti-affinity rules";
  const existing = "node(s) didn't satisfy existing pods anti-affinity rules";
  const spread = (whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway', minDomains?: number): Spec => ({
    topologySpreadConstraints: [{ maxSkew: 1, whenUnsatisfiable, ...term('x'), ...(minDomains ? { minDomains } : {}) }],
  });
  const skew = "node(s) didn't match pod topology spread constraints";

  it.each<[string, Pod, Pod[], Record<string, string>]>([
    [
      'affinity leads to where the others are',
      app('p', 'y', near('x')),
      [onNode(app('q', 'x'), 'a1')],
      { a1: 'fits', a2: 'fits', b1: noAffinity, none: noAffinity },
    ],
    [
      'the first of a group that wants to be together may go anywhere with the label',
      app('p', 'x', near('x')),
      [],
      { a1: 'fits', a2: 'fits', b1: 'fits', none: noAffinity },
    ],
    [
      'a pod with affinity to pods that do not exist fits on no node',
      app('p', 'y', near('x')),
      [],
      { a1: noAffinity, a2: noAffinity, b1: noAffinity, none: noAffinity },
    ],
    [
      'anti-affinity leads away, and does not mind nodes without the label',
      app('p', 'y', away('x')),
      [onNode(app('q', 'x'), 'a1')],
      { a1: anti, a2: anti, b1: 'fits', none: 'fits' },
    ],
    [
      'the anti-affinity of those that are there counts as well',
      app('p', 'x'),
      [onNode(app('q', 'y', away('x')), 'a2')],
      { a1: existing, a2: existing, b1: 'fits', none: 'fits' },
    ],
    [
      'the spread is kept within its skew',
      app('p', 'x', spread('DoNotSchedule')),
      [onNode(app('q', 'x'), 'a1')],
      { a1: skew, a2: skew, b1: 'fits', none: `${skew} (missing required label)` },
    ],
    [
      'too few domains count as one that is empty',
      app('p', 'x', spread('DoNotSchedule', 3)),
      [onNode(app('q', 'x'), 'a1'), onNode(app('r', 'x'), 'b1')],
      { a1: skew, a2: skew, b1: skew, none: `${skew} (missing required label)` },
    ],
  ])('%s', (_, pod, placed, expected) => {
    expect(verdicts(pod, nodes, placed)).toEqual(expected);
  });

  it('a soft spread prefers the emptier domain', () => {
    expect(choice(app('p', 'x', spread('ScheduleAnyway')), nodes, [onNode(app('q', 'x'), 'a1')])).toBe('b1');
  });

  it('pods that are being deleted do not count in a spread, hard or soft, nor in that of a controller', () => {
    const going = (pod: Pod): Pod => ({
      ...pod,
      metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
    });
    const placed = [
      going(onNode(app('q', 'x'), 'a1')),
      going(onNode(app('r', 'x'), 'a1')),
      onNode(app('s', 'x'), 'b1'),
    ];
    expect(verdicts(app('p', 'x', spread('DoNotSchedule')), nodes, placed)).toMatchObject({ a1: 'fits', b1: skew });
    expect(['a1', 'a2']).toContain(choice(app('p', 'x', spread('ScheduleAnyway')), nodes, placed));
    const owned = (name: string): Pod => pendingPod(name, { cpu: '0' }, { owner: 'rs' });
    const two = [readyNode('n1'), readyNode('n2')];
    const on = [going(onNode(owned('q'), 'n1')), going(onNode(owned('r'), 'n1')), onNode(owned('s'), 'n2')];
    expect(choice(owned('p'), two, on)).toBe('n1');
  });

  it('counts kept for a spread follow a pod that begins to be deleted', () => {
    const index = indexOf(nodes, [onNode(app('q', 'x'), 'a1')]);
    const fits = (): boolean =>
      index.withShape(app('p', 'x', spread('DoNotSchedule')), (shape) => {
        const decider = new Decider(index, defaultPlugins, 1);
        const node = index.node('a1');
        return node !== undefined && decider.fits(shape, node);
      });
    index.withShape(app('p', 'x', spread('DoNotSchedule')), () => {
      expect(fits()).toBe(false);
      const pod = onNode(app('q', 'x'), 'a1');
      index.setPod({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } });
      expect(fits()).toBe(true);
    });
  });

  it('a preferred affinity leads to where the others are, a preferred anti-affinity away', () => {
    const preferred = [{ weight: 100, podAffinityTerm: term('x', 'kubernetes.io/hostname') }];
    const placed = [onNode(app('q', 'x'), 'a2')];
    const to = affinity({ podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } });
    const from = affinity({ podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } });
    expect(choice(app('p', 'y', to), nodes, placed)).toBe('a2');
    expect(choice(app('p', 'y', from), nodes, placed)).not.toBe('a2');
  });
});

describe('of the nodes that fit', () => {
  const [n1, n2] = [readyNode('n1'), readyNode('n2')];

  it.each<[string, Pod, Node[], Pod[]]>([
    ['the emptier one', pendingPod('p'), [n1, n2], [onNode(pendingPod('q', { cpu: '2', memory: '2Gi' }), 'n1')]],
    [
      'the one without pods of the same controller, though it is fuller',
      pendingPod('p', undefined, { owner: 'rs' }),
      [n1, n2],
      [
        onNode(pendingPod('q', undefined, { owner: 'rs' }), 'n1'),
        onNode(pendingPod('r', { cpu: '1', memory: '1Gi' }), 'n2'),
      ],
    ],
    [
      'the one that is not tainted against preference',
      pendingPod('p'),
      [readyNode('n1', {}, { spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } }), n2],
      [],
    ],
    [
      'the one with the image',
      pendingPod('p'),
      [n1, readyNode('n2', {}, { images: [['app:1', 600 * 1024 * 1024]] })],
      [],
    ],
    [
      'the one that a preferred affinity names',
      pendingPod('p', undefined, {
        spec: affinity({
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 1, preference: { matchExpressions: [{ key: 'disk', operator: 'Exists' }] } },
            ],
          },
        }),
      }),
      [n1, readyNode('n2', {}, { labels: { disk: 'ssd' } })],
      [],
    ],
    [
      'the one where cpu and memory stay in balance',
      pendingPod('p', { cpu: '1', memory: '64Mi' }),
      [n1, n2],
      [
        onNode(pendingPod('q', { cpu: '2', memory: '0' }), 'n1'),
        onNode(pendingPod('r', { cpu: '0', memory: '4Gi' }), 'n2'),
      ],
    ],
  ])('%s is chosen', (_, pod, nodes, placed) => {
    expect(choice(pod, nodes, placed)).toBe('n2');
    expect(choice(pod, [...nodes].reverse(), [...placed].reverse())).toBe('n2');
  });
});
