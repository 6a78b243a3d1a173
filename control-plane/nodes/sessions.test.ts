import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isApiError } from '../../shared/errors.ts';
import type { Event, Node, Pod } from '../../shared/generated/types.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import type { Connection, FromNode, Heartbeat, HeartbeatAck, ToNode } from '../../shared/session.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { HollowCluster } from '../../test/support/hollow-cluster.ts';
import { connectionPair } from '../../test/support/node-session.ts';
import { Auditor } from '../api/chain/audit/auditor.ts';
import { parsePolicy } from '../api/chain/audit/policy.ts';
import { objectKey } from '../store/keys.ts';

let cluster: HollowCluster;
const agents: Agent[] = [];

beforeEach(async () => {
  cluster = new HollowCluster();
  cluster.kubelets = false;
  await cluster.start();
});

afterEach(async () => {
  for (const agent of agents.splice(0)) agent.connection.close();
  await cluster.stop();
});

/** The agent's end of a session, controlled by the test. */
class Agent {
  readonly received: ToNode[] = [];
  /** The sequences of acknowledged heartbeats, and how the stream of heartbeats ended. */
  readonly acknowledged: number[] = [];
  beating: Connection<HeartbeatAck, Heartbeat> | undefined;
  heartbeatsServed: Promise<unknown> | undefined;
  readonly served: Promise<unknown>;
  readonly connection: Connection<ToNode, FromNode>;

  constructor(
    readonly name: string,
    user = `system:node:${name}`,
    node: Partial<Node> = {},
  ) {
    const [mine, theirs] = connectionPair<ToNode, FromNode>();
    this.connection = mine;
    agents.push(this);
    const identity = { user, groups: ['system:nodes', 'system:authenticated'] };
    this.served = cluster.controlPlane.sessions.serve(theirs, identity).catch((error) => error);
    void this.#receive();
    const object = { metadata: { name, labels: { 'kubernetes.io/hostname': name } }, spec: {}, ...node } as Node;
    void mine.send({ type: 'register', nodeName: name, node: object, instance: 'i' });
  }

  of<T extends ToNode['type']>(type: T): Array<Extract<ToNode, { type: T }>> {
    return this.received.filter((message): message is Extract<ToNode, { type: T }> => message.type === type);
  }

  /** What the agent has been told to run: kind|namespace/name → object. */
  assigned(): Map<string, unknown> {
    const state = new Map<string, unknown>();
    let version = 0;
    for (const { mode, appliesTo, resultsIn, changes } of this.of('assignments')) {
      if (mode === 'COMPLETE') state.clear();
      else expect(appliesTo).toBe(version);
      version = resultsIn;
      for (const { kind, namespace, name, removed, object } of changes) {
        if (removed) state.delete(`${kind}|${namespace}/${name}`);
        else state.set(`${kind}|${namespace}/${name}`, object);
      }
    }
    return state;
  }

  /** The first dials. `as`: whose certificate is shown. */
  async heartbeat(sequence: number, as = this.name, until = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.beating) return this.beating.send({ sequence });
    const [mine, theirs] = connectionPair<HeartbeatAck, Heartbeat>();
    this.beating = mine;
    this.heartbeatsServed = cluster.liveness.serveHeartbeats(theirs, { node: as, until }).catch((error) => error);
    void this.#hearAcks(mine);
    await mine.send({ sequence, sessionId: this.of('registered')[0]?.sessionId ?? '' });
  }

  async #hearAcks({ incoming }: Connection<HeartbeatAck, Heartbeat>): Promise<void> {
    for await (const { sequence } of incoming) this.acknowledged.push(sequence);
  }

  async #receive(): Promise<void> {
    for await (const message of this.connection.incoming) this.received.push(message);
  }
}

async function joined(name: string): Promise<Agent> {
  const agent = new Agent(name);
  await cluster.until(async () => agent.of('assignments').length > 0, `${name} has its assignments`, 5);
  return agent;
}

function createPod(name: string, nodeName?: string, spec: object = {}): Promise<Pod> {
  const containers = [{ name: 'main', image: 'x' }];
  const draft = { metadata: { name, namespace: 'default' }, spec: { containers, nodeName, ...spec } };
  return cluster.settle(cluster.client.create('Pod', draft as never));
}

