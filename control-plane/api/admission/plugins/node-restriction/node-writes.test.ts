import { describe, expect, test } from 'vitest';
import type { Kind, Node, PersistentVolumeClaim, Pod } from '../../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../../shared/object.ts';
import { podOf, readerOf, refusalOf, requestOf, stored } from '../../../../../test/support/admission.ts';
import type { AdmissionRequest } from '../../plugin.ts';
import { nodeRestriction } from './plugin.ts';

// Without a server: each reason for refusing a node's write.

const identity = { user: 'system:node:n', groups: ['system:nodes'] };
const asNode = (kind: Kind, more: Partial<AdmissionRequest> = {}) => requestOf(kind, { identity, ...more });
const node = stored('Node', 'n', { spec: {} });

function created(
  object: KubeObject,
  more: Partial<AdmissionRequest> = {},
  ...others: KubeObject[]
): string | undefined {
  const { name, namespace } = object.metadata;
  const request = asNode(object.kind as Kind, { name, namespace, ...more });
  return refusalOf(() => nodeRestriction.mutate?.(request, object, undefined, readerOf([node, ...others])));
}

function changed(
  next: KubeObject | undefined,
  old: KubeObject,
  more: Partial<AdmissionRequest> = {},
  ...others: KubeObject[]
) {
  const { name, namespace } = old.metadata;
  const request = asNode(old.kind as Kind, { verb: 'update', name, namespace, ...more });
  return refusalOf(() => nodeRestriction.validate?.(request, next, old, readerOf([node, ...others])));
}

test('only nodes are restricted, and not by the components of this process', () => {
  const foreign = stored('Node', 'other', { spec: {} });
  for (const who of [
    { user: 'ann', groups: ['system:nodes'] },
    { user: 'system:node:n', groups: [] },
    { ...identity, inProcess: true as const },
  ]) {
    expect(created(foreign, { identity: who })).toBeUndefined();
    expect(changed(foreign, foreign, { identity: who })).toBeUndefined();
  }
  expect(created(foreign)).toMatch('is not allowed to modify node "other"');
  expect(changed(foreign, foreign)).toMatch('is not allowed to modify node "other"');
});

test('a create is looked at once, before others fill it in', () => {
  expect(changed(stored('Node', 'other'), stored('Node', 'other'), { verb: 'create' })).toBeUndefined();
});

