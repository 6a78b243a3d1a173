import { describe, expect, it } from 'vitest';
import { ended, onNode, pendingPod, readyNode, terminating } from '../../../test/support/scheduling.ts';
import type { Node, Pod } from '../../generated/types.ts';
import { NodeIndex } from '../node-index.ts';
import type { Check, Plugin } from '../plugin.ts';
import { balancedAllocation } from './balanced-allocation.ts';
import { defaultSpread } from './default-spread.ts';
import { imageLocality } from './image-locality.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodePorts } from './node-ports.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { taintToleration } from './taint-toleration.ts';

type Spec = Partial<Pod['spec']>;

/** What the plugin makes of a pod and a node. */
function asked(plugin: Plugin, pod: Pod, node: Node = readyNode('n'), placed: readonly Pod[] = []) {
  const index = new NodeIndex();
  index.setNode(node);
  for (const one of placed) index.setPod(onNode(one, 'n'));
  const state = index.node('n');
  if (!state) throw new Error('no node');
  return index.withShape(pod, (shape) => {
    const check: Check | undefined = plugin.prepare(shape, index);
    return { check, rejection: check?.filter?.(state), score: check?.score?.(state) };
  });
}

const withSpec = (spec: Spec): Pod => pendingPod('p', {}, { spec });

describe('the ports of a node', () => {
  type Ports = NonNullable<Pod['spec']['containers'][number]['ports']>;
  const port = (hostPort: number, protocol?: 'TCP' | 'UDP' | 'SCTP', hostIP?: string): Ports[number] => ({
    hostPort,
    containerPort: 80,
    ...(protocol ? { protocol } : {}),
    ...(hostIP ? { hostIP } : {}),
  });
  const pod = (name: string, ...ports: Ports): Pod => pendingPod(name, {}, { ports });
  const free = (wanted: Ports, taken: Pod[]) =>
    asked(nodePorts, pod('p', ...wanted), undefined, taken).rejection === undefined;

  it('serve one pod for each protocol', () => {
    const taken = [pod('q', port(53, 'TCP'))];
    expect(free([port(53)], taken)).toBe(false);
    expect(free([port(53, 'UDP')], taken)).toBe(true);
    expect(free([port(53, 'SCTP')], [...taken, pod('r', port(53, 'UDP'))])).toBe(true);
    expect(free([port(53, 'UDP')], [...taken, pod('r', port(53, 'UDP'))])).toBe(false);
  });

  it('are all to be free that the pod asks for, and all those count that a pod has', () => {
    expect(free([port(80), port(81)], [pod('q', port(81))])).toBe(false);
    expect(free([port(81)], [pod('q', port(80), port(81))])).toBe(false);
    expect(free([port(82)], [pod('q', port(80), port(81))])).toBe(true);
  });

  it('are one for each address, and for all addresses at once', () => {
    const local = [pod('q', port(80, 'TCP', '127.0.0.1'))];
    expect(free([port(80, 'TCP', '10.0.0.1')], local)).toBe(true);
    expect(free([port(80, 'TCP', '127.0.0.1')], local)).toBe(false);
    expect(free([port(80)], local)).toBe(false);
    expect(free([port(80, 'TCP', '10.0.0.1')], [pod('q', port(80))])).toBe(false);
  });

  it('are held by a pod that is being deleted, and not by one that has ended', () => {
    expect(free([port(80)], [terminating(pod('q', port(80)))])).toBe(false);
    expect(free([port(80)], [ended(pod('q', port(80)), 'Failed')])).toBe(true);
  });

  it('may be freed by removals, and matter only to pods that ask for some', () => {
    expect(asked(nodePorts, pod('p', port(80)), undefined, [pod('q', port(80))]).rejection).toEqual({
      plugin: 'NodePorts',
      reasons: ["node(s) didn't have free ports for the requested pod ports"],
      resolvable: true,
    });
    expect(asked(nodePorts, pod('p')).check).toBeUndefined();
  });
});