const leaseOf = (node: string) => objectKey(kindNamed('Lease'), 'kube-node-lease', node);
const hasLease = async (node: string) => (await cluster.store.get(leaseOf(node))).item !== undefined;

describe('a session', () => {
  it('sends the node the address of the API for its pods', async () => {
    const spec = { clusterIP: '10.68.0.1', ports: [{ name: 'https', port: 443 }] };
    const draft = { metadata: { name: 'kubernetes', namespace: 'default' }, spec };
    await cluster.settle(cluster.client.create('Service', draft as never));
    const agent = await joined('a');
    expect(agent.of('registered')[0]?.kubernetes).toEqual({ host: '10.68.0.1', port: 443 });
  });

  it('makes the Node with a range of its own, and keeps its lease as long as it sends heartbeats', async () => {
    const [a, b] = [await joined('a'), await joined('b')];
    const ranges = [a, b].map((agent) => agent.of('registered')[0]?.podCIDR);
    expect(new Set(ranges).size).toBe(2);
    const node = await cluster.settle(cluster.client.get('Node', 'a'));
    expect(node.spec.podCIDR).toBe(ranges[0]);
    for (let sequence = 1; sequence <= 10; sequence++) {
      await a.heartbeat(sequence);
      await cluster.clock.advance(1_000);
    }
    expect(a.acknowledged).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await hasLease('a')).toBe(true);
    expect(await hasLease('b')).toBe(false);
  });

  it('creates the lease again when it is deleted, and keeps it when it is labelled', async () => {
    const agent = await joined('a');
    await cluster.settle(cluster.client.delete('Lease', 'a', { namespace: 'kube-node-lease' }));
    await cluster.clock.advance(100);
    await agent.heartbeat(1);
    await cluster.clock.advance(100);
    expect(await hasLease('a')).toBe(true);
    const body = { metadata: { labels: { seen: 'yes' } } };
    await cluster.settle(cluster.client.patch('Lease', 'a', { type: 'merge', body }, { namespace: 'kube-node-lease' }));
    await cluster.clock.advance(6_000);
    expect(await hasLease('a')).toBe(false);
  });

  it('accepts heartbeats under the certificate of its node only, and only while that is valid', async () => {
    const [a] = [await joined('a'), await joined('b')];
    await a.heartbeat(1, 'b');
    await cluster.clock.advance(100);
    expect(isApiError(await a.heartbeatsServed, 'NotFound')).toBe(true);
    a.beating = undefined;
    await a.heartbeat(2, 'a', cluster.clock.now() + 1_500);
    await cluster.clock.advance(1_000);
    await a.heartbeat(3);
    await cluster.clock.advance(1_000);
    await a.heartbeat(4);
    await cluster.clock.advance(100);
    expect(a.acknowledged).toEqual([2, 3]);
    expect(isApiError(await a.heartbeatsServed, 'Unauthorized')).toBe(true);
  });

  it('ends after the lease’s duration without a heartbeat, and refuses its heartbeats from then on', async () => {
    const agent = await joined('a');
    await agent.heartbeat(1);
    await cluster.clock.advance(4_900);
    expect(cluster.controlPlane.sessions.nodes()).toEqual(['a']);
    await cluster.clock.advance(200);
    expect(cluster.controlPlane.sessions.nodes()).toEqual([]);
    await agent.served;
    agent.beating = undefined;
    await agent.heartbeat(2);
    await cluster.clock.advance(100);
    expect(isApiError(await agent.heartbeatsServed, 'NotFound')).toBe(true);
    expect(agent.acknowledged).toEqual([1]);
  });

  it('is refused under any other identity than that node’s', async () => {
    for (const user of ['system:node:b', 'kubernetes-admin']) {
      const agent = new Agent('a', user);
      await cluster.clock.advance(100);
      expect(isApiError(await agent.served, 'Forbidden')).toBe(true);
    }
  });

  it('is refused to a node that opens one after the other, and to no other node', async () => {
    const errors: unknown[] = [];
    for (let i = 0; i < 30; i++) {
      const agent = new Agent('a');
      void agent.served.then((error) => errors.push(error));
    }
    await cluster.clock.advance(100);
    expect(errors.filter((error) => isApiError(error, 'TooManyRequests')).length).toBeGreaterThanOrEqual(9);
    await joined('b');
    await cluster.clock.advance(5_000);
    await joined('a');
  });

  it('takes the place of the one the node had before', async () => {
    const first = await joined('a');
    await joined('a');
    await cluster.clock.advance(100);
    await first.served;
    expect(cluster.controlPlane.sessions.nodes()).toEqual(['a']);
  });
});

