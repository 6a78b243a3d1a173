import { keys, many, pod, pods, post, type Worst } from './request.ts';

const createPod = (name: string, spec: object, metadata: object = {}): Worst =>
  post(`pod: ${name}`, `${pods}?dryRun=All`, pod('x', spec, metadata));
const one = (container: object): object => ({ containers: [{ name: 'c', image: 'i', ...container }] });
const term = { labelSelector: { matchLabels: { a: 'b' } }, topologyKey: 'x' };

/** Pods whose lists are as long as they may be. */
export const podRequests: readonly Worst[] = [
  createPod('19,000 args', one({ args: many(19_000, () => 'a') })),
  createPod('6,000 containers', { containers: many(5_000, (i) => ({ name: `c${i}`, image: 'i' })) }),
  createPod('5,000 containers of one name', { containers: many(5_000, () => ({ name: 'c', image: 'i' })) }),
  createPod('5,000 init containers', { initContainers: many(5_000, (i) => ({ name: `i${i}`, image: 'i' })) }),
  createPod('1,000 sidecars with resources', {
    initContainers: many(1_500, (i) => ({
      name: `i${i}`,
      image: 'i',
      restartPolicy: 'Always',
      resources: { requests: { [`a.b/${i}`]: '1' } },
    })),
  }),
  createPod('2,000 init containers with amounts', {
    initContainers: many(1_500, (i) => ({
      name: `i${i}`,
      image: 'i',
      restartPolicy: 'Always',
      resources: { requests: { cpu: `${i}.0001`, memory: `${i}.1Mi` }, limits: { cpu: '1e9', memory: '1E' } },
    })),
  }),
  createPod('6,000 variables', one({ env: many(6_000, (i) => ({ name: `E${i}`, value: 'x' })) })),
  createPod('6,000 variables of one name', one({ env: many(6_000, () => ({ name: 'E', value: '$(E)' })) })),
  createPod(
    '6,000 variables that name each other',
    one({ env: many(6_000, (i) => ({ name: `E${i}`, value: `$(E${i + 1})` })) }),
  ),
  createPod('a variable of many references', one({ env: [{ name: 'A', value: '$(A'.repeat(900_000) }] })),
  createPod('6,000 ports', one({ ports: many(6_000, (i) => ({ containerPort: i + 1, name: `p${i}` })) })),
  createPod('6,000 ports, the same', one({ ports: many(6_000, () => ({ containerPort: 1, hostPort: 1 })) })),
  createPod('volumes and mounts', {
    ...one({ volumeMounts: many(3_000, (i) => ({ name: `v${i}`, mountPath: `/${i}` })) }),
    volumes: many(3_000, (i) => ({ name: `v${i}`, emptyDir: {} })),
  }),
  createPod('mounts of one volume', one({ volumeMounts: many(6_000, (i) => ({ name: 'v', mountPath: `/${i}` })) })),
  createPod('devices', {
    ...one({ volumeDevices: many(3_000, (i) => ({ name: `v${i}`, devicePath: `/${i}` })) }),
    volumes: many(2_500, (i) => ({ name: `v${i}`, persistentVolumeClaim: { claimName: 'x' } })),
  }),
  createPod('items of a volume', {
    volumes: [{ name: 'v', configMap: { name: 'x', items: many(6_000, (i) => ({ key: `k${i}`, path: `${i}` })) } }],
  }),
  createPod('projected sources', {
    volumes: [{ name: 'v', projected: { sources: many(4_000, (i) => ({ configMap: { name: `x${i}` } })) } }],
  }),
  createPod('a volume path of 3 MB', { volumes: [{ name: 'v', hostPath: { path: `/${'a/'.repeat(1_400_000)}` } }] }),
  createPod(
    'sub paths of 3 MB',
    one({ volumeMounts: [{ name: 'v', mountPath: '/x', subPath: 'a/'.repeat(1_400_000) }] }),
  ),
  createPod('tolerations', {
    tolerations: many(4_500, (i) => ({ key: `k${i}`, operator: 'Exists', effect: 'NoSchedule' })),
  }),
  createPod('tolerations, the same', {
    tolerations: many(4_500, () => ({ key: 'k', operator: 'Exists', effect: 'NoSchedule' })),
  }),
  createPod('topology constraints', {
    topologySpreadConstraints: many(2_800, (i) => ({
      maxSkew: 1,
      topologyKey: `k${i}`,
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { a: 'b' } },
    })),
  }),
  createPod('topology constraints, the same', {
    topologySpreadConstraints: many(2_800, () => ({
      maxSkew: 1,
      topologyKey: 'k',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { a: 'b' } },
    })),
  }),
  createPod('affinity terms', {
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: many(3_900, () => term) } },
  }),
  createPod('node terms', {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: many(3_000, (i) => ({
            matchExpressions: [{ key: 'a', operator: 'In', values: [`${i}`] }],
          })),
        },
      },
    },
  }),
  createPod('a selector of many values', {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          {
            topologyKey: 'x',
            labelSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: many(19_000, (i) => `${i}`) }] },
          },
        ],
      },
    },
  }),
  createPod('host aliases', {
    hostAliases: many(4_000, (i) => ({ ip: `10.0.${i >> 8}.${i & 255}`, hostnames: ['a', 'b'] })),
  }),
  createPod('a host alias of many names', {
    hostAliases: [{ ip: '10.0.0.1', hostnames: many(19_000, (i) => `h${i}`) }],
  }),
  createPod('image pull secrets', { imagePullSecrets: many(9_000, (i) => ({ name: `s${i}` })) }),
  createPod('scheduling gates', { schedulingGates: many(9_000, (i) => ({ name: `a/g${i}` })) }),
  createPod('readiness gates', { readinessGates: many(9_000, (i) => ({ conditionType: `a/g${i}` })) }),
  createPod('resource claims', {
    resourceClaims: many(6_000, (i) => ({ name: `c${i}`, resourceClaimName: 'x' })),
    ...one({ resources: { claims: many(6_000, (i) => ({ name: `c${i}` })) } }),
  }),
  createPod('sysctls', { securityContext: { sysctls: many(6_000, (i) => ({ name: `net.x${i}`, value: '1' })) } }),
  createPod('a sysctl of 3 MB', { securityContext: { sysctls: [{ name: 'a.'.repeat(1_400_000), value: '1' }] } }),
  createPod('a sysctl of dashes', {
    securityContext: { sysctls: [{ name: `a${'-'.repeat(120)}`.repeat(2), value: '1' }] },
  }),
  createPod('supplemental groups', { securityContext: { supplementalGroups: many(19_000, (i) => i) } }),
  createPod('DNS searches', {
    dnsConfig: { searches: many(19_000, (i) => `a${i}.b`), nameservers: many(3, (i) => `10.0.0.${i}`) },
  }),
  createPod(
    'resources of many names',
    one({ resources: { requests: keys(9_500, () => '1', 'a.b/r'), limits: keys(9_500, () => '1', 'a.b/r') } }),
  ),
  createPod(
    'quantities of many digits',
    one({ resources: { requests: keys(9_500, () => `${'9'.repeat(100)}.${'9'.repeat(20)}`, 'a.b/r') } }),
  ),
  createPod(
    'quantities of large exponents',
    one({ resources: { requests: keys(9_500, (i) => `${'9'.repeat(60)}e-${i}`, 'a.b/r') } }),
  ),
  createPod('an image of colons', one({ image: ':a'.repeat(1_400_000) })),
  createPod(
    'a field path of 3 MB',
    one({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: `metadata.labels['${"']".repeat(1_400_000)}` } } }] }),
  ),
  createPod('19,000 node selectors', { nodeSelector: keys(19_000, () => 'x') }),
  createPod(
    'capabilities',
    one({ securityContext: { capabilities: { add: many(9_000, (i) => `C${i}`), drop: many(9_000, (i) => `C${i}`) } } }),
  ),
  createPod(
    'managed fields of 19,000 entries',
    {},
    {
      managedFields: many(2_800, (i) => ({
        manager: `m${i}`,
        operation: 'Apply',
        apiVersion: 'v1',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:metadata': { [`f:l${i}`]: {} } },
      })),
    },
  ),
];
