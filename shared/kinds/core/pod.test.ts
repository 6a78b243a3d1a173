import { describe, expect, it } from 'vitest';
import type { Pod, StatusCause } from '../../generated/types.ts';
import { kindNamed } from '../index.ts';

const kind = kindNamed('Pod');
const metadata = { name: 'web', namespace: 'default' };

/** A pod as the API stores it. */
function admitted(spec: object, meta: object = metadata): Pod {
  const { object } = kind.schema.decode({ metadata: meta, spec }, { validation: 'Strict' });
  kind.schema.applyDefaults(object);
  kind.strategy.default?.(object);
  kind.strategy.prepareCreate?.(object);
  return object as Pod;
}

function faults(spec: object, meta: object = metadata): string[] {
  const pod = admitted(spec, meta);
  const causes = kind.schema.validate(pod);
  kind.strategy.validate?.(pod, causes);
  return causes.map(({ field, message }) => `${field}: ${message}`);
}

const app = { name: 'app', image: 'example/app:1' };

describe('a new pod', () => {
  it('has the defaults of its volumes filled in', () => {
    const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
    const volumes = [
      { name: 'host', hostPath: { path: '/var' } },
      { name: 'iscsi', iscsi: { targetPortal: 'a', iqn: 'iqn.2001-04.com.example:s', lun: 0 } },
      { name: 'own', ephemeral: { volumeClaimTemplate: { spec: claim } } },
    ];
    expect(admitted({ containers: [app], volumes }).spec.volumes).toMatchObject([
      { hostPath: { path: '/var', type: '' } },
      { iscsi: { iscsiInterface: 'default' } },
      { ephemeral: { volumeClaimTemplate: { spec: { volumeMode: 'Filesystem' } } } },
    ]);
    expect(faults({ containers: [app], volumes })).toEqual([]);
  });

  it('gets Kubernetes’ defaults, and tolerates a lost node for 5 s', () => {
    expect(
      admitted({
        containers: [
          {
            ...app,
            ports: [{ containerPort: 80 }],
            livenessProbe: { httpGet: { port: 80 }, timeoutSeconds: 0 },
            resources: { limits: { cpu: '1', memory: '64Mi' }, requests: { cpu: '500m' } },
          },
        ],
        volumes: [{ name: 'scratch' }, { name: 'config', configMap: { name: 'c' } }],
      }),
    ).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec: {
        containers: [
          {
            ...app,
            imagePullPolicy: 'IfNotPresent',
            ports: [{ containerPort: 80, protocol: 'TCP' }],
            livenessProbe: {
              httpGet: { port: 80, path: '/', scheme: 'HTTP' },
              timeoutSeconds: 1,
              periodSeconds: 10,
              successThreshold: 1,
              failureThreshold: 3,
            },
            resources: { limits: { cpu: '1', memory: '64Mi' }, requests: { cpu: '500m', memory: '64Mi' } },
            terminationMessagePath: '/dev/termination-log',
            terminationMessagePolicy: 'File',
          },
        ],
        volumes: [
          { name: 'scratch', emptyDir: {} },
          { name: 'config', configMap: { name: 'c', defaultMode: 420 } },
        ],
        restartPolicy: 'Always',
        dnsPolicy: 'ClusterFirst',
        schedulerName: 'default-scheduler',
        terminationGracePeriodSeconds: 30,
        enableServiceLinks: true,
        securityContext: {},
        tolerations: [
          { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
          { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
        ],
      },
      status: { phase: 'Pending', qosClass: 'Burstable' },
    });
  });

  it.each([
    ['app', 'Always'],
    ['app:latest', 'Always'],
    ['registry:5000/app', 'Always'],
    ['registry:5000/app:1.2', 'IfNotPresent'],
    [`app@sha256:${'0'.repeat(64)}`, 'IfNotPresent'],
  ])('pulls %s: %s', (image, expected) => {
    expect(admitted({ containers: [{ name: 'a', image }] }).spec.containers[0]?.imagePullPolicy).toBe(expected);
  });

  it('takes the node’s ports for its own on the node’s network', () => {
    const { spec } = admitted({ hostNetwork: true, containers: [{ ...app, ports: [{ containerPort: 80 }] }] });
    expect(spec.containers[0]?.ports).toEqual([{ containerPort: 80, hostPort: 80, protocol: 'TCP' }]);
  });

  it('keeps its own patience with lost nodes', () => {
    const own = {
      key: 'node.kubernetes.io/unreachable',
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 60,
    };
    const { tolerations = [] } = admitted({ containers: [app], tolerations: [own] }).spec;
    expect(tolerations.map(({ key, tolerationSeconds }) => [key, tolerationSeconds])).toEqual([
      ['node.kubernetes.io/unreachable', 60],
      ['node.kubernetes.io/not-ready', 5],
    ]);
    expect(admitted({ containers: [app], tolerations: [{ operator: 'Exists' }] }).spec.tolerations).toHaveLength(1);
  });

  it('may not bring a status of its own', () => {
    const { object } = kind.schema.decode({ metadata, spec: { containers: [app] }, status: { phase: 'Running' } });
    kind.strategy.prepareCreate?.(object);
    expect((object as Pod).status).toEqual({ phase: 'Pending', qosClass: 'BestEffort' });
  });
});