describe('a registration', () => {
  const refusals: Array<[string, Partial<Node>, RegExp]> = [
    ['of another name', { metadata: { name: 'b' } as never }, /node "a" is not allowed to modify node "b"/],
    ['without a name', { metadata: {} as never }, /is not allowed to modify node/],
    [
      'with labels of a role',
      { metadata: { name: 'a', labels: { 'node-role.kubernetes.io/control-plane': '' } } as never },
      /labels: node-role\.kubernetes\.io\/control-plane/,
    ],
    [
      'with labels that keep pods off nodes',
      { metadata: { name: 'a', labels: { 'x.node-restriction.kubernetes.io/trusted': 'yes' } } as never },
      /labels: x\.node-restriction\.kubernetes\.io\/trusted/,
    ],
    [
      'with owners',
      {
        metadata: {
          name: 'a',
          ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: 'none' }],
        } as never,
      },
      /node "a" is not allowed to modify ownerReferences/,
    ],
    [
      'with finalizers',
      { metadata: { name: 'a', finalizers: ['x.io/stay'] } as never },
      /not allowed to modify finalizers/,
    ],
    ['with a range of pod addresses', { spec: { podCIDR: '10.64.9.0/24' } }, /not (allowed to modify|change) podCIDR/],
    [
      'with ranges of pod addresses',
      { spec: { podCIDRs: ['10.64.9.0/24'] } },
      /not (allowed to modify|change) podCIDR/,
    ],
    ['with another uid', { metadata: { name: 'a', uid: 'another' } as never }, /Precondition failed: UID/],
  ];

  async function refused(node: Partial<Node>): Promise<string> {
    const agent = new Agent('a', undefined, node);
    await cluster.clock.advance(200);
    const error = await agent.served;
    expect(isApiError(error, 'Forbidden', 'Conflict', 'Invalid')).toBe(true);
    return (error as Error).message;
  }

  it.each(refusals)('%s is refused, and makes no Node', async (_, node, reason) => {
    expect(await refused(node)).toMatch(reason);
    expect((await cluster.settle(cluster.client.list('Node'))).items).toEqual([]);
  });

  it.each(refusals)(
    '%s is refused when there is a Node, and leaves it and all others as they are',
    async (_, node, reason) => {
      await joined('b');
      (await joined('a')).connection.close();
      await cluster.clock.advance(100);
      const before = (await cluster.settle(cluster.client.list('Node'))).items;
      expect(await refused(node)).toMatch(reason);
      const after = (await cluster.settle(cluster.client.list('Node'))).items;
      expect(after).toEqual(before);
    },
  );

  it('sets taints when it creates the Node; later ones are set by users', async () => {
    const taint = (key: string) => ({ key, effect: 'NoSchedule' as const });
    new Agent('a', undefined, { spec: { taints: [taint('own')] } });
    await cluster.until(async () => cluster.controlPlane.sessions.serves('a'), 'the session', 5);
    const keys = async () =>
      (await cluster.settle(cluster.client.get('Node', 'a'))).spec?.taints?.map(({ key }) => key);
    expect(await keys()).toContain('own');
    const body = { spec: { taints: [taint('human')] } };
    await cluster.settle(cluster.client.patch('Node', 'a', { type: 'merge', body }));
    await joined('a');
    expect(await keys()).toContain('human');
    expect(await keys()).not.toContain('own');
  });

  it('is written as the node itself, and the range by the control plane', async () => {
    await joined('a');
    const node = await cluster.settle(cluster.client.get('Node', 'a'));
    const ranged = node.metadata.managedFields?.find(({ fieldsV1 }) => JSON.stringify(fieldsV1).includes('f:podCIDR"'));
    expect(ranged?.manager).toBe('kube-controller-manager');
    expect(node.metadata.managedFields?.map(({ manager }) => manager)).toContain('kubelet');
  });

  it('keeps the range that its Node was made with, when that is free', async () => {
    const ranged = (name: string) => ({ metadata: { name }, spec: { podCIDR: '10.64.7.0/24' } });
    await cluster.settle(cluster.client.create('Node', ranged('a')));
    await cluster.settle(cluster.client.create('Node', ranged('b')));
    expect((await joined('a')).of('registered')[0]?.podCIDR).toBe('10.64.7.0/24');
    const other = new Agent('b');
    await cluster.clock.advance(200);
    expect(((await other.served) as Error).message).toContain('10.64.7.0/24');
  });
});

