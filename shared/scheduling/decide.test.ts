import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { onNode, pendingPod, readyNode } from '../../test/support/scheduling.ts';
import type { Node, Pod } from '../generated/types.ts';
import { keyOf } from '../object.ts';
import { Decider } from './decide.ts';
import { unschedulableMessage } from './explain.ts';
import { insufficientResources } from './insufficient-resources.ts';
import { NodeIndex } from './node-index.ts';
import type { PodInfo } from './node-info.ts';
import { defaultPlugins } from './plugins/index.ts';

const nodeNames = ['a', 'b', 'c', 'd', 'e'];
const podNames = Array.from({ length: 14 }, (_, i) => `p${i}`);
const term = (app: string, topologyKey: string) => ({ topologyKey, labelSelector: { matchLabels: { app } } });

/** Templates that touch every plugin. */
const templates: ((name: string) => Pod)[] = [
  (name) => pendingPod(name, { cpu: '500m', memory: '1Gi' }, { labels: { app: 'x' }, owner: 'rs-x' }),
  (name) =>
    pendingPod(name, { cpu: '1', memory: '512Mi' }, { labels: { app: 'y' }, spec: { nodeSelector: { disk: 'ssd' } } }),
  (name) => pendingPod(name, {}, { labels: { app: 'z' }, ports: [{ hostPort: 80, containerPort: 80 }] }),
  (name) =>
    pendingPod(
      name,
      { cpu: '100m' },
      {
        labels: { app: 'x' },
        spec: {
          affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('x', 'zone')] } },
        },
      },
    ),
  (name) =>
    pendingPod(
      name,
      { cpu: '100m' },
      {
        labels: { app: 'w' },
        spec: {
          affinity: {
            podAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: [term('w', 'zone')],
              preferredDuringSchedulingIgnoredDuringExecution: [
                {
                  weight: 7,
                  podAffinityTerm: {
                    ...term('x', 'kubernetes.io/hostname'),
                    namespaceSelector: { matchLabels: { team: 'red' } },
                  },
                },
              ],
            },
          },
        },
      },
    ),
  (name) =>
    pendingPod(
      name,
      { cpu: '200m' },
      {
        labels: { app: 'v' },
        spec: {
          tolerations: [{ key: 'gpu', operator: 'Exists' }],
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: 'zone',
              whenUnsatisfiable: 'DoNotSchedule',
              labelSelector: { matchLabels: { app: 'v' } },
            },
            {
              maxSkew: 1,
              topologyKey: 'kubernetes.io/hostname',
              whenUnsatisfiable: 'ScheduleAnyway',
              labelSelector: { matchLabels: { app: 'v' } },
            },
          ],
        },
      },
    ),
];

const arbitraryNode = fc
  .record({
    name: fc.constantFrom(...nodeNames),
    cpu: fc.constantFrom('1', '2', '3500m'),
    memory: fc.constantFrom('2Gi', '6Gi'),
    pods: fc.constantFrom('2', '4', '110'),
    zone: fc.constantFrom('z1', 'z2', undefined),
    ssd: fc.boolean(),
    unschedulable: fc.boolean(),
    taint: fc.constantFrom(undefined, 'NoSchedule' as const, 'PreferNoSchedule' as const),
    image: fc.boolean(),
  })
  .map(
    ({ name, cpu, memory, pods, zone, ssd, unschedulable, taint, image }): Node =>
      readyNode(
        name,
        { cpu, memory, pods },
        {
          labels: { ...(zone ? { zone } : {}), ...(ssd ? { disk: 'ssd' } : {}) },
          spec: { unschedulable: unschedulable && ssd, ...(taint ? { taints: [{ key: 'gpu', effect: taint }] } : {}) },
          images: image ? [['app:1', 500_000_000]] : [],
        },
      ),
  );

