import { describe, expect, it } from 'vitest';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../shared/generated/types.ts';
import { annotations } from '../../shared/storage/claims.ts';
import { onNode, pendingPod, readyNode } from '../../test/support/scheduling.ts';
import { claimOf, onNodes, volumeOf } from '../../test/support/volumes.ts';
import { nodeVerdicts } from './node-verdicts.ts';

type Spec = Partial<Pod['spec']>;

const cordoned = readyNode('n', {}, { spec: { unschedulable: true } });
const silent: Node = {
  ...readyNode('n'),
  status: { ...readyNode('n').status, conditions: [{ type: 'Ready', status: 'Unknown', message: 'no heartbeat' }] },
};
const gpu = readyNode('n', {}, { spec: { taints: [{ key: 'gpu', value: 'a100', effect: 'NoSchedule' }] } });
const exists = (key: string): Spec => ({ tolerations: [{ key, operator: 'Exists' }] });
const asking = (requests: Record<string, string>, spec: Spec = {}) => pendingPod('p', requests, { spec });
const port = (name: string) => pendingPod(name, {}, { ports: [{ containerPort: 80, hostPort: 8080 }] });
const inZone = {
  requiredDuringSchedulingIgnoredDuringExecution: {
    nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'Exists' as const }] }],
  },
};
const away = {
  requiredDuringSchedulingIgnoredDuringExecution: [
    { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'x' } } },
  ],
};

const claim = {
  ...claimOf('data', { volumeName: 'v' }, { annotations: { [annotations.bindCompleted]: 'yes' } }),
  status: { phase: 'Bound' },
} as PersistentVolumeClaim;
const volume = { ...volumeOf('v', onNodes('other')), status: { phase: 'Bound' } } as PersistentVolume;
const storage = { claims: [claim], volumes: [volume], classes: [] };

it('says where the data keeps a pod, when the volumes may be read', () => {
  const pod = asking({}, { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] });
  const of = (view: object) => nodeVerdicts(pod, { nodes: [readyNode('n')], pods: [], ...view })[0]?.details;
  expect(of({ storage })).toEqual(['the data of claim data is on node other']);
  expect(of({})).toEqual([]);
});

/** What keeps the pod off the node `n`. */
const obstacles = (pod: Pod, node: Node, pods: readonly Pod[] | undefined = []): readonly string[] =>
  nodeVerdicts(pod, { nodes: [node], ...(pods ? { pods } : {}) })[0]?.details ?? ['no verdict'];

describe('what keeps a pod off a node', () => {
  it.each<[string, Pod, Node, Pod[], string[]]>([
    ['nothing', asking({ cpu: '1' }), readyNode('n'), [], []],
    ['a cordon', asking({}), cordoned, [], ['cordoned']],
    ['a node that is not ready, in the words of its condition', asking({}), silent, [], ['not ready (no heartbeat)']],
    ['a taint', asking({}), gpu, [], ['taint gpu=a100:NoSchedule is not tolerated']],
    ['labels', asking({}, { nodeSelector: { a: '1', b: '2' } }), readyNode('n'), [], ['has not the label a=1, b=2']],
    [
      'its node affinity',
      asking({}, { affinity: { nodeAffinity: inZone } }),
      readyNode('n'),
      [],
      ["does not match the pod's node affinity"],
    ],
    ['a port in use', port('p'), readyNode('n'), [onNode(port('q'), 'n')], ['port 8080/TCP is in use']],
    [
      'resources that others have, and such as the node never has',
      asking({ cpu: '1', memory: '1Gi', 'example.com/gpu': '1' }),
      readyNode('n', { cpu: '1', memory: '512Mi' }),
      [onNode(pendingPod('q', { cpu: '800m' }), 'n')],
      [
        'cpu: asks 1, free 200m of 1',
        'too small: asks 1024Mi memory, has 512Mi in all',
        'too small: asks 1 example.com/gpu, has 0 in all',
      ],
    ],
    [
      'the number of its pods',
      asking({}),
      readyNode('n', { pods: '1' }),
      [onNode(pendingPod('q'), 'n')],
      ['full: it runs 1 pods, the most it may'],
    ],
    [
      'pods that it is to be away from, in the words of the rule',
      asking({}, { affinity: { podAntiAffinity: away } }),
      readyNode('n'),
      [onNode(pendingPod('q', {}, { labels: { app: 'x' } }), 'n')],
      ["node(s) didn't match pod anti-affinity rules"],
    ],
  ])('is %s', (_, pod, node, pods, expected) => {
    expect(obstacles(pod, node, pods)).toEqual(expected);
  });

  it('is not what it tolerates', () => {
    expect(obstacles(asking({}, exists('node.kubernetes.io/unschedulable')), cordoned)).toEqual([]);
    expect(obstacles(asking({}, exists('node.kubernetes.io/unreachable')), silent)).toEqual([]);
  });

  it('is room that is kept for a nominated pod', () => {
    const nominated = { ...pendingPod('q', { cpu: '800m' }), status: { nominatedNodeName: 'n' } };
    expect(obstacles(asking({ cpu: '1' }), readyNode('n', { cpu: '1' }), [nominated])).toEqual([
      'cpu: asks 1, free 200m of 1',
    ]);
  });

  it('is not the pod itself, nor other pods where the user may not list them', () => {
    const pod = { ...asking({ cpu: '800m' }), status: { nominatedNodeName: 'n' } };
    expect(obstacles(pod, readyNode('n', { cpu: '1' }), [pod])).toEqual([]);
    const near = asking({}, { affinity: { podAffinity: away } });
    expect(obstacles(near, readyNode('n'), [])).not.toEqual([]);
    expect(nodeVerdicts(near, { nodes: [readyNode('n')] })).toMatchObject([{ fits: true }]);
  });
});
