import { describe, expect, it } from 'vitest';
import { admitted, faults, updateFaults } from '../../test/support/kind-rules.ts';
import { apiVersionOf, builtinKinds, kindNamed, kinds } from './index.ts';

describe('the kind table', () => {
  it('finds a kind by each of its names', () => {
    for (const word of [
      'deploy',
      'deployment',
      'Deployments',
      'DEPLOYMENT',
      'deployments.apps',
      'deployments.v1.apps',
    ]) {
      expect(builtinKinds.find(word)?.kind).toBe('Deployment');
    }
    expect(builtinKinds.find('po')?.kind).toBe('Pod');
    expect(builtinKinds.find('nothing')).toBeUndefined();
  });

  it('finds a kind by its place in the API', () => {
    expect(builtinKinds.ofResource('', 'v1', 'pods')?.kind).toBe('Pod');
    expect(builtinKinds.ofResource('apps', 'v1', 'replicasets')?.kind).toBe('ReplicaSet');
    expect(builtinKinds.ofResource('apps', 'v1', 'pods')).toBeUndefined();
    expect(builtinKinds.ofObject('apps/v1', 'Deployment')?.plural).toBe('deployments');
    expect(builtinKinds.ofObject('v1', 'Deployment')).toBeUndefined();
    expect(apiVersionOf(kindNamed('Lease'))).toBe('coordination.k8s.io/v1');
  });

  it('shows a name for every kind', () => {
    for (const kind of kinds) expect(kind.columns.some(({ name }) => name === 'Name')).toBe(true);
  });
});

const template = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'example/web:1' }] },
};
const selector = { matchLabels: { app: 'web' } };

describe('Deployment', () => {
  it('rolls by a quarter by default', () => {
    expect(admitted('Deployment', { spec: { selector, template } }).spec).toMatchObject({
      replicas: 1,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
      template: { spec: { containers: [{ imagePullPolicy: 'IfNotPresent' }], restartPolicy: 'Always' } },
    });
    expect(admitted('Deployment', { spec: { selector, template, strategy: { type: 'Recreate' } } }).spec).toMatchObject(
      { strategy: { type: 'Recreate' } },
    );
  });

  const rolling = (rollingUpdate: object, more: object = {}) => ({
    spec: { selector, template, strategy: { rollingUpdate, ...more } },
  });

  it.each<[string, object, string[]]>([
    ['a good one', { spec: { selector, template } }, []],
    ['nothing', { spec: {} }, ['spec.selector: Required value', 'spec.template: Required value']],
    [
      'a selector that does not find its pods',
      { spec: { selector: { matchLabels: { app: 'x' } }, template } },
      ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
    ],
    [
      'an empty selector',
      { spec: { selector: {}, template } },
      ['spec.selector: Invalid value: {}: empty selector is invalid for Deployment'],
    ],
    [
      'pods that end',
      { spec: { selector, template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } } },
      ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
    [
      'a bad template',
      { spec: { selector, template: { ...template, spec: { containers: [{ name: 'web' }] } } } },
      ['spec.template.spec.containers[0].image: Required value'],
    ],
    [
      'a fault in the template that the selector shares',
      { spec: { replicas: -1, selector: { matchLabels: { 'a b': 'x' } }, template } },
      [
        'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
        expect.stringMatching(
          /^spec\.selector\.matchLabels: Invalid value: "a b": name part must consist/,
        ) as unknown as string,
      ],
    ],
    [
      'an update that can’t begin',
      rolling({ maxUnavailable: 0, maxSurge: '0%' }),
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
    ],
    [
      'more than all pods',
      rolling({ maxUnavailable: '101%' }),
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
    ],
    [
      'a share that is none',
      rolling({ maxSurge: 'half' }),
      [
        "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"half\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      ],
    ],
    [
      'both ways at once',
      rolling({ maxSurge: 1 }, { type: 'Recreate' }),
      ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ],
    [
      'no time to progress',
      { spec: { selector, template, minReadySeconds: 10, progressDeadlineSeconds: 10 } },
      ['spec.progressDeadlineSeconds: Invalid value: 10: must be greater than minReadySeconds'],
    ],
  ])('checks %s', (_case, body, expected) => {
    expect(faults('Deployment', body)).toEqual(expected);
  });

  it('keeps its selector', () => {
    const other = { matchLabels: { app: 'web', tier: 'x' } };
    expect(
      updateFaults('Deployment', { spec: { selector, template } }, { spec: { selector: other, template } }),
    ).toEqual(['spec.selector: Invalid value: {"matchLabels":{"app":"web","tier":"x"}}: field is immutable']);
  });
});

