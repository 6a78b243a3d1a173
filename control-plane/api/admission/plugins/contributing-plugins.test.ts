import { describe, expect, test } from 'vitest';
import type { Kind, ResourceQuota } from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { seededRandom } from '../../../../shared/random.ts';
import { podOf, readerOf, refusalOf, requestOf, statesOf, stored } from '../../../../test/support/admission.ts';
import { writesOf } from '../../../../test/support/contributions.ts';
import { binding, role } from '../../../../test/support/rbac.ts';
import type { AdmissionRequest, Contribution } from '../plugin.ts';
import { namespaceContents } from './namespace-contents.ts';
import { rbacEscalation } from './rbac-escalation.ts';
import { resourceQuota } from './resource-quota.ts';

describe('quotas', () => {
  const quota = (name: string, hard: object, used: object, more: object = {}, spec: object = { hard }): ResourceQuota =>
    stored('ResourceQuota', name, { spec, status: { hard, used } }, { resourceVersion: '5', ...more });
  const pod = podOf({
    containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '1', memory: '1Gi' } } }] as never,
  });
  const contribute = (
    object: KubeObject,
    known: readonly KubeObject[],
    more: Partial<AdmissionRequest> = {},
    old?: KubeObject,
  ) => resourceQuota.contribute?.(requestOf(object.kind as Kind, more), object, old, statesOf(known), readerOf(known));
  const written = (contribution: Contribution | undefined) =>
    contribution?.writes.map((write) => {
      const { metadata, status } = JSON.parse(write.type === 'put' ? write.value : '{}') as ResourceQuota;
      return [metadata.name, status?.used];
    });

  test('are written all together, each guarded at the version that allowed it', () => {
    const known = [
      quota('pods', { pods: '2', services: '1' }, { pods: '1', services: '1' }),
      quota(
        'sizes',
        { 'requests.cpu': '2', 'requests.memory': '2Gi' },
        { 'requests.cpu': '1', 'requests.memory': '1Gi' },
        { resourceVersion: '6' },
      ),
      quota('other', { services: '1' }, { services: '1' }),
    ];
    const contribution = contribute(pod, known);
    expect(written(contribution)).toEqual([
      ['pods', { pods: '2', services: '1' }],
      ['sizes', { 'requests.cpu': '2', 'requests.memory': '2Gi' }],
    ]);
    const at = '/coracle/registry/resourcequotas/a/';
    expect(contribution?.guards).toEqual([
      { key: `${at}pods`, revision: 5 },
      { key: `${at}sizes`, revision: 6 },
    ]);
    expect(contribution?.writes.map(({ key }) => key)).toEqual([`${at}pods`, `${at}sizes`]);
    const [first] = contribution?.writes ?? [];
    expect(JSON.parse(first?.type === 'put' ? first.value : '').status.hard).toEqual({ pods: '2', services: '1' });
  });

  test('refuse the second of two objects that exceed memory while cpu is sufficient', () => {
    const roomy = quota('pods', { pods: '9' }, { pods: '0' });
    const full = quota(
      'memory',
      { 'requests.cpu': '9', 'requests.memory': '1Gi' },
      { 'requests.cpu': '1', 'requests.memory': '1Mi' },
    );
    expect(refusalOf(() => contribute(pod, [roomy, full]))).toMatch(
      /^pods "x" is forbidden: exceeded quota: memory, requested: requests.memory=1Gi/,
    );
    const unknown = quota('new', { pods: '9' }, {});
    expect(refusalOf(() => contribute(pod, [roomy, unknown]))).toMatch('status unknown for quota: new');
  });

  test('of a scope count only the pods in it', () => {
    const bestEffort = quota('q', { pods: '0' }, { pods: '0' }, {}, { hard: { pods: '0' }, scopes: ['BestEffort'] });
    expect(contribute(pod, [bestEffort])).toEqual({ guards: [], writes: [] });
    expect(refusalOf(() => contribute(podOf(), [bestEffort]))).toMatch('exceeded quota: q');
  });

  test('count an ended pod only as an object, and an update by the difference', () => {
    const both = quota('q', { pods: '1', 'count/pods': '9' }, { pods: '1', 'count/pods': '1' });
    const ended = podOf({}, {}, { phase: 'Failed' });
    expect(written(contribute(ended, [both]))).toEqual([['q', { pods: '1', 'count/pods': '2' }]]);
    const more = podOf({ containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '3' } } }] as never });
    const cpu = quota('q', { 'requests.cpu': '3' }, { 'requests.cpu': '1' });
    const resize = { verb: 'update', subresource: 'resize' } as const;
    expect(written(contribute(more, [cpu], resize, pod))).toEqual([['q', { 'requests.cpu': '3' }]]);
    expect(contribute(pod, [cpu], resize, more)).toEqual({ guards: [], writes: [] });
  });

  test('contribute nothing outside of namespaces, for Events, and where there are none', () => {
    const events = quota('q', { 'count/events': '0', 'count/nodes': '0' }, { 'count/events': '0', 'count/nodes': '0' });
    expect(contribute(stored('Event', 'e'), [events])).toBeUndefined();
    expect(contribute(stored('Node', 'n'), [events])).toBeUndefined();
    expect(contribute(pod, [])).toBeUndefined();
    expect(contribute(pod, [quota('q', { pods: '0' }, { pods: '0' }, { namespace: 'b' })])).toBeUndefined();
  });

  test('add the usage that any of them counts to one queue, and nothing else', () => {
    const queueOf = (kind: Kind, ...known: KubeObject[]) => resourceQuota.queue?.(requestOf(kind), readerOf(known));
    const [pods, services] = [quota('p', { pods: '9' }, {}), quota('s', { services: '9' }, {})];
    expect(queueOf('Pod', services, pods)).toBe('a');
    expect([queueOf('Pod', services), queueOf('Pod'), queueOf('Node', pods), queueOf('ConfigMap', pods)]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    const elsewhere = quota('p', { pods: '9' }, {}, { namespace: 'b' });
    expect(queueOf('Pod', elsewhere)).toBeUndefined();
  });

  test('are called for every create, and for updates that may use more', () => {
    expect(resourceQuota.rules).toContainEqual({ verbs: ['create'] });
    const updated = resourceQuota.rules.filter(({ verbs }) => verbs.includes('update'));
    expect(
      updated.flatMap(({ kinds = [], subresources = [] }) => kinds.map((kind) => [kind, ...subresources])),
    ).toEqual(expect.arrayContaining([['Service'], ['PersistentVolumeClaim'], ['Pod', 'resize']]));
  });
});

