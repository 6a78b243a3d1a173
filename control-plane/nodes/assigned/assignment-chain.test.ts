import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConfigMap, Kind, Lease, Node, Pod, Secret } from '../../../shared/generated/types.ts';
import type { Change, Informers } from '../../../shared/informer.ts';
import { type KubeObject, keyOf } from '../../../shared/object.ts';
import type { Assignment } from '../../../shared/session.ts';
import type { AssignedKind } from './assigned-kind.ts';
import { AssignmentChain } from './assignment-chain.ts';
import { assignedKinds } from './kinds.ts';
import { peerOf } from './nodes.ts';

/** The objects of the informers, written by hand: each step is one batch, after which the chain is notified or not. */
class Held {
  readonly objects = new Map<string, { kind: Kind; object: KubeObject }>();
  #version = 0;

  put(kind: Kind, object: KubeObject): Change {
    const key = keyOf(object);
    const stamped = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
    const before = this.objects.get(`${kind}|${key}`)?.object;
    this.objects.set(`${kind}|${key}`, { kind, object: stamped });
    return { kind, key, before, after: stamped } as Change;
  }

  remove(kind: Kind, key: string): Change[] {
    const before = this.objects.get(`${kind}|${key}`)?.object;
    this.objects.delete(`${kind}|${key}`);
    return before ? [{ kind, key, before } as Change] : [];
  }

  informers(): Informers {
    const all = (wanted: Kind) =>
      [...this.objects.values()].filter(({ kind }) => kind === wanted).map(({ object }) => object);
    const of = (kind: Kind) => ({
      get: (key: string) => this.objects.get(`${kind}|${key}`)?.object,
      values: () => all(kind).values(),
      by: (index: string, value: string) =>
        all(kind).filter((object) =>
          index === 'node' ? (object as Pod).spec.nodeName === value : object.metadata.namespace === value,
        ),
    });
    return { of } as unknown as Informers;
  }
}

/** The state of an agent after all messages; fails if one does not apply to the previous state. */
class Agent {
  readonly holds = new Map<string, KubeObject | object>();
  #version = 0;