describe('a pod is refused', () => {
  const mount = { name: 'data', mountPath: '/data' };
  const volume = { name: 'data', emptyDir: {} };
  const term = (expression: object) => ({
    containers: [app],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [expression] }] },
      },
    },
  });
  const termPath =
    'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0]';

  it.each<[string, object, ...string[]]>([
    ['without containers', { containers: [] }, 'spec.containers: Required value'],
    ['without an image', { containers: [{ name: 'a' }] }, 'spec.containers[0].image: Required value'],
    ['with two containers of one name', { containers: [app, app] }, 'spec.containers[1].name: Duplicate value: "app"'],
    [
      'with an init container of a container’s name',
      { containers: [app], initContainers: [app] },
      'spec.initContainers[0].name: Duplicate value: "app"',
    ],
    [
      'when it mounts an unknown volume',
      { containers: [{ ...app, volumeMounts: [mount] }] },
      'spec.containers[0].volumeMounts[0].name: Not found: "data"',
    ],
    [
      'when it mounts two things in one place',
      { containers: [{ ...app, volumeMounts: [mount, mount] }], volumes: [volume] },
      'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/data": must be unique',
    ],
    [
      'with a mount outside of its volume',
      { containers: [{ ...app, volumeMounts: [{ ...mount, subPath: '../x' }] }], volumes: [volume] },
      `spec.containers[0].volumeMounts[0].subPath: Invalid value: "../x": must not contain '..'`,
    ],
    [
      'with two volumes in one',
      { containers: [app], volumes: [{ ...volume, hostPath: { path: '/x' } }] },
      'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
    ],
    [
      'with a volume without its source',
      {
        containers: [app],
        volumes: [
          { name: 'a', configMap: {} },
          { name: 'b', secret: { defaultMode: 4096 } },
        ],
      },
      'spec.volumes[0].configMap.name: Required value',
      'spec.volumes[1].secret.secretName: Required value',
      'spec.volumes[1].secret.defaultMode: Invalid value: 4096: must be a number between 0 and 0777 (octal), both inclusive',
    ],
    [
      'with one host port twice',
      {
        containers: [
          {
            ...app,
            ports: [
              { containerPort: 80, hostPort: 8080 },
              { containerPort: 81, hostPort: 8080 },
            ],
          },
        ],
      },
      'spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//8080"',
    ],
    [
      'with ports that are none',
      { containers: [{ ...app, ports: [{ containerPort: 0 }, { name: 'Http', containerPort: 70000 }] }] },
      'spec.containers[0].ports[0].containerPort: Invalid value: 0: must be between 1 and 65535, inclusive',
      'spec.containers[0].ports[1].name: Invalid value: "Http": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
      'spec.containers[0].ports[1].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
    ],
    [
      'when it requests more than its limit',
      {
        containers: [
          { ...app, resources: { requests: { cpu: '2', memory: '1Gi' }, limits: { cpu: '1', memory: '1024Mi' } } },
        ],
      },
      'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ],
    [
      'when it requests a negative amount, or an unknown resource',
      { containers: [{ ...app, resources: { requests: { cpu: '-1', gpu: '1' } } }] },
      'spec.containers[0].resources.requests.cpu: Invalid value: "-1": must be greater than or equal to 0',
      'spec.containers[0].resources.requests.gpu: Invalid value: "gpu": must be a standard resource type or fully qualified',
    ],
    [
      'with a part of an indivisible resource',
      { containers: [{ ...app, resources: { limits: { 'example.com/gpu': '500m' } } }] },
      'spec.containers[0].resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer',
      'spec.containers[0].resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer',
    ],
    [
      'with variables that have no value or two',
      {
        containers: [
          {
            ...app,
            env: [
              { name: 'A', valueFrom: {} },
              { name: 'B', value: 'b', valueFrom: { fieldRef: { fieldPath: 'spec.foo' } } },
              { name: '', value: 'c' },
              { name: 'D=', value: 'd' },
            ],
          },
        ],
      },
      'spec.containers[0].env[2].name: Required value',
      `spec.containers[0].env[3].name: Invalid value: "D=": a valid environment variable name must consist only of printable ASCII characters other than '='`,
      'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
      'spec.containers[0].env[1].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
      'spec.containers[0].env[1].valueFrom.fieldRef.fieldPath: Unsupported value: "spec.foo": supported values: ' +
        '"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", ' +
        '"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
    ],
    [
      'with a probe with no handler, or two',
      {
        containers: [
          {
            ...app,
            livenessProbe: { successThreshold: 2 },
            readinessProbe: { exec: { command: ['x'] }, tcpSocket: { port: 'no_name' } },
          },
        ],
      },
      'spec.containers[0].livenessProbe: Required value: must specify a handler type',
      'spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1',
      'spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type',
      'spec.containers[0].readinessProbe.tcpSocket.port: Invalid value: "no_name": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
    ],
    [
      'with probes on init containers',
      {
        containers: [app],
        initContainers: [{ name: 'i', image: 'i:1', readinessProbe: { exec: { command: ['x'] } } }],
      },
      'spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ],
    [
      'with a restart policy that is none',
      { containers: [app], restartPolicy: 'always' },
      'spec.restartPolicy: Unsupported value: "always": supported values: "Always", "Never", "OnFailure"',
    ],
    [
      'with tolerations that contradict themselves',
      {
        containers: [app],
        tolerations: [
          { operator: 'Equal', value: 'x' },
          { key: 'a', operator: 'Exists', value: 'x', effect: 'NoSchedule', tolerationSeconds: 1 },
        ],
      },
      'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
      `spec.tolerations[1].effect: Invalid value: "NoSchedule": effect must be 'NoExecute' when \`tolerationSeconds\` is set`,
      `spec.tolerations[1].operator: Invalid value: {"key":"a","operator":"Exists","value":"x","effect":"NoSchedule","tolerationSeconds":1}: value must be empty when \`operator\` is 'Exists'`,
    ],
    [
      'with an empty affinity',
      term({ key: 'zone', operator: 'In' }),
      `${termPath}.values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`,
    ],
    [
      'with an affinity by an unknown operator',
      term({ key: 'zone', operator: 'Like', values: ['a'] }),
      `${termPath}.operator: Invalid value: "Like": not a valid selector operator`,
    ],
    [
      'with its own resolver but no server',
      { containers: [app], dnsPolicy: 'None' },
      'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
    ],
    [
      'with a name or a host that is none',
      { containers: [app], hostname: 'A', nodeName: 'b_c' },
      expect.stringContaining('spec.nodeName: Invalid value: "b_c": a lowercase RFC 1123 subdomain must'),
      expect.stringContaining('spec.hostname: Invalid value: "A": a lowercase RFC 1123 label must'),
    ] as unknown as [string, object, string],
  ])('%s', (_case, spec, ...expected) => {
    expect(faults(spec)).toEqual(expected);
  });

  it('for its metadata', () => {
    const meta = {
      name: 'Web_1',
      labels: { 'a b': 'x', ok: '-' },
      annotations: { big: 'x'.repeat(256 * 1024) },
      finalizers: ['mine'],
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Pod', name: 'a', uid: '1', controller: true },
        { apiVersion: 'v1', kind: 'Pod', name: 'b', uid: '2', controller: true },
      ],
    };
    const found = faults({ containers: [app] }, meta);
    expect(found.map((text) => text.slice(0, text.indexOf(':')))).toEqual([
      'metadata.name',
      'metadata.namespace',
      'metadata.labels',
      'metadata.labels',
      'metadata.annotations',
      'metadata.ownerReferences',
      'metadata.finalizers',
    ]);
    expect(found[4]).toBe('metadata.annotations: Too long: may not be more than 262144 bytes');
  });
});