describe('ReplicaSet, ReplicationController and PodTemplate', () => {
  it('checks a ReplicaSet like a Deployment', () => {
    expect(faults('ReplicaSet', { spec: { selector, template } })).toEqual([]);
    expect(faults('ReplicaSet', { spec: { selector: { matchLabels: { a: 'b' } }, template } })).toHaveLength(1);
  });

  it('lets a ReplicationController take its selector and labels from the template', () => {
    const object = admitted('ReplicationController', { spec: { template } });
    expect(object.metadata.labels).toEqual({ app: 'web' });
    expect(object.spec).toMatchObject({ replicas: 1, selector: { app: 'web' } });
    expect(faults('ReplicationController', { spec: { template } })).toEqual([]);
    expect(faults('ReplicationController', { spec: { selector: { a: 'b' }, template } })).toHaveLength(1);
  });

  it('lets a PodTemplate be of pods that end', () => {
    const once = { ...template, spec: { ...template.spec, restartPolicy: 'Never' } };
    expect(faults('PodTemplate', { template: once })).toEqual([]);
    expect(faults('PodTemplate', { template: { spec: { containers: [] } } })).toEqual([
      'template.spec.containers: Required value',
    ]);
  });
});

describe('ConfigMap and Secret', () => {
  it('refuses keys that can be no file, or that stand twice', () => {
    expect(faults('ConfigMap', { data: { 'a/b': '', '..x': '', a: '' }, binaryData: { a: '' } })).toEqual([
      "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
      'data[..x]: Invalid value: "..x": must not start with \'..\'',
      'binaryData[a]: Invalid value: "a": duplicate of key present in data',
    ]);
  });

  it('holds 1 MiB and not a byte more', () => {
    const half = 'x'.repeat(512 * 1024);
    expect(faults('ConfigMap', { data: { a: half }, binaryData: { b: Buffer.from(half).toString('base64') } })).toEqual(
      [],
    );
    expect(faults('ConfigMap', { data: { a: half, b: `${half}x` } })).toEqual([
      '[]: Too long: may not be more than 1048576 bytes',
    ]);
    expect(faults('Secret', { stringData: { a: half, b: `${half}x` } })).toEqual([
      'data: Too long: may not be more than 1048576 bytes',
    ]);
  });

  it('stays as it is once it is immutable', () => {
    const frozen = { immutable: true, data: { a: 'b' } };
    const fault = 'Forbidden: field is immutable when `immutable` is set';
    expect(updateFaults('ConfigMap', frozen, frozen)).toEqual([]);
    expect(updateFaults('ConfigMap', frozen, { data: { a: 'c' } })).toEqual([`immutable: ${fault}`, `data: ${fault}`]);
    expect(updateFaults('ConfigMap', { data: { a: 'b' } }, { ...frozen, data: { a: 'c' } })).toEqual([]);
    expect(updateFaults('Secret', { immutable: true }, { immutable: true, stringData: { a: 'b' } })).toEqual([
      `data: ${fault}`,
    ]);
  });

  it('stores what is written as text, over what is written as base64', () => {
    const object = admitted('Secret', { data: { a: 'AA==', b: 'AA==' }, stringData: { a: 'text' } });
    expect(object).toMatchObject({ type: 'Opaque', data: { a: 'dGV4dA==', b: 'AA==' } });
    expect(object).not.toHaveProperty('stringData');
  });

  it('requires of a secret of a known type its entries', () => {
    expect(faults('Secret', { type: 'kubernetes.io/tls', data: { 'tls.crt': '' } })).toEqual([
      'data[tls.key]: Required value',
    ]);
    expect(
      faults('Secret', { type: 'kubernetes.io/dockerconfigjson', stringData: { '.dockerconfigjson': '{' } }),
    ).toHaveLength(1);
    expect(faults('Secret', { type: 'example.com/any' })).toEqual([]);
    expect(updateFaults('Secret', {}, { type: 'example.com/other' })).toEqual([
      'type: Invalid value: "example.com/other": field is immutable',
    ]);
  });
});