describe('assignments', () => {
  it('are the node’s own pods, the objects they reference and the other nodes; and follow changes', async () => {
    const [a] = [await joined('a'), await joined('b')];
    const env = [{ name: 'K', valueFrom: { configMapKeyRef: { name: 'settings', key: 'k' } } }];
    await createPod('theirs', 'b');
    await createPod('mine', 'a', { containers: [{ name: 'main', image: 'x', env }] });
    await cluster.clock.advance(200);
    expect([...a.assigned().keys()].sort()).toEqual(['OwnNode|/a', 'Pod|default/mine']);
    await cluster.settle(
      cluster.client.create('ConfigMap', { metadata: { name: 'settings', namespace: 'default' }, data: { k: '1' } }),
    );
    await cluster.settle(cluster.client.create('ConfigMap', { metadata: { name: 'other', namespace: 'default' } }));
    await cluster.clock.advance(200);
    expect([...a.assigned().keys()].sort()).toEqual(['ConfigMap|default/settings', 'OwnNode|/a', 'Pod|default/mine']);
    await cluster.settle(cluster.client.delete('Pod', 'mine', { namespace: 'default', gracePeriodSeconds: 0 }));
    await cluster.clock.advance(200);
    expect([...a.assigned().keys()]).toEqual(['OwnNode|/a']);
  });

  it('come after the node itself, which is sent again when it changes', async () => {
    const agent = await joined('a');
    const order = agent.received.map(({ type }) => type);
    expect(order.slice(0, 2)).toEqual(['registered', 'assignments']);
    expect(agent.of('assignments')[0]?.changes[0]).toMatchObject({ kind: 'OwnNode', name: 'a', removed: false });
    const taints = [{ key: 'k', effect: 'NoExecute' as const }];
    const body = { metadata: { labels: { disk: 'ssd' } }, spec: { taints } };
    await cluster.settle(cluster.client.patch('Node', 'a', { type: 'merge', body }));
    await createPod('mine', 'a', { tolerations: [{ operator: 'Exists' }] });
    await cluster.clock.advance(200);
    const changes = agent.of('assignments').flatMap((message) => message.changes);
    const own = changes.findLastIndex(({ kind }) => kind === 'OwnNode');
    expect(changes[own]?.object).toMatchObject({ labels: { disk: 'ssd' }, taints: expect.arrayContaining(taints) });
    expect(own).toBeLessThan(changes.findIndex(({ kind }) => kind === 'Pod'));
  });

  it('are not sent again for a change of status, which the node itself reported', async () => {
    const agent = await joined('a');
    const pod = await createPod('mine', 'a');
    await cluster.clock.advance(200);
    const before = agent.of('assignments').length;
    const status = { phase: 'Running' } as const;
    const update = { namespace: 'default', name: 'mine', uid: pod.metadata.uid, status, terminated: false };
    await agent.connection.send({ type: 'podStatus', sequence: 7, updates: [update] });
    await cluster.clock.advance(200);
    expect(agent.of('statusAck')).toEqual([{ type: 'statusAck', sequence: 7 }]);
    expect((await cluster.settle(cluster.client.get('Pod', 'mine', 'default'))).status?.phase).toBe('Running');
    expect(agent.of('assignments').length).toBe(before);
  });
});