describe('a pod that exists', () => {
  const spec = {
    containers: [app],
    initContainers: [{ name: 'init', image: 'i:1' }],
    activeDeadlineSeconds: 60,
    tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 9 }],
  };

  function updateFaults(change: (pod: Pod) => void): string[] {
    const old = admitted(spec);
    const next = structuredClone(old);
    change(next);
    const causes: StatusCause[] = kind.schema.validateImmutable(next, old);
    kind.strategy.validate?.(next, causes);
    kind.strategy.validateUpdate?.(next, old, causes);
    return causes.map(({ field, message }) => `${field}: ${message}`);
  }

  it('takes new images, a shorter deadline, more tolerations, other labels', () => {
    expect(
      updateFaults((pod) => {
        pod.metadata.labels = { new: 'label' };
        for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) container.image = 'new:2';
        pod.spec.activeDeadlineSeconds = 30;
        pod.spec.tolerations = [
          ...(pod.spec.tolerations ?? []).map((toleration) => ({ ...toleration, tolerationSeconds: 1 })),
          { key: 'b', operator: 'Exists' },
        ];
      }),
    ).toEqual([]);
  });

  it.each<[string, (pod: Pod) => void, string]>([
    [
      'another field',
      (pod) => {
        pod.spec.hostNetwork = true;
        pod.spec.containers[0] = { ...app, command: ['x'] };
      },
      'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
        '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),' +
        '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n' +
        'changed: spec.containers, spec.hostNetwork',
    ],
    [
      'another container',
      (pod) => pod.spec.containers.push({ ...app, name: 'more' }),
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ],
    [
      'a longer deadline',
      (pod) => {
        pod.spec.activeDeadlineSeconds = 61;
      },
      'spec.activeDeadlineSeconds: Invalid value: 61: must be less than or equal to previous value',
    ],
    [
      'fewer tolerations',
      (pod) => {
        pod.spec.tolerations = [];
      },
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ],
  ])('does not take %s', (_what, change, expected) => {
    expect(updateFaults(change)).toEqual([expected]);
  });

  it('is given time to stop only where it runs', () => {
    const pod = admitted(spec);
    expect(kind.strategy.deletion?.gracePeriod?.(pod)).toBeUndefined();
    pod.spec.nodeName = 'n1';
    expect(kind.strategy.deletion?.gracePeriod?.(pod)).toBe(30);
    pod.status = { phase: 'Succeeded' };
    expect(kind.strategy.deletion?.gracePeriod?.(pod)).toBeUndefined();
  });
});