  take(message: ReturnType<AssignmentChain['next']>): Assignment[] {
    if (!message) return [];
    if (message.mode === 'COMPLETE') this.holds.clear();
    else expect(message.appliesTo).toBe(this.#version);
    this.#version = message.resultsIn;
    for (const { kind, namespace, name, removed, object } of message.changes) {
      const id = `${kind}|${namespace ? `${namespace}/` : ''}${name}`;
      if (removed) expect(this.holds.delete(id)).toBe(true);
      else this.holds.set(id, object ?? {});
    }
    return message.changes;
  }
}

interface PodParts {
  uid?: string;
  configMap?: string;
  secret?: string;
  labels?: Record<string, string>;
  status?: Pod['status'];
  gates?: string[];
}
function pod(name: string, nodeName: string | undefined, parts: PodParts = {}): Pod {
  const { uid = name, configMap, secret, labels, status, gates } = parts;
  const volumes = [
    ...(configMap ? [{ name: 'c', configMap: { name: configMap } }] : []),
    ...(secret ? [{ name: 's', secret: { secretName: secret } }] : []),
  ];
  return {
    metadata: { name, namespace: 'default', uid, labels },
    spec: { nodeName, containers: [], volumes, readinessGates: gates?.map((conditionType) => ({ conditionType })) },
    status,
  } as unknown as Pod;
}

function node(name: string, address?: string, podCIDR?: string): Node {
  const addresses = address
    ? [
        { type: 'ExternalIP', address: '203.0.113.1' },
        { type: 'InternalIP', address },
      ]
    : [];
  return { metadata: { name }, spec: { podCIDR }, status: { addresses } } as unknown as Node;
}

/** The lease of a server; without an address one of another kind. */
const lease = (name: string, rest?: string): Lease =>
  ({
    metadata: {
      name,
      namespace: 'kube-system',
      ...(rest && {
        labels: { 'apiserver.kubernetes.io/identity': 'kube-apiserver' },
        annotations: { 'coracle.io/rest-address': rest },
      }),
    },
    spec: { holderIdentity: name },
  }) as unknown as Lease;
const configMap = (name: string, text = ''): ConfigMap =>
  ({ metadata: { name, namespace: 'default' }, data: { text } }) as unknown as ConfigMap;
const secret = (name: string): Secret => ({ metadata: { name, namespace: 'default' } }) as unknown as Secret;

function setup(table: readonly AssignedKind[] = assignedKinds) {
  const held = new Held();
  const chain = new AssignmentChain('mine', held.informers(), table);
  const agent = new Agent();
  const exchange = (...changes: Change[]) => {
    const worth = chain.note(changes);
    const taken = agent.take(chain.next());
    return { worth, taken: taken.map(({ kind, name, removed }) => `${removed ? '-' : '+'}${kind} ${name}`) };
  };
  return { held, chain, agent, exchange };
}

describe('the assignments of a node', () => {
  it('start with its own node and pods, the objects they reference, its peers and the servers', () => {
    const { held, exchange } = setup();
    held.put('Pod', pod('own', 'mine', { configMap: 'named', secret: 'named' }));
    held.put('Pod', pod('other', 'theirs', { configMap: 'foreign' }));
    held.put('Pod', pod('waiting', undefined));
    held.put('ConfigMap', configMap('named'));
    held.put('ConfigMap', configMap('foreign'));
    held.put('Secret', secret('named'));
    held.put('Secret', secret('foreign'));
    held.put('Node', node('mine', '192.0.2.1', '10.64.0.0/24'));
    held.put('Node', node('theirs', '192.0.2.2', '10.64.1.0/24'));
    held.put('Node', node('new'));
    held.put('Lease', lease('apiserver-one', '192.0.2.9:6443'));
    held.put('Lease', lease('leader'));
    expect(exchange().taken.sort()).toEqual([
      '+ApiServer apiserver-one',
      '+ConfigMap named',
      '+OwnNode mine',
      '+Peer theirs',
      '+Pod own',
      '+Secret named',
    ]);
  });

  it('are complete once, also when empty, and then contain only changes', () => {
    const { held, chain, agent, exchange } = setup();
    const first = chain.next();
    expect(first).toMatchObject({ mode: 'COMPLETE', appliesTo: 0, resultsIn: 1, changes: [] });
    agent.take(first);
    expect(chain.next()).toBeUndefined();
    held.put('Pod', pod('a', 'mine'));
    expect(chain.next()).toBeUndefined();
    expect(exchange(held.put('Pod', pod('b', 'mine')))).toEqual({ worth: true, taken: ['+Pod b'] });
  });

  it.each<[string, Pod, boolean]>([
    ['its status', pod('a', 'mine', { status: { phase: 'Running' } as Pod['status'] }), false],
    ['its labels', pod('a', 'mine', { labels: { x: 'y' } }), true],
    ['its uid', pod('a', 'mine', { uid: 'second' }), true],
    ['a condition that is no gate of it', pod('a', 'mine', { status: conditions('other') }), false],
  ])('send a pod again after a change of %s only if the agent cares', (_what, changed, again) => {
    const { held, exchange } = setup();
    exchange(held.put('Pod', pod('a', 'mine')));
    expect(exchange(held.put('Pod', changed)).taken).toEqual(again ? ['+Pod a'] : []);
  });

  it('send a pod again when the condition of its second readiness gate changes', () => {
    const { held, exchange } = setup();
    exchange(held.put('Pod', pod('a', 'mine', { gates: ['first', 'second'] })));
    const change = held.put('Pod', pod('a', 'mine', { gates: ['first', 'second'], status: conditions('second') }));
    expect(exchange(change).taken).toEqual(['+Pod a']);
  });

  it('take a pod away when it is deleted, and when it is another node’s', () => {
    const { held, exchange } = setup();
    exchange(held.put('Pod', pod('a', 'mine')), held.put('Pod', pod('b', 'mine')));
    expect(exchange(...held.remove('Pod', 'default/a')).taken).toEqual(['-Pod a']);
    expect(exchange(held.put('Pod', pod('b', 'theirs', { uid: 'second' }))).taken).toEqual(['-Pod b']);
    expect(exchange(held.put('Pod', pod('b', 'theirs', { uid: 'third' })))).toEqual({ worth: false, taken: [] });
  });

  it('keep a ConfigMap until the last pod that references it is removed', () => {
    const { held, exchange } = setup();
    held.put('ConfigMap', configMap('shared'));
    exchange(
      held.put('Pod', pod('a', 'mine', { configMap: 'shared' })),
      held.put('Pod', pod('b', 'mine', { configMap: 'shared' })),
    );
    expect(exchange(...held.remove('Pod', 'default/a')).taken).toEqual(['-Pod a']);
    expect(exchange(held.put('ConfigMap', configMap('shared', 'new'))).taken).toEqual(['+ConfigMap shared']);
    expect(exchange(...held.remove('Pod', 'default/b')).taken).toEqual(['-ConfigMap shared', '-Pod b']);
    expect(exchange(held.put('ConfigMap', configMap('shared', 'newer')))).toEqual({ worth: false, taken: [] });
  });

  it('contain the objects of a pod before the pod, and remove them after it', () => {
    const { held, exchange } = setup();
    held.put('Secret', secret('s'));
    held.put('Pod', pod('gone', 'mine'));
    exchange();
    const changes = [...held.remove('Pod', 'default/gone'), held.put('Pod', pod('new', 'mine', { secret: 's' }))];
    expect(exchange(...changes).taken).toEqual(['+Secret s', '+Pod new', '-Pod gone']);
  });

  it('give a server while its lease is there and names an IPv4 address and a port', () => {
    const { held, exchange } = setup();
    exchange();
    for (const rest of [undefined, 'server.example:6443', '192.0.2.9:0', '192.0.2.9']) {
      expect(exchange(held.put('Lease', lease('apiserver-one', rest))).taken).toEqual([]);
    }
    expect(exchange(held.put('Lease', lease('apiserver-one', '192.0.2.9:6443'))).taken).toEqual([
      '+ApiServer apiserver-one',
    ]);
    expect(exchange(held.put('Lease', lease('apiserver-one', '192.0.2.9:6443'))).taken).toEqual([]);
    expect(exchange(...held.remove('Lease', 'kube-system/apiserver-one')).taken).toEqual(['-ApiServer apiserver-one']);
  });

  it('contain a peer when it has an address and a range, and remove it otherwise', () => {
    const { held, exchange } = setup();
    exchange();
    expect(exchange(held.put('Node', node('theirs'))).taken).toEqual([]);
    expect(exchange(held.put('Node', node('theirs', '192.0.2.2', '10.64.1.0/24'))).taken).toEqual(['+Peer theirs']);
    expect(exchange(held.put('Node', node('theirs', '192.0.2.2'))).taken).toEqual(['-Peer theirs']);
    exchange(held.put('Node', node('theirs', '192.0.2.3', '10.64.1.0/24')));
    expect(exchange(...held.remove('Node', 'theirs')).taken).toEqual(['-Peer theirs']);
    expect(peerOf(node('theirs', 'fe80::1', '10.64.1.0/24'))).toBeUndefined();
  });

  it('carry no peer for the node itself, whose own part comes first and again only when it changed', () => {
    const { held, exchange } = setup();
    exchange();
    held.put('Pod', pod('a', 'mine'));
    const own = held.put('Node', node('mine', '192.0.2.1', '10.64.0.0/24'));
    expect(exchange(own)).toEqual({ worth: true, taken: ['+OwnNode mine'] });
    expect(exchange(held.put('Node', node('mine', '192.0.2.2'))).taken).toEqual([]);
    const labelled = { ...node('mine', '192.0.2.1'), metadata: { name: 'mine', labels: { disk: 'ssd' } } };
    const changes = [held.put('Pod', pod('b', 'mine')), held.put('Node', labelled as unknown as Node)];
    expect(exchange(...changes).taken).toEqual(['+OwnNode mine', '+Pod b']);
  });

  it('lead to exactly the informers’ objects for the node, however changes are batched', () => {
    const names = fc.constantFrom('a', 'b', 'c');
    const nodes = fc.constantFrom('mine', 'mine', 'theirs', undefined);
    const reference = fc.option(fc.constantFrom('x', 'y'), { nil: undefined });
    const step = fc.oneof(
      fc
        .tuple(names, nodes, reference, reference, fc.constantFrom('u1', 'u2'))
        .map(([name, on, configMap, secret, uid]) => (held: Held) => [
          held.put('Pod', pod(name, on, { configMap, secret, uid })),
        ]),
      names.map((name) => (held: Held) => held.remove('Pod', `default/${name}`)),
      fc.tuple(fc.constantFrom('x', 'y'), fc.string()).map(([name, text]) => (held: Held) => [
        held.put('ConfigMap', configMap(name, text)),
        held.put('Secret', secret(name)),
      ]),
      fc.constantFrom('x', 'y').map((name) => (held: Held) => held.remove('ConfigMap', `default/${name}`)),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.boolean()), { maxLength: 30 }), (steps) => {
        const { held, chain, agent } = setup();
        for (const [take, send] of steps) {
          chain.note(take(held));
          if (send) agent.take(chain.next());
        }
        agent.take(chain.next());
        expect([...agent.holds.keys()].sort()).toEqual(wantedOf(held, 'mine'));
        for (const [id, object] of agent.holds) {
          if (!id.startsWith('Pod|')) expect(object).toEqual(held.objects.get(id)?.object);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('a further kind', () => {
  /** Namespaces in which the node has pods, and a kind that those refer to in turn. */
  const quotas: AssignedKind<'ResourceQuota'> = {
    kind: 'Quota',
    source: 'ResourceQuota',
    wantedBy: (_node, quota) => quota,
    fingerprint: (sent) => JSON.stringify(sent),
  };
  const zones: AssignedKind<'ConfigMap', { readonly size: string }> = {
    kind: 'Zone',
    source: 'ConfigMap',
    candidates: (configMaps) => configMaps.values(),
    wantedBy: (node, { data }) => (data?.node === node && data.size ? { size: data.size } : undefined),
    fingerprint: ({ size }) => size,
    references: () => [{ kind: 'Quota', key: 'default/q' }],
  };
  const zone = (on: string, size: string): ConfigMap =>
    ({ metadata: { name: 'z', namespace: 'default' }, data: { node: on, size } }) as unknown as ConfigMap;

  it('is one entry of the table', () => {
    const { held, agent, exchange } = setup([...assignedKinds, quotas, zones]);
    exchange();
    const quota = held.put('ResourceQuota', configMap('q') as unknown as KubeObject);
    expect(exchange(quota)).toEqual({ worth: false, taken: [] });
    expect(exchange(held.put('ConfigMap', zone('mine', '1'))).taken).toEqual(['+Quota q', '+Zone z']);
    expect(agent.holds.get('Zone|default/z')).toEqual({ size: '1' });
    expect(exchange(held.put('ConfigMap', zone('mine', '1'))).taken).toEqual([]);
    expect(exchange(held.put('ConfigMap', zone('mine', '2'))).taken).toEqual(['+Zone z']);
    expect(exchange(held.put('ConfigMap', zone('theirs', '2'))).taken).toEqual(['-Quota q', '-Zone z']);
  });
});

function conditions(type: string): Pod['status'] {
  return { conditions: [{ type, status: 'True' }] } as unknown as Pod['status'];
}

/** By hand: the pods bound to the node, and what exists of what their two volumes name. */
function wantedOf({ objects }: Held, name: string): string[] {
  const wanted = new Set<string>();
  for (const { kind, object } of objects.values()) {
    if (kind !== 'Pod' || (object as Pod).spec.nodeName !== name) continue;
    wanted.add(`Pod|${keyOf(object)}`);
    for (const volume of (object as Pod).spec.volumes ?? []) {
      const ids = [`ConfigMap|default/${volume.configMap?.name}`, `Secret|default/${volume.secret?.secretName}`];
      for (const id of ids) if (objects.has(id)) wanted.add(id);
    }
  }
  return [...wanted].sort();
}