describe('a node’s own Node', () => {
  const nodeOf = (body: object, metadata: object = {}): Node => stored('Node', 'n', body, metadata);

  test('is created only with the labels that describe the machine', () => {
    expect(created(nodeOf({ spec: {} }, { labels: { 'kubernetes.io/os': 'linux', app: 'x' } }))).toBeUndefined();
    expect(created(nodeOf({ spec: {} }, { labels: { 'node-role.kubernetes.io/a': '' } }))).toMatch(
      'is not allowed to set the following labels: node-role.kubernetes.io/a',
    );
    expect(created(nodeOf({}))).toBeUndefined();
    const labelled = nodeOf({}, { labels: { 'node-role.kubernetes.io/a': '' } });
    for (const [next, old] of [
      [labelled, nodeOf({})],
      [nodeOf({}), labelled],
    ] as const) {
      expect(changed(next, old)).toMatch('is not allowed to modify labels: node-role.kubernetes.io/a');
    }
    expect(changed(nodeOf({}, { labels: { app: 'x' } }), nodeOf({}))).toBeUndefined();
  });

  test('uses no configuration from the API', () => {
    const source = { configMap: { name: 'a', namespace: 'b', kubeletConfigKey: 'c' } };
    const configured = nodeOf({ spec: { configSource: source } });
    expect(created(configured)).toMatch('with a non-nil configSource');
    expect(changed(configured, nodeOf({ spec: {} }))).toMatch('to a new non-nil configSource');
    expect(changed(configured, nodeOf({}))).toMatch('to a new non-nil configSource');
    expect(changed(configured, nodeOf({ spec: { configSource: structuredClone(source) } }))).toBeUndefined();
    expect(changed(nodeOf({ spec: {} }), configured)).toBeUndefined();
  });

  test('keeps its taints, owners, finalizers and ranges', () => {
    const owner = { apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u' };
    const tainted = nodeOf({ spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } });
    const owned = nodeOf({}, { ownerReferences: [owner] });
    const held = nodeOf({}, { finalizers: ['a/b'] });
    const ranged = nodeOf({ spec: { podCIDR: '10.0.0.0/24' } });
    const ranges = nodeOf({ spec: { podCIDRs: ['10.0.0.0/24'] } });
    const cases: [KubeObject, string][] = [
      [tainted, 'taints'],
      [owned, 'ownerReferences'],
      [held, 'finalizers'],
      [ranged, 'podCIDR'],
      [ranges, 'podCIDR'],
    ];
    for (const [one, what] of cases) {
      expect(changed(one, nodeOf({}))).toMatch(`is not allowed to modify ${what}`);
      expect(changed(nodeOf({}), one)).toMatch(`is not allowed to modify ${what}`);
      expect(changed(structuredClone(one), one)).toBeUndefined();
      if (one !== tainted) expect(created(one)).toMatch(`is not allowed to modify ${what}`);
    }
    expect(created(tainted)).toBeUndefined();
    expect(changed(nodeOf({}, { finalizers: [] }), nodeOf({}))).toBeUndefined();
  });

  test('may be deleted by it; those of others not', () => {
    expect(changed(undefined, nodeOf({}), { verb: 'delete' })).toBeUndefined();
    expect(changed(undefined, stored('Node', 'm'), { verb: 'delete' })).toMatch('is not allowed to modify node "m"');
  });

  test('is bounded in its lists and in its size', () => {
    const bounds = { images: 500, conditions: 100, volumesInUse: 1_000, volumesAttached: 1_000, runtimeHandlers: 100 };
    for (const [field, most] of Object.entries(bounds)) {
      const reporting = (count: number) =>
        nodeOf({ spec: {}, status: { [field]: Array.from({ length: count }, () => ({})) } });
      expect([field, created(reporting(most))]).toEqual([field, undefined]);
      expect(created(reporting(most + 1))).toMatch(`is not allowed to report ${most + 1} ${field}, at most ${most}`);
      expect(changed(reporting(most + 1), nodeOf({}))).toMatch(`${most + 1} ${field}`);
    }
    const long = 'x'.repeat(256 * 1024);
    for (const one of [
      nodeOf({ status: { phase: long } }),
      nodeOf({}, { annotations: { long } }),
      nodeOf({}, { labels: { long } }),
    ]) {
      expect(created(one)).toMatch(/is not allowed to report \d+ characters, at most 262144/);
    }
    const fits = 'x'.repeat(256 * 1024 - JSON.stringify([{}, {}, { long: '' }]).length);
    expect(created(nodeOf({}, { annotations: { long: fits } }))).toBeUndefined();
    expect(created(nodeOf({}, { annotations: { long: `${fits}x` } }))).toBeDefined();
  });
});