describe('a readiness gate', () => {
  it('is sent to the node when a user changes it, and the node’s reports do not overwrite it', async () => {
    const agent = await joined('a');
    const gate = 'example.org/serves';
    const pod = await createPod('mine', 'a', { readinessGates: [{ conditionType: gate }] });
    const write = (status: 'True' | 'False') => {
      const body = { status: { conditions: [{ type: gate, status }] } };
      const options = { namespace: 'default', subresource: 'status' } as const;
      return cluster.settle(cluster.client.patch('Pod', 'mine', { type: 'strategic', body }, options));
    };
    const known = () => {
      const sent = agent.assigned().get('Pod|default/mine') as Pod | undefined;
      return sent?.status?.conditions?.find(({ type }) => type === gate)?.status;
    };
    await write('False');
    await cluster.clock.advance(200);
    expect(known()).toBe('False');
    await write('True');
    await cluster.clock.advance(200);
    expect(known()).toBe('True');
    const conditions = [
      { type: gate, status: 'False' },
      { type: 'Ready', status: 'False' },
      { type: 'PodResizeInProgress', status: 'True' },
    ] as const;
    const report = async (sequence: number, some: readonly object[]) => {
      const status = { phase: 'Running', conditions: some };
      const update = { namespace: 'default', name: 'mine', uid: pod.metadata.uid, status, terminated: false };
      await agent.connection.send({ type: 'podStatus', sequence, updates: [update as never] });
      await cluster.clock.advance(200);
      const { status: stored } = await cluster.settle(cluster.client.get('Pod', 'mine', 'default'));
      return stored?.conditions?.map((one) => `${one.type}=${one.status}`).sort();
    };
    expect(await report(1, conditions)).toEqual(['PodResizeInProgress=True', 'Ready=False', `${gate}=True`]);
    expect(await report(2, conditions.slice(0, 2))).toEqual(['Ready=False', `${gate}=True`]);
  });
});