describe('the images on a node', () => {
  const mib = 1024 * 1024;
  const score = (images: string[], has: [string, number][]) => {
    const containers = images.map((image, at) => ({ name: `c${at}`, image }));
    return asked(imageLocality, withSpec({ containers }), readyNode('n', {}, { images: has })).score;
  };

  it('make it better by their size, between 23 MiB and 1000 MiB for each container', () => {
    expect(score(['app:1'], [['app:1', 23 * mib]])).toBe(0);
    expect(score(['app:1'], [['app:1', 511.5 * mib]])).toBeCloseTo(50);
    expect(score(['app:1'], [['app:1', 1000 * mib]])).toBe(100);
    expect(score(['app:1'], [['app:1', 9000 * mib]])).toBe(100);
    const half = (100 * (1000 - 23)) / (2000 - 23);
    expect(score(['app:1', 'b:1'], [['app:1', 1000 * mib]])).toBeCloseTo(half);
    expect(
      score(
        ['app:1', 'b:1'],
        [
          ['app:1', 600 * mib],
          ['b:1', 400 * mib],
        ],
      ),
    ).toBeCloseTo(half);
  });

  it('do nothing when they are others, or when there are none', () => {
    expect(score(['app:1'], [['app:2', 500 * mib]])).toBe(0);
    expect(score(['app:1'], [])).toBe(0);
    expect(asked(imageLocality, withSpec({ containers: [{ name: 'c' }] })).check).toBeUndefined();
  });

  it('are found by the tag `latest` when none is named, also in a registry with a port', () => {
    expect(score(['app'], [['app:latest', 1000 * mib]])).toBe(100);
    expect(score(['host:5000/app'], [['host:5000/app:latest', 1000 * mib]])).toBe(100);
    expect(score(['host:5000/app:2'], [['host:5000/app:2', 1000 * mib]])).toBe(100);
  });
});

describe('the taints of a node', () => {
  const tainted = (...effects: ('NoSchedule' | 'NoExecute' | 'PreferNoSchedule')[]) =>
    readyNode('n', {}, { spec: { taints: effects.map((effect, at) => ({ key: `k${at}`, value: 'v', effect })) } });
  const tolerate = (...keys: string[]) =>
    withSpec({ tolerations: keys.map((key) => ({ key, operator: 'Exists' as const })) });

  it('keep away by the first that is not tolerated, the second too', () => {
    const node = tainted('NoSchedule', 'NoExecute');
    const reason = (pod: Pod) => asked(taintToleration, pod, node).rejection;
    expect(reason(tolerate())).toEqual({
      plugin: 'TaintToleration',
      reasons: ['node(s) had untolerated taint {k0: v}'],
      resolvable: false,
    });
    expect(reason(tolerate('k0'))?.reasons).toEqual(['node(s) had untolerated taint {k1: v}']);
    expect(reason(tolerate('k0', 'k1'))).toBeUndefined();
  });

  it('that are to be avoided make it worse the more of them are not tolerated', () => {
    const node = tainted('PreferNoSchedule', 'PreferNoSchedule', 'NoExecute');
    const found = (pod: Pod) => asked(taintToleration, pod, node).score;
    expect([found(withSpec({})), found(tolerate('k0')), found(tolerate('k1')), found(tolerate('k0', 'k1'))]).toEqual([
      ...[100 / 3, 50, 50, 100],
    ]);
    expect(asked(taintToleration, withSpec({}), tainted('PreferNoSchedule')).rejection).toBeUndefined();
    expect(asked(taintToleration, withSpec({})).check?.weight).toBe(3);
  });
});

describe('a cordoned node', () => {
  const cordoned = readyNode('n', {}, { spec: { unschedulable: true } });

  it('takes no pod but one that tolerates the cordon by one of its tolerations', () => {
    expect(asked(nodeUnschedulable, withSpec({}), cordoned).rejection).toEqual({
      plugin: 'NodeUnschedulable',
      reasons: ['node(s) were unschedulable'],
      resolvable: false,
    });
    expect(asked(nodeUnschedulable, withSpec({})).rejection).toBeUndefined();
    const key = 'node.kubernetes.io/unschedulable';
    const tolerations = [
      { key: 'other', operator: 'Exists' as const },
      { key, operator: 'Exists' as const },
    ];
    expect(asked(nodeUnschedulable, withSpec({ tolerations }), cordoned).rejection).toBeUndefined();
    expect(
      asked(nodeUnschedulable, withSpec({ tolerations: tolerations.slice(0, 1) }), cordoned).rejection,
    ).toBeDefined();
    const noExecute = [{ key, operator: 'Exists' as const, effect: 'NoExecute' as const }];
    expect(asked(nodeUnschedulable, withSpec({ tolerations: noExecute }), cordoned).rejection).toBeDefined();
  });
});

