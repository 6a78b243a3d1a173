import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../../shared/clock.ts';
import type { Node, Pod } from '../../../../../shared/generated/types.ts';
import { forbiddenNodeLabels } from '../../../../../shared/node-labels.ts';
import type { Draft } from '../../../../../shared/object.ts';
import { startTestApi, type TestApi } from '../../../../../test/support/api-server.ts';
import { eventually } from '../../../../../test/support/eventually.ts';
import { LocalClient } from '../../../local-client.ts';

let server: TestApi;
/** The authorizer allows everything here. */
let node: LocalClient;
let stored: Node;
beforeEach(async () => {
  server = await startTestApi();
  const identity = { user: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };
  node = new LocalClient({ api: server.api, identity, clock: systemClock });
  stored = await server.client.create('Node', { metadata: { name: 'n1' }, spec: {} });
  for (const nodeName of ['n1', 'n2']) {
    const spec = { nodeName, serviceAccountName: 'default', containers: [{ name: 'c', image: 'i' }] };
    await server.client.create('Pod', { metadata: { name: `on-${nodeName}`, namespace: 'default' }, spec });
  }
  await eventually(() => server.cache.count('Pod') === 2 && server.cache.count('Node') === 1);
});
afterEach(() => server.stop());

const refused = async (asked: Promise<unknown>, message: string): Promise<void> => {
  await expect(asked).rejects.toMatchObject({ reason: 'Forbidden', message });
};