describe('the copy of a pod that a node runs by itself', () => {
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'n', uid: node.metadata.uid, controller: true };
  const mirror = (spec: object = {}, metadata: object = {}): Pod =>
    podOf(
      { nodeName: 'n', ...spec },
      { annotations: { 'kubernetes.io/config.mirror': 'x' }, ownerReferences: [owner], ...metadata },
    );

  test('is owned by its node alone', () => {
    expect(created(mirror())).toBeUndefined();
    const owners: [object, string][] = [
      [{ apiVersion: 'v2' }, 'an owner reference set to itself'],
      [{ kind: 'Pod' }, 'an owner reference set to itself'],
      [{ name: 'm' }, 'an owner reference set to itself'],
      [{ controller: undefined }, 'a controller owner reference set to itself'],
      [{ blockOwnerDeletion: true }, 'must not set blockOwnerDeletion on an owner reference'],
      [{ uid: 'other' }, 'UID mismatch'],
    ];
    for (const [more, why] of owners)
      expect(created(mirror({}, { ownerReferences: [{ ...owner, ...more }] }))).toMatch(why);
    expect(created(mirror({}, { ownerReferences: undefined }))).toMatch('an owner reference set to itself');
    expect(created(mirror({}, { annotations: undefined }))).toMatch('can only create mirror pods');
    expect(created(mirror({}, { ownerReferences: [owner, { ...owner, name: 'm' }] }))).toMatch(
      'a single owner reference',
    );
    expect(created(mirror({ nodeName: 'm' }))).toMatch('spec.nodeName set to itself');
    expect(created(mirror({}, { ownerReferences: [{ ...owner, blockOwnerDeletion: false }] }))).toBeUndefined();
  });

  test('is not made before its Node is there', () => {
    const request = asNode('Pod');
    const none = readerOf([]);
    expect(refusalOf(() => nodeRestriction.mutate?.(request, mirror(), undefined, none))).toBe('nodes "n" not found');
  });

  test('needs its Node to be read, when the cache does not show it', () => {
    const needs = (request: AdmissionRequest) => nodeRestriction.reads?.(request, mirror());
    expect(needs(asNode('Pod'))).toEqual([{ kind: 'Node', name: 'n' }]);
    expect(needs(asNode('Lease'))).toEqual([]);
    expect(needs(requestOf('Pod'))).toEqual([]);
  });

  test('names no other objects', () => {
    const env = [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }];
    const cases: [object, string][] = [
      [{ serviceAccountName: 'default' }, 'a service account'],
      [{ containers: [{ name: 'c' }, { name: 'd', env }] }, 'secrets'],
      [{ imagePullSecrets: [{ name: 's' }] }, 'secrets'],
      [{ initContainers: [{ name: 'c', envFrom: [{ configMapRef: { name: 'm' } }] }] }, 'configmaps'],
      [
        {
          volumes: [
            { name: 'e', emptyDir: {} },
            { name: 'v', persistentVolumeClaim: { claimName: 'c' } },
          ],
        },
        'persistentvolumeclaims',
      ],
    ];
    for (const [spec, what] of cases)
      expect(created(mirror(spec))).toMatch(`can not create pods that reference ${what}`);
    expect(created(mirror({ volumes: [{ name: 'e', emptyDir: {} }] }))).toBeUndefined();
  });
});