describe('node affinity', () => {
  const expressions = (key: string) => ({ matchExpressions: [{ key, operator: 'Exists' as const }] });
  const node = readyNode('n', {}, { labels: { disk: 'ssd', gpu: 'a100' } });
  const preferring = (...preferred: [number, string][]): Pod =>
    withSpec({
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: preferred.map(([weight, key]) => ({
            weight,
            preference: expressions(key),
          })),
        },
      },
    });

  it('prefers by the share of the weights that match', () => {
    expect(asked(nodeAffinity, preferring([10, 'disk'], [30, 'none']), node).score).toBe(25);
    expect(asked(nodeAffinity, preferring([10, 'disk'], [30, 'gpu']), node).score).toBe(100);
    expect(asked(nodeAffinity, preferring([10, 'disk']), node).rejection).toBeUndefined();
    expect(asked(nodeAffinity, preferring([10, 'disk']), node).check).not.toHaveProperty('filter');
  });

  it('requires the node selector and one of the terms, and no removal helps', () => {
    const requiring = (keys: string[], nodeSelector: Record<string, string>) =>
      withSpec({
        nodeSelector,
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: keys.map(expressions) },
          },
        },
      });
    const rejection = (pod: Pod) => asked(nodeAffinity, pod, node).rejection;
    expect(rejection(requiring(['none', 'gpu'], { disk: 'ssd' }))).toBeUndefined();
    expect(rejection(requiring(['gpu'], { disk: 'hdd' }))?.resolvable).toBe(false);
    expect(rejection(requiring(['none'], { disk: 'ssd' }))).toEqual({
      plugin: 'NodeAffinity',
      reasons: ["node(s) didn't match Pod's node affinity/selector"],
      resolvable: false,
    });
    expect(asked(nodeAffinity, requiring(['gpu'], {}), node).check).not.toHaveProperty('score');
    expect(asked(nodeAffinity, withSpec({}), node).check).toBeUndefined();
    expect(asked(nodeAffinity, preferring([10, 'disk']), node).check?.weight).toBe(2);
  });
});

describe('balance', () => {
  it('is best where cpu and memory are used up alike, with the pod itself', () => {
    const score = (
      requests: Record<string, string>,
      taken: Record<string, string>,
      has = { cpu: '1', memory: '1000' },
    ) => asked(balancedAllocation, pendingPod('p', requests), readyNode('n', has), [pendingPod('q', taken)]).score;
    expect(score({ cpu: '200m', memory: '100' }, { cpu: '300m', memory: '400' })).toBe(100);
    expect(score({ cpu: '200m', memory: '100' }, { cpu: '300m', memory: '0' })).toBeCloseTo(80);
    expect(score({ cpu: '100m', memory: '500' }, { cpu: '0', memory: '400' })).toBeCloseTo(60);
    expect(score({ cpu: '1', memory: '0' }, { cpu: '9', memory: '0' })).toBe(50);
    expect(score({}, {}, { cpu: '0', memory: '1000' })).toBe(50);
  });
});

describe('the spread of a controller’s pods', () => {
  it('makes a node worse with each of them that stays there', () => {
    const owned = (name: string): Pod => pendingPod(name, {}, { owner: 'rs' });
    const score = (...placed: Pod[]) => asked(defaultSpread, owned('p'), undefined, placed).score;
    expect([score(), score(owned('a')), score(owned('a'), owned('b'))]).toEqual([100, 50, 100 / 3]);
    expect(score(owned('a'), terminating(owned('b')))).toBe(50);
    expect(score(ended(owned('a'), 'Failed'))).toBe(100);
    expect(score(pendingPod('other', {}, { owner: 'another' }))).toBe(100);
    expect(asked(defaultSpread, owned('p')).check?.weight).toBe(2);
    expect(asked(defaultSpread, pendingPod('p')).check).toBeUndefined();
  });
});
