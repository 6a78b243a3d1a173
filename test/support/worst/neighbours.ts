import type { ClientSubject } from '../../../shared/pki/certificates.ts';
import type { Answer, Caller } from '../server-process.ts';
import { json, keys, many, map, maps, patches, pod, pods, rbac, typed, type Worst, wide } from './request.ts';

const inNamespace = (plural: string) => `/api/v1/namespaces/default/${plural}`;
const roles = `${rbac}/namespaces/default/roles`;
const bindings = `${rbac}/namespaces/default/rolebindings`;
const ann: ClientSubject = { user: 'ann', groups: [] };
const role = (name: string, rules: unknown): object => ({ metadata: { name }, rules });
const bind = (name: string, to: string, kind = 'Role'): object => ({
  metadata: { name },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: to },
  subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'ann' }],
});
/** Ann may write roles, and holds `rules`. */
const annHolds = (rules: unknown) => async (call: Caller) => {
  await call('POST', roles, {
    body: role('writer', [
      {
        apiGroups: ['rbac.authorization.k8s.io'],
        resources: ['roles', 'rolebindings'],
        verbs: ['create', 'update', 'get'],
      },
    ]),
  });
  await call('POST', bindings, { body: bind('writer', 'writer') });
  await call('DELETE', `${roles}/held`);
  await call('POST', roles, { body: role('held', rules) });
  await call('POST', bindings, { body: bind('held', 'held') });
};
const asAnn = (name: string, held: unknown, rules: unknown): Worst => ({
  name: `role: ${name}`,
  as: ann,
  before: annHolds(held),
  ask: (call) => call('POST', `${roles}?dryRun=All`, { body: role('given', rules) }),
});
/** Waits for what others do with what was stored. */
const then = async (answer: Answer, ms = 1_500): Promise<Answer> => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return answer;
};
const nodes = async (call: Caller): Promise<void> => {
  for (const i of many(20, (at) => at)) {
    await call('POST', '/api/v1/nodes', {
      body: {
        metadata: { name: `n${i}`, labels: { 'kubernetes.io/hostname': `n${i}`, ...keys(100, () => 'x', 'l') } },
      },
    });
    await call(
      'PATCH',
      `/api/v1/nodes/n${i}/status`,
      typed(patches.merge, {
        status: {
          conditions: [{ type: 'Ready', status: 'True' }],
          allocatable: { cpu: '10', memory: '10Gi', pods: '100' },
          capacity: { cpu: '10', memory: '10Gi', pods: '100' },
        },
      }),
    );
  }
};
const pods200 = async (call: Caller): Promise<void> => {
  await nodes(call);
  await Promise.all(
    many(200, (i) =>
      call('POST', pods, { body: pod(`p${i}`, { nodeName: `n${i % 20}` }, { labels: keys(20, () => 'x') }) }),
    ),
  );
};
const schedule = (name: string, spec: object, before = pods200): Worst => ({
  name: `scheduler: ${name}`,
  before,
  ask: async (call) => {
    await call('DELETE', `${pods}/placed?gracePeriodSeconds=0`);
    return then(await call('POST', pods, { body: pod('placed', spec, { labels: keys(20, () => 'x') }) }));
  },
});
const term = (i: number) => ({
  topologyKey: 'kubernetes.io/hostname',
  labelSelector: { matchExpressions: [{ key: `z${i}`, operator: 'Exists' }] },
});
const placed = (name: string, path: string, body: object, ask: Worst['ask'], as?: ClientSubject): Worst => ({
  name: `beside ${name}`,
  ...(as ? { as } : {}),
  before: (call) => call('POST', path, typed(json, body)),
  ask,
});
const makePod =
  (spec: object = {}): Worst['ask'] =>
  (call) =>
    call('POST', `${pods}?dryRun=All`, { body: pod('x', spec) });
const containers = many(5_000, (i) => ({ name: `c${i}`, image: 'i' }));