type Step =
  | { do: 'node'; node: Node }
  | { do: 'remove-node'; name: string }
  | { do: 'schedule'; name: string; template: number }
  | { do: 'bind'; name: string; template: number; node: string }
  | { do: 'remove-pod'; name: string }
  | { do: 'forget'; name: string }
  | { do: 'relabel'; name: string; app: string }
  | { do: 'namespace'; team: string };

const name = fc.constantFrom(...podNames);
const template = fc.nat(templates.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: arbitraryNode.map((node): Step => ({ do: 'node', node })) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove-node' as const), name: fc.constantFrom(...nodeNames) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('schedule' as const), name, template }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('bind' as const), name, template, node: fc.constantFrom(...nodeNames) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove-pod' as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forget' as const), name }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('relabel' as const), name, app: fc.constantFrom('x', 'v', 'w') }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('namespace' as const), team: fc.constantFrom('red', 'blue') }) },
);

/** A cluster that is changed step by step, with everything that a fresh index would be built from. */
class Cluster {
  readonly index = new NodeIndex();
  readonly decider: Decider;
  readonly nodes = new Map<string, Node>();
  readonly pods = new Map<string, Pod>();
  team = '';

  constructor(seed = 7) {
    this.decider = new Decider(this.index, defaultPlugins, seed);
  }

  apply(step: Step): void {
    switch (step.do) {
      case 'node':
        this.nodes.set(step.node.metadata.name, step.node);
        this.index.setNode(step.node);
        break;
      case 'remove-node':
        this.nodes.delete(step.name);
        this.index.removeNode(step.name);
        break;
      case 'schedule': {
        if (this.pods.has(`default/${step.name}`)) break;
        const info = this.#set(make(step));
        const { node } = this.decider.decide(info.shape);
        if (node) this.index.assume(info, node);
        break;
      }
      case 'bind':
        this.#drop(step.name);
        this.#set(onNode(make(step), step.node));
        break;
      case 'remove-pod':
        this.#drop(step.name);
        break;
      case 'forget': {
        const info = this.index.pod(`default/${step.name}`);
        if (info) this.index.forget(info);
        break;
      }
      case 'relabel': {
        const pod = this.pods.get(`default/${step.name}`);
        if (pod) this.#set({ ...pod, metadata: { ...pod.metadata, labels: { app: step.app } } });
        break;
      }
      case 'namespace':
        this.team = step.team;
        this.index.setNamespace({
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: {
            name: 'default',
            uid: 'n',
            resourceVersion: '1',
            creationTimestamp: '',
            labels: { team: step.team },
          },
        });
    }
  }

  /** The same cluster, built at once and in another order. */
  rebuilt(): Cluster {
    const fresh = new Cluster();
    if (this.team) fresh.apply({ do: 'namespace', team: this.team });
    for (const pod of [...this.pods.values()].reverse()) {
      const node = this.index.pod(keyOf(pod))?.node;
      fresh.index.setPod(node ? onNode(pod, node.name) : pod);
    }
    for (const node of [...this.nodes.values()].reverse()) fresh.index.setNode(node);
    return fresh;
  }

  #set(pod: Pod): PodInfo {
    this.pods.set(keyOf(pod), pod);
    const info = this.index.setPod(pod);
    if (!info) throw new Error('the pod has ended');
    return info;
  }

  #drop(name: string): void {
    this.pods.delete(`default/${name}`);
    this.index.removePod(`default/${name}`);
  }
}

function make({ name, template }: { name: string; template: number }): Pod {
  const pod = (templates[template] ?? pendingPod)(name);
  return pod;
}

/** What the cluster decides for a new pod of each template. */
function decisions(cluster: Cluster): unknown[] {
  return templates.map((template) =>
    cluster.index.withShape(template('probe'), (shape) => {
      const decision = cluster.decider.decide(shape);
      if (decision.node) return [decision.node.name, decision.score];
      return unschedulableMessage(decision.rejections.map(([, { reasons }]) => reasons));
    }),
  );
}