describe('a node', () => {
  it('writes its own Node, without its taints and the labels by which others choose it', async () => {
    const patch = (name: string, body: object) => node.patch('Node', name, { type: 'merge', body });
    await patch('n1', { metadata: { labels: { own: 'x', 'topology.kubernetes.io/zone': 'z' } } });
    await patch('n1', { spec: { unschedulable: true } });
    await refused(
      patch('n1', { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }),
      'nodes "n1" is forbidden: node "n1" is not allowed to modify taints',
    );
    await refused(
      patch('n1', {
        metadata: { labels: { 'node-restriction.kubernetes.io/x': 'y', 'node-role.kubernetes.io/a': '' } },
      }),
      'nodes "n1" is forbidden: is not allowed to modify labels: node-restriction.kubernetes.io/x, node-role.kubernetes.io/a',
    );
    const owner = { apiVersion: 'v1', kind: 'Node', name: 'gone', uid: 'x' };
    const others: [object, string][] = [
      [{ metadata: { ownerReferences: [owner] } }, 'ownerReferences'],
      [{ metadata: { finalizers: ['x.io/stay'] } }, 'finalizers'],
      [{ spec: { podCIDR: '10.64.1.0/24' } }, 'podCIDR'],
      [{ spec: { podCIDRs: ['10.64.1.0/24'] } }, 'podCIDR'],
    ];
    for (const [body, what] of others) {
      await refused(patch('n1', body), `nodes "n1" is forbidden: node "n1" is not allowed to modify ${what}`);
    }
    await refused(
      patch('n1', { spec: { configSource: { configMap: { name: 'a', namespace: 'b', kubeletConfigKey: 'c' } } } }),
      'nodes "n1" is forbidden: node "n1" is not allowed to update configSource to a new non-nil configSource',
    );
    await refused(
      node.create('Node', { metadata: { name: 'n2' }, spec: {} }),
      'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"',
    );
    await server.client.create('Node', { metadata: { name: 'n2' }, spec: {} });
    await refused(
      patch('n2', { metadata: { labels: { own: 'x' } } }),
      'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"',
    );
  });

  it('makes its own Node without owners, finalizers or a range of pod addresses', async () => {
    await server.client.delete('Node', 'n1');
    const owner = { apiVersion: 'v1', kind: 'Node', name: 'gone', uid: 'x' };
    const cases: [Draft<Node>, string][] = [
      [{ metadata: { name: 'n1', ownerReferences: [owner] }, spec: {} }, 'ownerReferences'],
      [{ metadata: { name: 'n1', finalizers: ['x.io/stay'] }, spec: {} }, 'finalizers'],
      [{ metadata: { name: 'n1' }, spec: { podCIDR: '10.64.1.0/24' } }, 'podCIDR'],
      [{ metadata: { name: 'n1' }, spec: { podCIDRs: ['10.64.1.0/24'] } }, 'podCIDR'],
    ];
    for (const [draft, what] of cases) {
      await refused(node.create('Node', draft), `nodes "n1" is forbidden: node "n1" is not allowed to modify ${what}`);
    }
    await node.create('Node', { metadata: { name: 'n1' }, spec: { taints: [{ key: 'own', effect: 'NoSchedule' }] } });
  });

  it('reports of its pods only addresses of its range, and its own', async () => {
    const { name } = stored.metadata;
    await server.client.patch('Node', name, { type: 'merge', body: { spec: { podCIDR: '10.64.1.0/24' } } });
    const addresses = [{ type: 'InternalIP', address: '192.168.0.1' }];
    await server.client.patch(
      'Node',
      name,
      { type: 'merge', body: { status: { addresses } } },
      { subresource: 'status' },
    );
    await eventually(() => (server.cache.get('Node', name) as Node | undefined)?.status?.addresses !== undefined);
    const report = (status: object) => {
      const options = { namespace: 'default', subresource: 'status' } as const;
      return node.patch('Pod', 'on-n1', { type: 'merge', body: { status } }, options);
    };
    const why = (ip: string) =>
      `pods "on-n1" is forbidden: node "n1" is not allowed to report the address ${ip}, which is not its own`;
    for (const ip of ['10.64.2.9', '192.168.0.1', '8.8.8.8'])
      await refused(report({ podIP: ip, podIPs: null }), why(ip));
    await refused(report({ hostIP: '192.168.0.2' }), why('192.168.0.2'));
    await refused(report({ hostIP: '192.168.0.2', hostIPs: [{ ip: '192.168.0.2' }] }), why('192.168.0.2'));
    await report({ podIP: '10.64.1.9', hostIP: '192.168.0.1', hostIPs: [{ ip: '192.168.0.1' }] });
    // What was reported before stays good when the node has moved.
    await server.client.patch(
      'Node',
      name,
      { type: 'merge', body: { status: { addresses: null } } },
      { subresource: 'status' },
    );
    await report({ message: 'still here' });
  });

  it('removes only its finalizer, and only of a local volume whose data it is to delete', async () => {
    const why = (name: string) =>
      `persistentvolumes "${name}" is forbidden: node "n1" can only remove its finalizer of persistent volumes`;
    const make = (name: string, on: string) => {
      const term = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In' as const, values: [on] }] };
      return server.client.create('PersistentVolume', {
        metadata: { name, finalizers: ['coracle.io/local-volume', 'example.com/other'] },
        spec: {
          accessModes: ['ReadWriteOnce'],
          capacity: { storage: '1Gi' },
          persistentVolumeReclaimPolicy: 'Delete',
          local: { path: `/vol/${name}` },
          nodeAffinity: { required: { nodeSelectorTerms: [term] } },
        },
      });
    };
    const patch = (name: string, body: object) => node.patch('PersistentVolume', name, { type: 'merge', body });
    const released = { metadata: { finalizers: ['example.com/other'] } };
    const finalizers = ['coracle.io/local-volume', 'example.com/other'];
    await make('own', 'n1');
    // Without the protection of volumes in use.
    await server.client.patch('PersistentVolume', 'own', { type: 'merge', body: { metadata: { finalizers } } });
    await make('other', 'n2');
    // It is not being deleted.
    await refused(patch('own', released), why('own'));
    await server.client.delete('PersistentVolume', 'own');
    await server.client.delete('PersistentVolume', 'other');
    const others: [string, object][] = [
      ['other', released],
      ['own', { metadata: { finalizers: null } }],
      ['own', { metadata: { finalizers: ['coracle.io/local-volume'] } }],
      ['own', { metadata: { ...released.metadata, labels: { a: 'b' } } }],
      ['own', { ...released, spec: { persistentVolumeReclaimPolicy: 'Retain' } }],
    ];
    for (const [name, body] of others) await refused(patch(name, body), why(name));
    await refused(node.delete('PersistentVolume', 'own'), why('own'));
    const bound = { status: { phase: 'Bound' } };
    const phase = (body: object) =>
      server.client.patch('PersistentVolume', 'own', { type: 'merge', body }, { subresource: 'status' });
    await phase(bound);
    await refused(patch('own', released), why('own'));
    await phase({ status: { phase: 'Released' } });
    await patch('own', released);
  });

  it('makes copies of the pods that it runs by itself, and no others', async () => {
    const owner = { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: stored.metadata.uid, controller: true };
    const mirror = (more: Partial<Draft<Pod>['metadata']> = {}, spec: Partial<Pod['spec']> = {}): Draft<Pod> => ({
      metadata: {
        name: 'static-n1',
        namespace: 'default',
        annotations: { 'kubernetes.io/config.mirror': 'x' },
        ownerReferences: [owner],
        ...more,
      },
      spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }], ...spec },
    });
    const why = (text: string): string => `pods "static-n1" is forbidden: ${text}`;
    const only = 'node "n1" can only create pods with';
    const naming = 'node "n1" can not create pods that reference';
    const cases: [Draft<Pod>, string][] = [
      [
        mirror({ annotations: {} }),
        'pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods',
      ],
      [mirror({}, { nodeName: 'n2' }), `${only} spec.nodeName set to itself`],
      [mirror({ ownerReferences: [] }), `${only} an owner reference set to itself`],
      [
        mirror({ ownerReferences: [owner, { ...owner, name: 'n2' }] }),
        `${only} a single owner reference set to itself`,
      ],
      [
        mirror({ ownerReferences: [{ ...owner, controller: false }] }),
        `${only} a controller owner reference set to itself`,
      ],
      [
        mirror({ ownerReferences: [{ ...owner, uid: 'other' }] }),
        `node n1 UID mismatch: expected other got ${stored.metadata.uid}`,
      ],
      [mirror({}, { serviceAccountName: 'default' }), `${naming} a service account`],
      [mirror({}, { volumes: [{ name: 'v', secret: { secretName: 's' } }] }), `${naming} secrets`],
      [mirror({}, { volumes: [{ name: 'v', configMap: { name: 's' } }] }), `${naming} configmaps`],
    ];
    for (const [pod, text] of cases) await refused(node.create('Pod', pod), why(text));
    await expect(node.create('Pod', mirror())).resolves.toMatchObject({ spec: { nodeName: 'n1' } });
  });

  it('reports on its own pods, and ends no others', async () => {
    const report = (name: string, more: object = {}) =>
      node.patch(
        'Pod',
        name,
        { type: 'merge', body: { status: { phase: 'Running' }, ...more } },
        {
          namespace: 'default',
          subresource: 'status',
        },
      );
    await report('on-n1');
    await refused(
      report('on-n2'),
      'pods "on-n2" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself',
    );
    await refused(
      node.patch(
        'Pod',
        'on-n1',
        { type: 'merge', body: { metadata: { labels: { a: 'b' } } } },
        { namespace: 'default' },
      ),
      'pods "on-n1" is forbidden: unexpected operation "UPDATE", node "n1" can only create and delete mirror pods',
    );
    const theirs = await server.client.get('Pod', 'on-n2', 'default');
    await refused(
      node.evict(theirs),
      'pods "on-n2" is forbidden: node n1 can only evict pods with spec.nodeName set to itself',
    );
    await refused(
      node.delete('Pod', 'on-n2', { namespace: 'default' }),
      'pods "on-n2" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself',
    );
    await node.delete('Pod', 'on-n1', { namespace: 'default', gracePeriodSeconds: 0 });
  });

  it('has a Lease and a CSINode of its own name', async () => {
    const lease = (name: string, namespace = 'kube-node-lease') =>
      node.create('Lease', { metadata: { name, namespace }, spec: {} });
    await lease('n1');
    await refused(
      lease('n2'),
      'leases.coordination.k8s.io "n2" is forbidden: can only access node lease with the same name as the requesting node',
    );
    await refused(
      lease('n1', 'default'),
      'leases.coordination.k8s.io "n1" is forbidden: can only access leases in the "kube-node-lease" system namespace',
    );
    await refused(
      node.create('CSINode', { metadata: { name: 'n2' }, spec: { drivers: [] } }),
      'csinodes.storage.k8s.io "n2" is forbidden: can only access CSINode with the same name as the requesting node',
    );
  });
});

it('a node may write cluster labels only if they describe the machine', () => {
  const own = [
    'kubernetes.io/hostname',
    'beta.kubernetes.io/arch',
    'node.kubernetes.io/x',
    'a.kubelet.kubernetes.io/y',
    'app',
  ];
  expect(forbiddenNodeLabels(Object.fromEntries(own.map((key) => [key, '']))) ?? '').toBe('');
  expect(forbiddenNodeLabels({ 'x.k8s.io/a': '1', app: '2' }, { 'kubernetes.io/role': 'm', 'k8s.io/same': '' })).toBe(
    'k8s.io/same, kubernetes.io/role, x.k8s.io/a',
  );
});