/** What is stored meets what comes. */
export const neighbourRequests: readonly Worst[] = [
  asAnn('four lists of 90, held', [wide(90)], [wide(90)]),
  asAnn('four lists of 90, almost held', [{ ...wide(90), verbs: many(89, (i) => `v${i}`) }], [wide(90)]),
  asAnn('four lists of 90, not held', [], [wide(90)]),
  asAnn('four lists of 4,900, held', [wide(4_900)], [wide(4_900)]),
  asAnn('four lists of 4,900, not held', [], [wide(4_900)]),
  asAnn(
    '19,000 names, held',
    [{ apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: many(19_000, (i) => `n${i}`) }],
    [{ apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: many(19_000, (i) => `n${i}`) }],
  ),
  asAnn(
    '2,700 rules, held',
    many(2_700, (i) => ({ apiGroups: [''], resources: ['pods'], verbs: [`v${i}`] })),
    many(2_700, (i) => ({ apiGroups: [''], resources: ['pods'], verbs: [`v${i}`] })),
  ),
  asAnn(
    '90 rules that overlap',
    many(90, (i) => ({ ...wide(40), verbs: many(40, (j) => `v${(j * 7 + i) % 90}`) })),
    [wide(90)],
  ),
  {
    name: 'binding of a wide role',
    as: ann,
    ask: (call) => call('POST', `${bindings}?dryRun=All`, { body: bind('given', 'cluster-admin', 'ClusterRole') }),
  },
  {
    name: 'review of all that one holds',
    as: ann,
    ask: (call) =>
      call('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', {
        body: { spec: { namespace: 'default' } },
      }),
  },
  placed(
    'a role of 19,000 names',
    roles,
    role('names0', [
      { apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: many(19_000, (i) => `n${i}`) },
    ]),
    async (call) => call('GET', `${pods}/zz`),
    ann,
  ),

  schedule('2,400 anti-affinity terms', {
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: many(2_400, term) } },
  }),
  schedule('2,000 preferred terms', {
    affinity: {
      podAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: many(2_000, (i) => ({ weight: 1, podAffinityTerm: term(i) })),
      },
    },
  }),
  schedule('a term of 19,000 values', {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          {
            topologyKey: 'kubernetes.io/hostname',
            labelSelector: {
              matchExpressions: [{ key: 'k1', operator: 'NotIn', values: many(18_000, (i) => `v${i}`) }],
            },
          },
        ],
      },
    },
  }),
  schedule('a term of 4,000 requirements', {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          {
            topologyKey: 'kubernetes.io/hostname',
            labelSelector: { matchExpressions: many(4_000, (i) => ({ key: `z${i}`, operator: 'DoesNotExist' })) },
          },
        ],
      },
    },
  }),
  schedule('2,400 spread constraints', {
    topologySpreadConstraints: many(2_400, (i) => ({
      maxSkew: 1,
      topologyKey: `l${i}`,
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { a: 'b' } },
    })),
  }),
  schedule('2,500 node terms', {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: many(2_500, (i) => ({
            matchExpressions: [{ key: 'z', operator: 'In', values: [`${i}`] }],
          })),
        },
      },
    },
  }),
  schedule('4,000 tolerations', { tolerations: many(4_000, (i) => ({ key: `t${i}`, operator: 'Exists' })) }),
  schedule('5,000 containers', { containers }),

  placed(
    'a limit range of 3,000 limits',
    inNamespace('limitranges'),
    {
      metadata: { name: 'l' },
      spec: { limits: many(2_800, (i) => ({ type: 'Container', max: { cpu: `${i + 1}` }, min: { cpu: '1m' } })) },
    },
    makePod({
      containers: containers
        .map((one) => ({ ...one, resources: { requests: { cpu: '1' }, limits: { cpu: '1' } } }))
        .slice(0, 1_900),
    }),
  ),
  placed(
    'a limit range for the whole pod',
    inNamespace('limitranges'),
    { metadata: { name: 'l' }, spec: { limits: many(2_800, () => ({ type: 'Pod', max: { cpu: '1' } })) } },
    async (call) => {
      await call('PUT', `${inNamespace('limitranges')}/l`, {
        body: { metadata: { name: 'l' }, spec: { limits: many(2_800, () => ({ type: 'Pod', max: { cpu: '1' } })) } },
      });
      return makePod({ containers })(call);
    },
  ),
  placed(
    'a limit range of 6,000 defaults',
    inNamespace('limitranges'),
    { metadata: { name: 'm' }, spec: { limits: [] } },
    async (call) => {
      await call('PUT', `${inNamespace('limitranges')}/l`, {
        body: {
          metadata: { name: 'l' },
          spec: {
            limits: [
              {
                type: 'Container',
                default: keys(9_000, () => '1', 'a.b/r'),
                defaultRequest: keys(9_000, () => '1', 'a.b/r'),
              },
            ],
          },
        },
      });
      const answer = await makePod({ containers })(call);
      await call('DELETE', `${inNamespace('limitranges')}/l`);
      return answer;
    },
  ),
  placed(
    '20 quotas of 900 names',
    inNamespace('resourcequotas'),
    { metadata: { name: 'q' }, spec: { hard: { pods: '1000' } } },
    async (call) => {
      await Promise.all(
        many(20, (i) =>
          call('POST', inNamespace('resourcequotas'), {
            body: {
              metadata: { name: `q${i}` },
              spec: { hard: { pods: '1000', ...keys(900, () => '1', 'requests.a.b/r') } },
            },
          }),
        ),
      );
      const answer = await then(await makePod({ containers })(call), 500);
      await call('DELETE', inNamespace('resourcequotas'));
      return answer;
    },
  ),
  placed(
    'a runtime class of 3,000 tolerations',
    '/apis/node.k8s.io/v1/runtimeclasses',
    {
      metadata: { name: 'r' },
      handler: 'r',
      scheduling: { tolerations: many(4_000, (i) => ({ key: `t${i}`, operator: 'Exists' })) },
    },
    makePod({ runtimeClassName: 'r', tolerations: many(4_000, (i) => ({ key: `u${i}`, operator: 'Exists' })) }),
  ),
  placed(
    'a service account of 9,000 secrets',
    inNamespace('serviceaccounts'),
    {
      metadata: { name: 's', annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } },
      secrets: many(9_000, (i) => ({ name: `s${i}` })),
      imagePullSecrets: many(5_000, (i) => ({ name: `s${i}` })),
    },
    makePod({
      serviceAccountName: 's',
      volumes: many(3_000, (i) => ({ name: `v${i}`, secret: { secretName: `t${i}` } })),
    }),
  ),
  placed(
    'aggregation of 2,500 selectors',
    `${rbac}/clusterroles`,
    {
      metadata: { name: 'agg' },
      aggregationRule: {
        clusterRoleSelectors: many(3_000, (i) => ({ matchExpressions: [{ key: `a${i}`, operator: 'DoesNotExist' }] })),
      },
      rules: [],
    },
    async (call) => then(await call('POST', `${rbac}/clusterroles`, { body: role('one-more', [wide(900)]) })),
  ),
  placed(
    '3,900 owners',
    maps,
    map(
      'owned',
      {},
      { ownerReferences: many(3_900, (i) => ({ apiVersion: 'v1', kind: 'ConfigMap', name: `o${i}`, uid: `${i}` })) },
    ),
    async (call) => then(await call('GET', `${maps}/owned`)),
  ),
  placed('owners that own each other', maps, map('cycle', {}, { finalizers: ['a/b'] }), async (call) => {
    const made = await Promise.all(many(60, (i) => call('POST', maps, { body: map(`cycle${i}`) })));
    const uids = made.map(({ text }) => (JSON.parse(text) as { metadata?: { uid?: string } }).metadata?.uid ?? '');
    const ownerReferences = uids.map((uid, i) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: `cycle${i}`,
      uid,
      blockOwnerDeletion: true,
    }));
    await Promise.all(
      many(60, (i) => call('PATCH', `${maps}/cycle${i}`, typed(patches.merge, { metadata: { ownerReferences } }))),
    );
    return then(await call('DELETE', `${maps}/cycle0?propagationPolicy=Foreground`));
  }),
  {
    name: 'a deployment of a wide selector among pods',
    before: pods200,
    ask: async (call) =>
      then(
        await call('POST', '/apis/apps/v1/namespaces/default/deployments', {
          body: {
            metadata: { name: 'wide' },
            spec: {
              replicas: 0,
              selector: {
                matchLabels: { k1: 'x' },
                matchExpressions: many(4_000, (i) => ({ key: `z${i}`, operator: 'DoesNotExist' })),
              },
              template: { metadata: { labels: { k1: 'x' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
            },
          },
        }),
      ),
  },
  {
    name: 'list by a wide selector',
    ask: (call) => call('GET', `${pods}?labelSelector=${encodeURIComponent(many(1_500, (i) => `!z${i}`).join())}`),
  },
  {
    name: 'list as a table of objects',
    ask: (call) =>
      call('GET', `/api/v1/configmaps?includeObject=Object`, {
        headers: { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' },
      }),
  },
  {
    name: 'warnings: 3,900 owners that repeat',
    ask: (call) =>
      call('POST', `${maps}?dryRun=All`, {
        body: map(
          'x',
          {},
          { ownerReferences: many(3_900, (i) => ({ apiVersion: 'v1', kind: 'Pod', name: 'o', uid: `${i % 2_000}` })) },
        ),
      }),
  },
  {
    name: 'warnings: 19,000 unknown fields',
    ask: (call) => call('POST', `${maps}?dryRun=All`, { body: { ...map('x'), ...keys(19_000, () => 1, 'unknown') } }),
  },
  {
    name: 'impersonation of many groups',
    ask: (call) =>
      call('GET', pods, {
        headers: {
          'impersonate-user': 'x',
          'impersonate-group': many(200, (i) => `g${i}`).join(),
          ...keys(50, () => 'x'.repeat(300), 'impersonate-extra-a'),
        },
      }),
  },
];