describe('a namespace', () => {
  const now = Date.parse('2026-05-05T05:05:05Z');
  const contribute = (certificate: string | undefined, ...known: KubeObject[]) => {
    const plugin = namespaceContents({ random: seededRandom(1), rootCertificate: certificate });
    const contribution = plugin.contribute?.(
      requestOf('Namespace', { now }),
      stored('Namespace', 'a'),
      undefined,
      statesOf(known),
      readerOf([]),
    );
    for (const guard of contribution?.guards ?? []) expect(guard.revision).toBe(0);
    expect(contribution?.guards.map(({ key }) => key)).toEqual(contribution?.writes.map(({ key }) => key));
    return (contribution?.writes ?? []).map((write) => [
      write.key,
      JSON.parse(write.type === 'put' ? write.value : '{}'),
    ]);
  };

  test('is made with its default account and the CA’s certificate, as new objects', () => {
    const [account, certificate] = contribute('PEM');
    expect(account).toEqual([
      '/coracle/registry/serviceaccounts/a/default',
      {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: {
          name: 'default',
          namespace: 'a',
          uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
          creationTimestamp: '2026-05-05T05:05:05Z',
        },
      },
    ]);
    expect(certificate).toEqual([
      '/coracle/registry/configmaps/a/kube-root-ca.crt',
      expect.objectContaining({ kind: 'ConfigMap', data: { 'ca.crt': 'PEM' }, apiVersion: 'v1' }),
    ]);
    expect(new Set(contribute('PEM').map(([, { metadata }]) => metadata.uid)).size).toBe(2);
  });

  test('brings them along when it is created, and only then', async () => {
    const contents = namespaceContents({ random: seededRandom(1) });
    const written = (request: AdmissionRequest) => writesOf([contents], request, stored('Namespace', 'a'));
    expect(await written(requestOf('Namespace'))).toHaveLength(1);
    expect(await written(requestOf('Namespace', { verb: 'update' }))).toEqual([]);
    expect(await written(requestOf('Pod'))).toEqual([]);
  });

  test('has no certificate when the cluster has none, and keeps an existing one', () => {
    expect(contribute(undefined).map(([key]) => key)).toEqual(['/coracle/registry/serviceaccounts/a/default']);
    const left = stored('ServiceAccount', 'default');
    expect(contribute('PEM', left).map(([key]) => key)).toEqual(['/coracle/registry/configmaps/a/kube-root-ca.crt']);
  });
});

