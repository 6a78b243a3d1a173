import { keys, many, post, rbac, type Worst, wide } from './request.ts';

const core = (plural: string) => `/api/v1/namespaces/default/${plural}?dryRun=All`;
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const service = (name: string, spec: object): Worst =>
  post(name, core('services'), { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' }, spec });
const role = (rules: unknown): object => ({ metadata: { name: 'x' }, rules });

/** Objects of other kinds, in which lists meet each other or a pattern meets a text. */
export const objectRequests: readonly Worst[] = [
  service('service ports', { ports: many(6_000, (i) => ({ name: `p${i}`, port: (i % 65_000) + 1 })) }),
  service('service node ports', {
    type: 'NodePort',
    ports: many(5_000, (i) => ({ name: `p${i}`, port: i + 1, protocol: i % 2 ? 'TCP' : 'UDP' })),
  }),
  service('service source ranges', {
    type: 'LoadBalancer',
    ports: [{ port: 1 }],
    loadBalancerSourceRanges: many(19_000, (i) => `10.${i >> 8}.${i & 255}.0/24`),
  }),
  service('external addresses', {
    ports: [{ port: 1 }],
    externalIPs: many(19_000, (i) => `10.0.${i >> 8}.${i & 255}`),
  }),
  post('endpoints', core('endpoints'), {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'x' },
    subsets: [
      {
        addresses: many(4_000, (i) => ({ ip: `10.0.${i >> 8}.${i & 255}` })),
        ports: many(4_000, (i) => ({ name: `p${i}`, port: (i % 65_000) + 1 })),
      },
    ],
  }),
  post('endpoints of many subsets', core('endpoints'), {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'x' },
    subsets: many(2_500, (i) => ({ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: (i % 65_000) + 1 }] })),
  }),
  post('secret: a certificate of BEGINs', core('secrets'), {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'x' },
    type: 'kubernetes.io/tls',
    data: {
      'tls.crt': base64('-----BEGIN A-----\n'.repeat(60_000)),
      'tls.key': base64('-----BEGIN A-----\n'.repeat(50_000)),
    },
  }),
  post('secret: docker configuration', core('secrets'), {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'x' },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': base64('['.repeat(1_000_000)) },
  }),
  post('secret: strings', core('secrets'), {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'x' },
    stringData: keys(19_000, () => 'x'),
  }),
  post('quota of many names', core('resourcequotas'), {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'x' },
    spec: { hard: keys(19_000, () => '1', 'count/x') },
  }),
  post('quota scopes', core('resourcequotas'), {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'x' },
    spec: {
      hard: { pods: '1' },
      scopeSelector: {
        matchExpressions: many(3_500, () => ({ scopeName: 'PriorityClass', operator: 'In', values: ['a'] })),
      },
    },
  }),
  post('quota scopes and names', core('resourcequotas'), {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'x' },
    spec: { hard: keys(9_000, () => '1', 'requests.storage'), scopes: many(9_000, () => 'BestEffort') },
  }),
  post('limit ranges', core('limitranges'), {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: 'x' },
    spec: { limits: many(3_000, () => ({ type: 'Container', max: { cpu: '1' }, min: { cpu: '1' } })) },
  }),
  post('network policy', '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies?dryRun=All', {
    metadata: { name: 'x' },
    spec: {
      podSelector: {},
      ingress: [
        {
          from: many(3, (i) => ({
            ipBlock: { cidr: `10.${i}.0.0/16`, except: many(6_000, (j) => `10.${i}.${j & 255}.0/24`) },
          })),
        },
      ],
    },
  }),
  post('ingress', '/apis/networking.k8s.io/v1/namespaces/default/ingresses?dryRun=All', {
    metadata: { name: 'x' },
    spec: {
      rules: many(1_500, (i) => ({
        host: `h${i}.x`,
        http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'a', port: { number: 1 } } } }] },
      })),
    },
  }),
  post('cron: commas', '/apis/batch/v1/namespaces/default/cronjobs?dryRun=All', {
    metadata: { name: 'x' },
    spec: {
      schedule: `${'1,'.repeat(1_400_000)} * * * *`,
      jobTemplate: {
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
      },
    },
  }),
  post('cron: spaces', '/apis/batch/v1/namespaces/default/cronjobs?dryRun=All', {
    metadata: { name: 'x' },
    spec: {
      schedule: ' '.repeat(2_900_000),
      jobTemplate: {
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
      },
    },
  }),
  post('cron: every', '/apis/batch/v1/namespaces/default/cronjobs?dryRun=All', {
    metadata: { name: 'x' },
    spec: {
      schedule: `@every ${'1m'.repeat(1_400_000)}x`,
      jobTemplate: {
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
      },
    },
  }),
  post('job: succeeded indexes', '/apis/batch/v1/namespaces/default/jobs?dryRun=All', {
    metadata: { name: 'x' },
    spec: {
      completions: 100,
      completionMode: 'Indexed',
      successPolicy: { rules: many(20, () => ({ succeededIndexes: '1,'.repeat(70_000) })) },
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } },
    },
  }),
  post('request for a certificate: BEGINs', '/apis/certificates.k8s.io/v1/certificatesigningrequests?dryRun=All', {
    metadata: { name: 'x' },
    spec: {
      signerName: 'a.b/c',
      usages: ['client auth'],
      request: base64('-----BEGIN CERTIFICATE REQUEST-----\n'.repeat(60_000)),
    },
  }),
  post('role: four lists of 90', `${rbac}/namespaces/default/roles?dryRun=All`, role([wide(90)])),
  post('role: four lists of 4,000', `${rbac}/namespaces/default/roles?dryRun=All`, role([wide(4_900)])),
  post(
    'role: 3,000 rules',
    `${rbac}/namespaces/default/roles?dryRun=All`,
    role(many(2_800, (i) => ({ apiGroups: [''], resources: ['pods'], verbs: [`v${i}`] }))),
  ),
  post(
    'role: 19,000 names',
    `${rbac}/namespaces/default/roles?dryRun=All`,
    role([{ apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: many(19_000, (i) => `n${i}`) }]),
  ),
  post('role: paths of stars', `${rbac}/clusterroles?dryRun=All`, {
    metadata: { name: 'x' },
    rules: [{ verbs: ['get'], nonResourceURLs: [`/${'*'.repeat(2_800_000)}a*`] }],
  }),
  post('binding: 4,000 subjects', `${rbac}/namespaces/default/rolebindings?dryRun=All`, {
    metadata: { name: 'x' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: many(4_500, (i) => ({ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: `u${i}` })),
  }),
  post('review of many groups', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: {
      user: 'x',
      groups: many(19_000, (i) => `g${i}`),
      resourceAttributes: { verb: 'get', resource: 'pods', namespace: 'default' },
    },
  }),
  post('review of many selectors', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: {
      user: 'x',
      resourceAttributes: {
        verb: 'list',
        resource: 'pods',
        namespace: 'default',
        fieldSelector: {
          requirements: many(4_500, (i) => ({ key: 'spec.nodeName', operator: 'In', values: [`${i}`] })),
        },
      },
    },
  }),
  post('review of a path of stars', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: { user: 'x', nonResourceAttributes: { verb: 'get', path: `/${'*'.repeat(2_800_000)}` } },
  }),
  post('review of a token of 3 MB', '/apis/authentication.k8s.io/v1/tokenreviews', {
    spec: { token: 'a.'.repeat(1_400_000) },
  }),
  post('deployment of a wide selector', '/apis/apps/v1/namespaces/default/deployments?dryRun=All', {
    metadata: { name: 'x' },
    spec: {
      selector: { matchLabels: keys(6_000, () => 'x') },
      template: { metadata: { labels: keys(6_000, () => 'x') }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  }),
  post('deployment of many expressions', '/apis/apps/v1/namespaces/default/deployments?dryRun=All', {
    metadata: { name: 'x' },
    spec: {
      selector: { matchExpressions: many(3_900, () => ({ key: 'a', operator: 'In', values: ['b'] })) },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  }),
  post('endpoint slice', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?dryRun=All', {
    metadata: { name: 'x' },
    addressType: 'IPv4',
    endpoints: many(1_000, (i) => ({
      addresses: many(9, (j) => `10.${j}.${i >> 8}.${i & 255}`),
      conditions: { ready: true },
    })),
    ports: [],
  }),
  post('event series', core('events'), {
    metadata: { name: 'x', namespace: 'default' },
    involvedObject: { kind: 'Pod', namespace: 'default', name: 'x' },
    message: 'x'.repeat(2_900_000),
    reason: 'x'.repeat(100),
  }),
  post('autoscaler metrics', '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers?dryRun=All', {
    metadata: { name: 'x' },
    spec: {
      maxReplicas: 3,
      scaleTargetRef: { kind: 'Deployment', name: 'x', apiVersion: 'apps/v1' },
      metrics: many(2_500, (i) => ({
        type: 'Resource',
        resource: { name: `r${i}`, target: { type: 'Utilization', averageUtilization: 1 } },
      })),
    },
  }),
  post('autoscaler v1 annotation', '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers?dryRun=All', {
    metadata: { name: 'x', annotations: { 'autoscaling.alpha.kubernetes.io/metrics': `[${'{},'.repeat(80_000)}{}]` } },
    spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'x', apiVersion: 'apps/v1' } },
  }),
  post('storage topology', '/apis/storage.k8s.io/v1/storageclasses?dryRun=All', {
    metadata: { name: 'x' },
    provisioner: 'a',
    allowedTopologies: many(2_800, (i) => ({ matchLabelExpressions: [{ key: `k${i}`, values: ['a'] }] })),
  }),
  post('storage topology, the same', '/apis/storage.k8s.io/v1/storageclasses?dryRun=All', {
    metadata: { name: 'x' },
    provisioner: 'a',
    allowedTopologies: many(2_800, () => ({ matchLabelExpressions: [{ key: 'k', values: ['a'] }] })),
  }),
  post('stateful set claims', '/apis/apps/v1/namespaces/default/statefulsets?dryRun=All', {
    metadata: { name: 'x' },
    spec: {
      serviceName: 'x',
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      volumeClaimTemplates: many(1_500, (i) => ({
        metadata: { name: `c${i}` },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1' } } },
      })),
    },
  }),
];