describe('the reports of a node', () => {
  it('leaves labels and conditions that others write at the same time', async () => {
    const agent = await joined('a');
    const pod = await createPod('mine', 'a');
    await cluster.clock.advance(200);
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' } as const;
    const body = { metadata: { labels: { seen: 'yes' } }, status: { conditions: [condition] } };
    const others = cluster.client.patch(
      'Pod',
      'mine',
      { type: 'strategic', body },
      { namespace: 'default', subresource: 'status' },
    );
    const marked = cluster.client.patch('Node', 'a', {
      type: 'merge',
      body: { metadata: { labels: { 'node-role.kubernetes.io/db': '' } } },
    });
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } as const;
    const update = { namespace: 'default', name: 'mine', uid: pod.metadata.uid, status, terminated: false };
    await agent.connection.send({ type: 'podStatus', sequence: 1, updates: [update as never] });
    await agent.connection.send({ type: 'nodeStatus', status: { capacity: { cpu: '7' } } });
    await cluster.settle(Promise.all([others, marked]));
    await cluster.clock.advance(200);
    const after = await cluster.settle(cluster.client.get('Pod', 'mine', 'default'));
    expect(after.metadata.labels).toEqual({ seen: 'yes' });
    expect(after.status?.conditions?.map(({ type }) => type).sort()).toEqual(['DisruptionTarget', 'Ready']);
    const node = await cluster.settle(cluster.client.get('Node', 'a'));
    expect(node.metadata.labels).toHaveProperty(['node-role.kubernetes.io/db']);
    expect(node.status?.capacity?.cpu).toBe('7');
  });

  it('leaves a node’s capacity and conditions of others, which are allocatable at once and outlive sessions', async () => {
    const amounts = { cpu: '4', memory: '8Gi', pods: '110' };
    const conditions = [{ type: 'Ready', status: 'True' }] as const;
    const status = { capacity: amounts, allocatable: amounts, conditions: [...conditions] };
    const agent = new Agent('a', undefined, { status } as never);
    await cluster.until(async () => agent.of('assignments').length > 0, 'it has its assignments', 5);
    const problem = { type: 'KernelDeadlock', status: 'False', reason: 'KernelHasNoDeadlock' } as const;
    const body = { status: { capacity: { 'example.com/gpu': '2' }, conditions: [problem] } };
    await cluster.settle(cluster.client.patch('Node', 'a', { type: 'strategic', body }, { subresource: 'status' }));
    const stored = async () => (await cluster.client.get('Node', 'a')).status;
    await cluster.until(async () => (await stored())?.allocatable?.['example.com/gpu'] === '2', 'it is allocatable', 5);
    await agent.connection.send({ type: 'nodeStatus', status: { ...status, images: [] } });
    await new Agent('a', undefined, { status } as never).connection.send({ type: 'nodeStatus', status });
    await cluster.clock.advance(500);
    const after = await cluster.settle(stored());
    expect(after?.capacity).toEqual({ ...amounts, 'example.com/gpu': '2' });
    expect(after?.allocatable).toEqual({ ...amounts, 'example.com/gpu': '2' });
    expect(after?.conditions?.map(({ type }) => type).sort()).toEqual(['KernelDeadlock', 'Ready']);
  });

  it('of another node’s pod, or of one that had the name before, is not believed', async () => {
    const agent = await joined('a');
    await joined('b');
    const theirs = await createPod('theirs', 'b');
    await createPod('mine', 'a');
    await cluster.clock.advance(200);
    const status = { phase: 'Failed' } as const;
    const updates = [
      { namespace: 'default', name: 'theirs', uid: theirs.metadata.uid, status, terminated: true },
      { namespace: 'default', name: 'mine', uid: 'another', status, terminated: true },
    ];
    await agent.connection.send({ type: 'podStatus', sequence: 1, updates });
    await cluster.clock.advance(200);
    const phases = (await cluster.settle(cluster.pods())).map((pod) => pod.status?.phase);
    expect(phases).toEqual(['Pending', 'Pending']);
  });

  it('as terminated removes a pod that is being deleted, and no other', async () => {
    const agent = await joined('a');
    const pod = await createPod('mine', 'a');
    await cluster.clock.advance(200);
    const update = { namespace: 'default', name: 'mine', uid: pod.metadata.uid, terminated: true };
    await agent.connection.send({ type: 'podStatus', sequence: 1, updates: [update] });
    await cluster.clock.advance(200);
    expect((await cluster.settle(cluster.pods())).length).toBe(1);
    await cluster.settle(cluster.client.delete('Pod', 'mine', { namespace: 'default' }));
    await cluster.clock.advance(200);
    await agent.connection.send({ type: 'podStatus', sequence: 2, updates: [update] });
    await cluster.clock.advance(200);
    expect(await cluster.settle(cluster.pods())).toEqual([]);
  });

  it('is audited as the node’s own requests, decided by the rules for nodes', async () => {
    const lines: string[] = [];
    const sink = {
      offer: (line: string) => lines.push(line) > 0,
      write: async (line: string) => void lines.push(line),
      close: async () => undefined,
    };
    const audit = {
      policy: parsePolicy('{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}'),
      sink,
      strict: false,
    };
    await cluster.stop();
    const clock = new VirtualClock();
    const auditor = new Auditor({ clock, random: seededRandom(1), log: silentLog, audit });
    cluster = new HollowCluster(1, { auditor });
    cluster.kubelets = false;
    await cluster.start();
    const agent = await joined('a');
    const pod = await createPod('mine', 'a');
    await cluster.clock.advance(200);
    lines.length = 0;
    const update = {
      namespace: 'default',
      name: 'mine',
      uid: pod.metadata.uid,
      status: { phase: 'Running' },
      terminated: false,
    };
    await agent.connection.send({ type: 'podStatus', sequence: 1, updates: [update] });
    await cluster.clock.advance(200);
    const found = lines
      .map((line) => JSON.parse(line))
      .find(({ stage, objectRef }) => stage === 'ResponseComplete' && objectRef?.name === 'mine');
    expect(found).toMatchObject({
      verb: 'update',
      user: { username: 'system:node:a', groups: ['system:nodes', 'system:authenticated'] },
      objectRef: { resource: 'pods', subresource: 'status' },
      annotations: { 'authorization.k8s.io/decision': 'allow' },
    });
    const others = lines.map((line) => JSON.parse(line)).filter(({ objectRef }) => objectRef?.name === 'mine');
    expect(new Set(others.map(({ user }) => user.username))).toEqual(new Set(['system:node:a']));
  });

  it('is bounded: no status of any size, no address of others, no event of others’ pods, of any size or number', async () => {
    const agent = await joined('a');
    const range = agent.of('registered')[0]?.podCIDR.replace('.0/24', '') ?? '';
    const pod = await createPod('mine', 'a');
    await cluster.clock.advance(200);
    const report = async (status: object, sequence: number) => {
      const update = { namespace: 'default', name: 'mine', uid: pod.metadata.uid, status, terminated: false };
      await agent.connection.send({ type: 'podStatus', sequence, updates: [update as never] });
      await cluster.clock.advance(200);
      expect(agent.of('statusAck').at(-1)?.sequence).toBe(sequence);
      return (await cluster.settle(cluster.client.get('Pod', 'mine', 'default'))).status ?? {};
    };
    expect(await report({ phase: 'Running', podIP: '10.64.200.9' }, 1)).not.toHaveProperty('podIP');
    expect(await report({ phase: 'Running', podIP: '10.64.0.1\nx' }, 2)).not.toHaveProperty('podIP');
    expect(await report({ phase: 'Running', message: 'x'.repeat(60_000) }, 3)).not.toHaveProperty('message');
    expect(await report({ phase: 'Running', podIP: `${range}.9` }, 4)).toMatchObject({ podIP: `${range}.9` });
    await agent.connection.send({
      type: 'nodeStatus',
      status: { images: Array.from({ length: 501 }, () => ({ names: ['x'] })) },
    });
    await agent.connection.send({
      type: 'nodeStatus',
      status: { addresses: [{ type: 'InternalIP', address: '10.0.0.1\nroute flush' }] },
    });
    await cluster.clock.advance(200);
    expect((await cluster.settle(cluster.client.get('Node', 'a'))).status).not.toHaveProperty('images');
    expect((await cluster.settle(cluster.client.get('Node', 'a'))).status).not.toHaveProperty('addresses');

    const event = (name: string, more: object) =>
      ({
        metadata: { name, namespace: 'default' },
        involvedObject: { kind: 'Pod', name: 'gone', namespace: 'default', uid: 'never' },
        reason: 'Started',
        message: 'm',
        source: { component: 'kubelet' },
        ...more,
      }) as unknown as Event;
    const involvedObject = { kind: 'Pod', name: 'mine', namespace: 'default' };
    await agent.connection.send({ type: 'event', event: event('of-nobody', {}) });
    await agent.connection.send({
      type: 'event',
      event: event('long', { involvedObject, message: 'x'.repeat(1_025) }),
    });
    await cluster.settle(cluster.client.delete('Pod', 'mine', { namespace: 'default', gracePeriodSeconds: 0 }));
    await cluster.clock.advance(200);
    const last = { involvedObject: { ...involvedObject, uid: pod.metadata.uid } };
    for (let i = 0; i < 1_200; i++) {
      await agent.connection.send({ type: 'event', event: event(`last-${i}`, last) });
      if (i % 50 === 0) await cluster.clock.advance(100);
    }
    await cluster.clock.advance(5_000);
    const { items } = await cluster.settle(cluster.client.list('Event', { namespace: 'default' }));
    const names = items.map(({ metadata }) => metadata.name);
    expect(names).toContain('last-0');
    expect(names.filter((name) => ['of-nobody', 'long'].includes(name))).toEqual([]);
    expect(names.length).toBeLessThan(1_050);
  });

  it('as an event is stored when it is about the node or its pods, and overwrites no other event', async () => {
    const agent = await joined('a');
    await joined('b');
    await createPod('mine', 'a');
    await createPod('theirs', 'b');
    await cluster.settle(
      cluster.client.create('Event', {
        metadata: { name: 'taken', namespace: 'default' },
        involvedObject: { kind: 'Pod', name: 'mine', namespace: 'default' },
        reason: 'Scheduled',
        message: 'said by the scheduler',
        source: { component: 'default-scheduler' },
      }),
    );
    await cluster.clock.advance(200);
    const event = (name: string, pod: string, count = 2) =>
      ({
        metadata: { name, namespace: 'default' },
        involvedObject: { kind: 'Pod', name: pod, namespace: 'default' },
        reason: 'Started',
        message: 'said by the node',
        source: { component: 'kubelet', host: 'b' },
        count,
      }) as unknown as Event;
    for (const [name, pod, count] of [
      ['own', 'mine', 2],
      ['foreign', 'theirs', 2],
      ['taken', 'mine', 2],
      ['own', 'mine', 3],
    ] as const) {
      await agent.connection.send({ type: 'event', event: event(name, pod, count) });
    }
    await cluster.clock.advance(500);
    const { items } = await cluster.settle(cluster.client.list('Event', { namespace: 'default' }));
    const stored = new Map(items.map((item) => [item.metadata.name, item]));
    expect(stored.get('own')).toMatchObject({ source: { host: 'a' }, count: 3 });
    expect(stored.has('foreign')).toBe(false);
    expect(stored.get('taken')?.message).toBe('said by the scheduler');
  });
});
