import { json, keys, many, map, maps, pod, pods, typed, type Worst, yaml } from './request.ts';

const post = (name: string, path: string, body: unknown, type = json): Worst => ({
  name,
  ask: (call) => call('POST', path, typed(type, body as object)),
});
const createPod = (name: string, spec: object, metadata: object = {}): Worst =>
  post(`pod: ${name}`, `${pods}?dryRun=All`, pod('x', spec, metadata));
const one = (container: object): object => ({ containers: [{ name: 'c', image: 'i', ...container }] });
const core = (plural: string) => `/api/v1/namespaces/default/${plural}?dryRun=All`;
const rbac = '/apis/rbac.authorization.k8s.io/v1';
const term = { labelSelector: { matchLabels: { a: 'b' } }, topologyKey: 'x' };
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const wide = (count: number) => ({
  apiGroups: many(count, (i) => `g${i}`),
  resources: many(count, (i) => `r${i}`),
  verbs: many(count, (i) => `v${i}`),
  resourceNames: many(count, (i) => `n${i}`),
});
const role = (rules: unknown, name = 'x'): object => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'Role',
  metadata: { name },
  rules,
});

/** Objects of the most values and bytes that may come, in which lists meet each other or a pattern meets a text. */
export const objectRequests: readonly Worst[] = [
  post('19,000 members of data', maps, map('many', { data: keys(19_000, () => 'x') })),
  post('19,000 members of data, again', maps, map('many', { data: keys(19_000, () => 'x') })),
  post('19,000 keys that are wrong', maps, map('x', { data: keys(19_000, () => 'x', 'k ') })),
  post('data of 3 MB', `${maps}?dryRun=All`, map('x', { data: { a: '\u0001'.repeat(480_000) } })),
  post('150,000 members of data', maps, map('x', { data: keys(150_000, () => 'x') })),
  post('19,000 labels', maps, map('x', {}, { labels: keys(19_000, () => 'x') })),
  post(
    '9,000 labels of 250 letters',
    maps,
    map(
      'x',
      {},
      { labels: Object.fromEntries(many(9_000, (i) => [`${'a.'.repeat(120)}${i}/x`, `${'a'.repeat(62)}-`])) },
    ),
  ),
  post('19,000 annotations', maps, map('x', {}, { annotations: keys(19_000, () => 'x') })),
  post('19,000 finalizers', maps, map('x', {}, { finalizers: many(19_000, (i) => `a/${i}`) })),
  post(
    '6,000 owners',
    maps,
    map('x', {}, { ownerReferences: many(3_000, (i) => ({ apiVersion: 'v1', kind: 'Pod', name: 'o', uid: `${i}` })) }),
  ),
  post(
    '3,000 owners, the same',
    maps,
    map('x', {}, { ownerReferences: many(3_000, () => ({ apiVersion: 'v1', kind: 'Pod', name: 'o', uid: 'u' })) }),
  ),
  post('a generateName of dashes', maps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { generateName: `${'-'.repeat(2_900_000)}x` },
  }),
  post('a name of 3 MB', maps, map('a.'.repeat(1_450_000))),
  post(
    'unknown members, twice each',
    maps,
    `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},${many(39_000, (i) => `"k${i % 19_000}":1`).join()}}`,
  ),
  post(
    'data members twice',
    maps,
    `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{${many(79_000, (i) => `"k${i % 19_000}":"1"`).join()}}}`,
  ),
  post(
    'strings of backslashes',
    maps,
    `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"${'\\\\'.repeat(1_400_000)}"}}`,
  ),
  post(
    'strings of quotes',
    maps,
    `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"${'\\"'.repeat(1_400_000)}"}}`,
  ),
  post('JSON deep', maps, `${'['.repeat(1_400_000)}${']'.repeat(1_400_000)}`),
  post('JSON of numbers with long digits', maps, `{"a":[${many(1_000, () => '1'.repeat(2_800)).join()}]}`),
  post('JSON of numbers with exponents', maps, `{"a":[${many(70_000, () => '1e999999999999').join()}]}`),
  post('binary data of 3 MB', `${maps}?dryRun=All`, map('x', { binaryData: { a: 'QUFB'.repeat(700_000) } })),
  post('binary data with line breaks', `${maps}?dryRun=All`, map('x', { binaryData: { a: 'QUFB\n'.repeat(450_000) } })),
  post('YAML: 150,000 short items', maps, `a: [${'a,'.repeat(150_000)}]`, yaml),
  post(
    'YAML: 24,000 members',
    maps,
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata:\n${many(19_000, (i) => `  k${i}: x`).join('\n')}\n`,
    yaml,
  ),
  post('YAML: JSON of 19,000 members', maps, JSON.stringify(map('y', { data: keys(19_000, () => 'x') })), yaml),
  post(
    'YAML: twice',
    maps,
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata:\n${many(19_000, (i) => `  k${i % 2}: x`).join('\n')}\n`,
    yaml,
  ),
  post('YAML: one text of 3 MB in lines', maps, `a: |\n${'  abc\n'.repeat(450_000)}`, yaml),
  post('YAML: one plain text of 3 MB in lines', maps, `a:\n${'  abc\n'.repeat(450_000)}`, yaml),
  post('YAML: one quoted text of 3 MB in lines', maps, `a: "${'abc\n  '.repeat(450_000)}"`, yaml),
  post('YAML: one quoted text of escapes', maps, `a: "${'\\x41'.repeat(700_000)}"`, yaml),
  post('YAML: one single-quoted text of quotes', maps, `a: '${"''".repeat(1_400_000)}'`, yaml),
  post('YAML: spaces', maps, `a: ${' '.repeat(2_900_000)}b`, yaml),
  post('YAML: blank lines', maps, `a: b${'\n'.repeat(2_900_000)}`, yaml),
  post('YAML: a comment of 3 MB', maps, `a: b #${' x'.repeat(1_400_000)}`, yaml),
  post('YAML: deep', maps, many(6_000, (i) => `${' '.repeat(Math.min(i, 400))}a:`).join('\n'), yaml),
  post('YAML: deep flow', maps, '[ '.repeat(48_000), yaml),
  post('YAML: deep sequences in a line', maps, '- '.repeat(48_000), yaml),
  post('YAML: question marks', maps, '? '.repeat(48_000), yaml),
  post('YAML: anchors and aliases', maps, `a: &a [x]\nb: [${'*a,'.repeat(15_000)}]`, yaml),
  post(
    'YAML: an alias bomb',
    maps,
    `a0: &a0 [${'x,'.repeat(900)}]\n${many(90, (i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(100)}]`).join('\n')}`,
    yaml,
  ),
  post('YAML: an alias within the bound', maps, `a0: &a0 [${'x,'.repeat(15_000)}]\nb: [${'*a0,'.repeat(95)}]`, yaml),
  post(
    'YAML: merge keys',
    maps,
    `a: &a {${many(3_000, (i) => `k${i}: 1`).join()}}\nb: {${many(90, () => '<<: *a').join()}}`,
    yaml,
  ),
  post('YAML: a directive of 3 MB', maps, `%YAML ${'1.2 '.repeat(700_000)}\n---\na: b`, yaml),
  post('YAML: many documents', maps, '---\n'.repeat(48_000), yaml),
  post('YAML: a tag of 3 MB', maps, `!${'a'.repeat(2_900_000)} b`, yaml),
  post('YAML: a number of 3 MB', maps, `a: ${'1'.repeat(2_900_000)}`, yaml),
  post('YAML: a key of 3 MB', maps, `${'a'.repeat(2_900_000)}: b`, yaml),
  post('YAML: errors without end', maps, '}'.repeat(48_000), yaml),
  post('YAML: tabs', maps, '\t'.repeat(1_000_000), yaml),

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

  post('service ports', core('services'), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'x' },
    spec: { ports: many(6_000, (i) => ({ name: `p${i}`, port: (i % 65_000) + 1 })) },
  }),
  post('service node ports', core('services'), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'x' },
    spec: {
      type: 'NodePort',
      ports: many(5_000, (i) => ({ name: `p${i}`, port: i + 1, protocol: i % 2 ? 'TCP' : 'UDP' })),
    },
  }),
  post('service source ranges', core('services'), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'x' },
    spec: {
      type: 'LoadBalancer',
      ports: [{ port: 1 }],
      loadBalancerSourceRanges: many(19_000, (i) => `10.${i >> 8}.${i & 255}.0/24`),
    },
  }),
  post('external addresses', core('services'), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'x' },
    spec: { ports: [{ port: 1 }], externalIPs: many(19_000, (i) => `10.0.${i >> 8}.${i & 255}`) },
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