describe('rights', () => {
  const secrets = { apiGroups: [''], resources: ['secrets'], verbs: ['get'] };
  const toAnn = [{ kind: 'User', name: 'ann' }];
  const write = (object: KubeObject, known: readonly KubeObject[], old?: KubeObject) => {
    const { name, namespace } = object.metadata;
    const request = requestOf(object.kind as Kind, { name, namespace });
    try {
      void rbacEscalation.validate?.(request, object, old, readerOf(known));
    } catch (error) {
      return error as Error & { reason: string };
    }
    return undefined;
  };
  const holds = [role('held', [secrets], 'a'), binding('held', 'Role held', toAnn, 'a')];
  const everywhere = [role('held', [secrets]), binding('held', 'ClusterRole held', toAnn)];

  test('are granted only by users that have them: with roles and with bindings, in a namespace and in all', () => {
    const wanted: [KubeObject, readonly KubeObject[]][] = [
      [role('r', [secrets], 'a'), holds],
      [role('r', [secrets]), everywhere],
      [binding('b', 'Role held', toAnn, 'a'), holds],
      [binding('b', 'ClusterRole held', toAnn), everywhere],
      [binding('b', 'ClusterRole held', toAnn, 'a'), everywhere],
    ];
    for (const [object, known] of wanted) {
      expect([object.kind, write(object, known)]).toEqual([object.kind, undefined]);
      const roles = known.filter(({ kind }) => !kind.endsWith('Binding'));
      expect(write(object, roles)).toMatchObject({
        reason: 'Forbidden',
        message: expect.stringContaining('attempting to grant'),
      });
    }
    expect(write(role('r', [secrets]), holds)).toMatchObject({ reason: 'Forbidden' });
    const elsewhere = holds.map((one) => ({ ...one, metadata: { ...one.metadata, namespace: 'b' } }));
    expect(write(role('r', [secrets], 'a'), elsewhere as KubeObject[])).toMatchObject({ reason: 'Forbidden' });
    const { rules: _none, ...empty } = role('held', [], 'a') as KubeObject & { rules: unknown };
    expect(write(binding('b', 'Role held', toAnn, 'a'), [empty])).toBeUndefined();
  });

  test('of a role that is not there can not be bound', () => {
    expect(write(binding('b', 'Role gone', toAnn, 'a'), holds)).toMatchObject({
      reason: 'NotFound',
      message: 'role.rbac.authorization.k8s.io "gone" not found',
      details: { kind: 'role', group: 'rbac.authorization.k8s.io', name: 'gone' },
    });
    expect(write(binding('b', 'ClusterRole held', toAnn, 'a'), holds)).toMatchObject({ reason: 'NotFound' });
  });

  test('are not checked when only finalizers change', () => {
    const old = role('r', [secrets], 'a');
    const free = { ...old, metadata: { ...old.metadata, finalizers: [] } } as KubeObject;
    expect(write(free, [], old)).toBeUndefined();
    expect(write(free, [])).toMatchObject({ reason: 'Forbidden' });
    const bound = binding('b', 'Role gone', toAnn, 'a');
    expect(
      write({ ...bound, metadata: { ...bound.metadata, finalizers: [] } } as KubeObject, [], bound),
    ).toBeUndefined();
    expect(
      refusalOf(() => rbacEscalation.validate?.(requestOf('Role'), undefined, undefined, readerOf([]))),
    ).toBeUndefined();
  });
});