describe('a pod', () => {
  const mine = podOf({ nodeName: 'n' }, { labels: { a: 'b' } }, { phase: 'Pending' });
  const theirs = podOf({ nodeName: 'm' }, { name: 'y' });
  const status = { verb: 'update', subresource: 'status' } as const;
  const reported = (more: object, spec: object = {}, metadata: object = {}) =>
    ({
      ...mine,
      spec: { ...mine.spec, ...spec },
      metadata: { ...mine.metadata, ...metadata },
      status: { phase: 'Running', ...more },
    }) as Pod;

  test('of its own is reported on by a node, without changing its labels', () => {
    expect(changed(reported({}), mine, status)).toBeUndefined();
    expect(changed(reported({}, {}, { labels: { a: 'c' } }), mine, status)).toMatch('cannot update labels');
    expect(changed(reported({}, {}, { labels: undefined }), mine, status)).toMatch('cannot update labels');
    expect(
      changed(reported({}), { ...mine, metadata: { ...mine.metadata, labels: undefined } } as never, status),
    ).toMatch('cannot update labels');
    const bare = podOf({ nodeName: 'n' });
    expect(changed({ ...bare, metadata: { ...bare.metadata, labels: {} } }, bare, status)).toBeUndefined();
    expect(changed(theirs, theirs, status)).toMatch('with spec.nodeName set to itself');
    expect(changed(mine, mine)).toMatch('can only create and delete mirror pods');
    expect(changed(mine, mine, { verb: 'update', subresource: 'resize' })).toMatch(
      'can only create and delete mirror pods',
    );
  });

  test('of its own is ended by a node, and no other', () => {
    for (const how of [{ verb: 'delete' }, { verb: 'create', subresource: 'eviction' }] as const) {
      expect(changed(undefined, mine, how)).toBeUndefined();
      expect(changed(undefined, theirs, how, mine)).toMatch(/with spec.nodeName set to itself$/);
    }
  });

  test('is reported on in a size that is bounded by the number of its containers', () => {
    const room = (containers: number) => 32 * 1024 + containers * 16 * 1024;
    const of = (length: number) => ({
      message: 'x'.repeat(length - JSON.stringify({ phase: 'Running', message: '' }).length),
    });
    const wide = {
      initContainers: [{ name: 'i', image: 'i' }],
      ephemeralContainers: [{ name: 'e', image: 'i' }],
    };
    expect(changed(reported(of(room(1))), mine, status)).toBeUndefined();
    expect(changed(reported(of(room(1) + 1)), mine, status)).toMatch(
      `${room(1) + 1} characters of a pod, at most ${room(1)}`,
    );
    expect(changed(reported(of(room(3)), wide), mine, status)).toBeUndefined();
    expect(changed(reported(of(room(3) + 1), wide), mine, status)).toMatch(`at most ${room(3)}`);
    const { status: _none, ...silent } = mine;
    expect(changed(silent as Pod, mine, status)).toBeUndefined();
  });

  test('is reported to have addresses of its node’s range only, in the host’s network those of the node', () => {
    const here = stored('Node', 'n', {
      spec: { podCIDR: '10.1.0.0/24' },
      status: {
        addresses: [
          { type: 'InternalIP', address: '192.168.0.1' },
          { type: 'Hostname', address: 'n' },
        ],
      },
    });
    const verdict = (next: object, spec: object = {}, old: Pod = mine, at: KubeObject | undefined = here) => {
      const request = asNode('Pod', { ...status, name: 'x' });
      const known = readerOf(at ? [at] : []);
      const refusal = refusalOf(() => nodeRestriction.validate?.(request, reported(next, spec), old, known));
      return /address ([^,]*),/.exec(refusal ?? '')?.[1];
    };
    const ips = (...all: string[]) => ({ podIPs: all.map((ip) => ({ ip })) });
    const hosts = (...all: string[]) => ({ hostIPs: all.map((ip) => ({ ip })) });
    expect(verdict(ips('10.1.0.7'))).toBeUndefined();
    expect(verdict(ips('10.1.0.7', '10.1.1.7'))).toBe('10.1.1.7');
    expect(verdict(ips('fd00::1'))).toBe('fd00::1');
    expect(verdict({ podIPs: [{}, { ip: '' }] })).toBeUndefined();
    expect(verdict({ podIPs: [{}, { ip: '' }, { ip: '8.8.8.8' }] })).toBe('8.8.8.8');
    expect(verdict({ podIPs: [{}], ...hosts('', '192.168.0.2') })).toBe('192.168.0.2');
    expect(verdict(ips('192.168.0.1'), { hostNetwork: true })).toBeUndefined();
    expect(verdict(ips('10.1.0.7'), { hostNetwork: true })).toBe('10.1.0.7');
    expect(verdict({ hostIP: '192.168.0.1' })).toBeUndefined();
    expect(verdict({ hostIP: '192.168.0.2' })).toBe('192.168.0.2');
    expect(verdict(hosts('192.168.0.1', '192.168.0.2'))).toBe('192.168.0.2');
    // What it had before, it may keep.
    const moved = reported({ ...ips('10.9.0.1'), hostIP: '1.2.3.4', ...hosts('5.6.7.8') });
    expect(verdict({ ...ips('10.9.0.1'), hostIP: '1.2.3.4', ...hosts('5.6.7.8') }, {}, moved)).toBeUndefined();
    expect(verdict(ips('10.9.0.1', '10.9.0.2'), {}, moved)).toBe('10.9.0.2');
    const { status: _none, ...fresh } = mine;
    expect(verdict(hosts('5.6.7.8'), {}, fresh as Pod)).toBe('5.6.7.8');
    // Neither is known of a node that has not said it yet.
    expect(verdict({ ...ips('10.9.0.1'), hostIP: '1.2.3.4' }, {}, mine, stored('Node', 'n'))).toBeUndefined();
    expect(verdict({ ...ips('10.9.0.1'), hostIP: '1.2.3.4' }, {}, mine, stored('Node', 'other'))).toBeUndefined();
  });
});