describe('a decision', () => {
  it('from cached results is the same as one computed from scratch, whatever happened before', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 15, maxLength: 60, size: 'max' }), (steps) => {
        const cluster = new Cluster();
        // Pods that stay keep the shapes of all templates alive, so that results really are kept.
        for (const [at, template] of templates.entries()) {
          const pod = template(`keeper-${at}`);
          cluster.pods.set(keyOf(pod), pod);
          cluster.index.setPod(pod);
        }
        for (const [at, one] of steps.entries()) {
          cluster.apply(one);
          if (at % 3 === 0) decisions(cluster);
        }
        expect(decisions(cluster)).toEqual(decisions(cluster.rebuilt()));
      }),
      { numRuns: 100 },
    );
  });

  it('never puts more on a node than it has', () => {
    /** What pods of each template ask for: thousandths of a cpu, MiB, and the port 80 of the node. */
    const asks = [
      [500, 1024, 0],
      [1000, 512, 0],
      [0, 0, 1],
      [100, 0, 0],
      [100, 0, 0],
      [200, 0, 0],
    ] as const;
    const has = { '1': 1000, '2': 2000, '3500m': 3500, '2Gi': 2048, '6Gi': 6144 } as Record<string, number>;
    fc.assert(
      fc.property(fc.array(arbitraryNode, { minLength: 1 }), fc.array(template, { maxLength: 40 }), (nodes, wanted) => {
        const cluster = new Cluster();
        for (const node of nodes) cluster.apply({ do: 'node', node });
        for (const [at, template] of wanted.entries()) cluster.apply({ do: 'schedule', name: `n${at}`, template });
        for (const [name, { status }] of cluster.nodes) {
          const { cpu = '', memory = '', pods } = status?.allocatable ?? {};
          const here = wanted.flatMap((template, at) =>
            cluster.index.pod(`default/n${at}`)?.node?.name === name ? [asks[template] ?? [0, 0, 0]] : [],
          );
          const sum = (of: 0 | 1 | 2) => here.reduce((sum, asked) => sum + asked[of], 0);
          expect(sum(0)).toBeLessThanOrEqual(has[cpu] ?? 0);
          expect(sum(1)).toBeLessThanOrEqual(has[memory] ?? 0);
          expect(sum(2)).toBeLessThanOrEqual(1);
          expect(here.length).toBeLessThanOrEqual(Number(pods));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('is the same for the same seed, and another seed breaks ties differently', () => {
    const place = (seed: number): string[] => {
      const cluster = new Cluster(seed);
      for (let i = 0; i < 50; i++) cluster.apply({ do: 'node', node: readyNode(`n${i}`) });
      return Array.from({ length: 20 }, (_, i) => {
        cluster.apply({ do: 'schedule', name: `s${i}`, template: 0 });
        return cluster.index.pod(`default/s${i}`)?.node?.name ?? '';
      });
    };
    expect(place(3)).toEqual(place(3));
    expect(place(3)).not.toEqual(place(4));
  });

  it('spreads the pods of one controller evenly over equal nodes', () => {
    const cluster = new Cluster();
    for (const name of ['n1', 'n2', 'n3']) cluster.apply({ do: 'node', node: readyNode(name) });
    for (let i = 0; i < 6; i++) cluster.apply({ do: 'schedule', name: `s${i}`, template: 0 });
    expect(cluster.index.slots.map((node) => node?.pods.size)).toEqual([2, 2, 2]);
  });

  it('counts exactly what is requested and free', () => {
    const cluster = new Cluster();
    cluster.apply({ do: 'node', node: readyNode('n1', { cpu: '1', memory: '1Gi' }) });
    const node = cluster.index.node('n1');
    if (!node) throw new Error('no node');
    cluster.index.withShape(pendingPod('p', { cpu: '1500m', memory: '512Mi', 'example.com/gpu': '1' }), (shape) => {
      expect(insufficientResources(shape.requests, node)).toEqual([
        { resource: 'cpu', requested: 1500, used: 0, capacity: 1000 },
        { resource: 'example.com/gpu', requested: 1, used: 0, capacity: 0 },
      ]);
    });
  });
});