describe('Node', () => {
  it('writes its range of addresses both ways', () => {
    expect(admitted('Node', { spec: { podCIDR: '10.64.1.0/24' } }).spec).toEqual({
      podCIDR: '10.64.1.0/24',
      podCIDRs: ['10.64.1.0/24'],
    });
    expect(admitted('Node', {}).spec).toEqual({});
  });

  it('keeps its range once it has one', () => {
    const has = { spec: { podCIDR: '10.64.1.0/24' } };
    expect(updateFaults('Node', {}, has)).toEqual([]);
    expect(updateFaults('Node', has, { spec: { podCIDR: '10.64.2.0/24' } })).toEqual([
      'spec.podCIDR: Forbidden: node updates may not change podCIDR except from "" to valid',
    ]);
  });

  it('checks its taints', () => {
    const taints = [
      { key: 'a', effect: 'NoSchedule' },
      { key: 'a', effect: 'NoExecute' },
    ];
    expect(faults('Node', { spec: { taints } })).toEqual([]);
    expect(faults('Node', { spec: { taints: [...taints, { key: 'a', value: 'x', effect: 'NoSchedule' }] } })).toEqual([
      'spec.taints[2]: Duplicate value: {"key":"a","effect":"NoSchedule"}',
    ]);
    expect(faults('Node', { spec: { taints: [{ key: 'a', effect: 'Never' }], podCIDR: 'x' } })).toEqual([
      'spec.podCIDR: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      'spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      'spec.taints[0].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "PreferNoSchedule"',
    ]);
  });

  it('may bring its status', () => {
    const status = { allocatable: { cpu: '2', memory: '-1' } };
    expect(admitted('Node', { status }).status).toEqual(status);
    expect(faults('Node', { status })).toEqual([
      'status.allocatable.memory: Invalid value: "-1": must be greater than or equal to 0',
    ]);
  });
});

describe('the other kinds', () => {
  it('requires an event to be in the namespace of its object', () => {
    expect(faults('Event', { involvedObject: { kind: 'Pod', namespace: 'default' } })).toEqual([]);
    expect(faults('Event', { involvedObject: { kind: 'Node' } })).toEqual([]);
    expect(faults('Event', { involvedObject: { kind: 'Pod', namespace: 'other' } })).toEqual([
      'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
    ]);
  });

  it('requires of an event with an event time its reporter, action and object', () => {
    const involvedObject = { kind: 'Node' };
    const eventTime = '2026-01-01T00:00:00.000000Z';
    const said = { reportingComponent: 'a', reportingInstance: 'a-1', action: 'Binding', reason: 'Bound' };
    expect(faults('Event', { involvedObject, eventTime, ...said })).toEqual([]);
    expect(
      faults('Event', { involvedObject, eventTime, ...said, reportingComponent: 'a b', action: 'x'.repeat(129) }),
    ).toEqual([
      expect.stringMatching(/^reportingController: Invalid value: "a b": name part must consist of /),
      'action: Invalid value: "": can have at most 128 characters',
    ]);
    expect(faults('Event', { involvedObject, eventTime })).toEqual(
      expect.arrayContaining([
        'reportingController: Required value',
        'reportingInstance: Required value',
        'action: Required value',
        'reason: Required value',
      ]),
    );
  });

  it('names a namespace like a label, and knows none in a namespace', () => {
    expect(faults('Namespace', { metadata: { name: 'a.b' } })[0]).toMatch(
      /^metadata.name: Invalid value: "a.b": must not contain dots$/,
    );
    expect(faults('Namespace', { metadata: { name: 'a', namespace: 'b' } })).toEqual([
      'metadata.namespace: Forbidden: not allowed on this type',
    ]);
  });

  it('demands a name', () => {
    expect(faults('ServiceAccount', { metadata: { namespace: 'default' } })).toEqual([
      'metadata.name: Required value: name or generateName is required',
    ]);
    expect(faults('ServiceAccount', { metadata: { name: 'a', generateName: 'web-', namespace: 'default' } })).toEqual(
      [],
    );
  });

  it('lets a lease last for some time', () => {
    expect(faults('Lease', {})).toEqual([]);
    expect(faults('Lease', { spec: { leaseDurationSeconds: 0 } })).toEqual([
      'spec.leaseDurationSeconds: Invalid value: 0: must be greater than or equal to 1',
    ]);
  });
});