describe('other objects', () => {
  test('of a claim a node writes the sizes and the conditions of its status', () => {
    const claim = (status: object, more: object = {}, metadata: object = {}): PersistentVolumeClaim =>
      stored('PersistentVolumeClaim', 'c', { spec: {}, status: { phase: 'Bound', ...status }, ...more }, metadata);
    const status = { verb: 'update', subresource: 'status' } as const;
    const sizes = {
      capacity: { storage: '2Gi' },
      conditions: [{ type: 'x' }],
      allocatedResources: { storage: '2Gi' },
      allocatedResourceStatuses: {},
    };
    expect(changed(claim(sizes, {}, { resourceVersion: '9', managedFields: [] }), claim({}), status)).toBeUndefined();
    for (const next of [
      claim({ phase: 'Lost' }),
      claim({}, { spec: { volumeName: 'v' } }),
      claim({}, {}, { labels: { a: 'b' } }),
    ]) {
      expect(changed(next, claim({}), status)).toMatch('other than status.capacity and status.conditions');
    }
    const { status: _none, ...bare } = claim({});
    expect(changed(bare as KubeObject, bare as KubeObject, status)).toBeUndefined();
    expect(changed(claim({}), claim({}))).toMatch('may only update PVC status');
    expect(changed(undefined, claim({}), { verb: 'delete' })).toMatch('may only update PVC status');
    expect(created(claim({}))).toMatch('may only update PVC status');
  });

  test('a Lease and a CSINode are its own by name, and the Lease lies where nodes’ Leases do', () => {
    const lease = (name: string, namespace = 'kube-node-lease') => stored('Lease', name, { spec: {} }, { namespace });
    const csi = (name: string) => stored('CSINode', name, { spec: { drivers: [] } });
    const all: [KubeObject, string | undefined][] = [
      [lease('n'), undefined],
      [lease('m'), 'can only access node lease with the same name'],
      [lease('n', 'default'), 'can only access leases in the "kube-node-lease" system namespace'],
      [csi('n'), undefined],
      [csi('m'), 'can only access CSINode with the same name'],
    ];
    for (const [object, why] of all) {
      for (const refusal of [
        created(object),
        changed(object, object),
        changed(undefined, object, { verb: 'delete' }),
      ]) {
        if (why) expect(refusal).toMatch(why);
        else expect(refusal).toBeUndefined();
      }
    }
  });
});

test('its rules cover all that nodes write', () => {
  const asked = (verb: AdmissionRequest['verb'], kind: Kind, subresource?: AdmissionRequest['subresource']) =>
    nodeRestriction.rules.some(
      ({ verbs, kinds, subresources }) =>
        verbs.includes(verb) &&
        (kinds?.includes(kind) ?? true) &&
        (subresource ? subresources?.includes(subresource) : !subresources),
    );
  for (const kind of ['Pod', 'Node', 'PersistentVolumeClaim', 'Lease', 'CSINode'] as const) {
    for (const verb of ['create', 'update', 'delete'] as const)
      expect([kind, verb, asked(verb, kind)]).toEqual([kind, verb, true]);
  }
  for (const kind of ['Pod', 'Node', 'PersistentVolumeClaim'] as const)
    expect(asked('update', kind, 'status')).toBe(true);
  expect(asked('create', 'Pod', 'eviction')).toBe(true);
});
