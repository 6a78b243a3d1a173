import { describe, expect, test } from 'vitest';
import type { Container, Namespace, Pod, ServiceAccount } from '../../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../../shared/object.ts';
import { seededRandom } from '../../../../../shared/random.ts';
import { podOf, readerOf, refusalOf, requestOf, statesOf, stored } from '../../../../../test/support/admission.ts';
import { serviceAccount, tokenMountPath } from './plugin.ts';

const random = seededRandom(1);
const plugin = serviceAccount({ random, tokens: true });
const home = stored('Namespace', 'a');

function account(name: string, more: object = {}, annotations: Record<string, string> = {}): ServiceAccount {
  return stored('ServiceAccount', name, more, { annotations });
}

function mutated(pod: Pod, objects: readonly KubeObject[], by = plugin): Pod {
  void by.mutate?.(requestOf('Pod'), pod, undefined, readerOf(objects));
  return pod;
}

const tokenVolumes = ({ spec }: Pod) => (spec.volumes ?? []).filter(({ projected }) => projected);
const mountsOf = (containers: readonly Container[] = []) =>
  containers.map(({ volumeMounts = [] }) => volumeMounts.map(({ mountPath }) => mountPath));

describe('a pod', () => {
  test('runs as the account that it names, else as the default one', () => {
    const accounts = [account('default'), account('robot'), account('old'), home];
    const named = (spec: object) => {
      const { serviceAccountName, serviceAccount: alias } = mutated(podOf(spec), accounts).spec;
      return [serviceAccountName, alias];
    };
    expect(named({})).toEqual(['default', 'default']);
    expect(named({ serviceAccountName: 'robot', serviceAccount: 'old' })).toEqual(['robot', 'robot']);
    expect(named({ serviceAccount: 'old' })).toEqual(['old', 'old']);
    expect(named({ serviceAccountName: '' })).toEqual(['default', 'default']);
  });

  test('is refused without its service account, once its namespace is known to exist', () => {
    const refusal = (...objects: KubeObject[]) =>
      refusalOf(() => mutated(podOf({ serviceAccountName: 'robot' }), objects));
    expect(refusal(home)).toBe(
      'pods "x" is forbidden: error looking up service account a/robot: serviceaccount "robot" not found',
    );
    expect(refusal(home, stored('ServiceAccount', 'robot', {}, { namespace: 'b' }))).toBeDefined();
    expect(refusal()).toBeUndefined();
    expect(
      refusal(stored('Namespace', 'a', {}, { deletionTimestamp: '2026-01-01T00:00:00Z' }) as Namespace),
    ).toBeUndefined();
  });

  test('needs its account and its namespace to be read, when the cache does not show them', () => {
    const needs = (pod: object) => plugin.reads?.(requestOf('Pod'), pod as KubeObject);
    expect(needs(podOf({ serviceAccountName: 'robot' }))).toEqual([
      { kind: 'ServiceAccount', name: 'robot', namespace: 'a' },
      { kind: 'Namespace', name: 'a' },
    ]);
    for (const spec of [undefined, null, 'text', 5]) {
      expect(needs({ ...podOf(), spec })).toEqual([]);
      expect(refusalOf(() => mutated({ ...podOf(), spec } as never, []))).toBeUndefined();
    }
  });

  test('is given the secrets to pull images by, unless it names its own', () => {
    const lending = account('default', { imagePullSecrets: [{ name: 'pull' }] });
    expect(mutated(podOf(), [lending]).spec.imagePullSecrets).toEqual([{ name: 'pull' }]);
    expect(mutated(podOf({ imagePullSecrets: [] }), [lending]).spec.imagePullSecrets).toEqual([{ name: 'pull' }]);
    expect(mutated(podOf({ imagePullSecrets: [{ name: 'own' }] }), [lending]).spec.imagePullSecrets).toEqual([
      { name: 'own' },
    ]);
    expect(mutated(podOf(), [account('default')]).spec.imagePullSecrets).toBeUndefined();
    expect(lending.imagePullSecrets).toEqual([{ name: 'pull' }]);
  });
});

describe('the token', () => {
  const accounts = [account('default')];
  const containers = [
    { name: 'c', image: 'i' },
    { name: 'd', image: 'i', volumeMounts: [{ name: 'v', mountPath: '/data' }] },
  ] as Container[];
  const initContainers = [{ name: 'i', image: 'i' }] as Container[];

  test('is mounted in all containers, from one volume with the CA and the namespace', () => {
    const { spec } = mutated(
      podOf({
        containers: structuredClone(containers),
        initContainers: structuredClone(initContainers),
        volumes: [{ name: 'v', emptyDir: {} }],
      }),
      accounts,
    );
    expect(mountsOf(spec.containers)).toEqual([[tokenMountPath], ['/data', tokenMountPath]]);
    expect(mountsOf(spec.initContainers)).toEqual([[tokenMountPath]]);
    const [own, volume, ...others] = spec.volumes ?? [];
    expect([own?.name, others]).toEqual(['v', []]);
    expect(volume).toEqual({
      name: expect.stringMatching(/^kube-api-access-/),
      projected: {
        defaultMode: 420,
        sources: [
          { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
          {
            downwardAPI: {
              items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
            },
          },
        ],
      },
    });
    expect(spec.containers[0]?.volumeMounts).toEqual([
      { name: volume?.name, readOnly: true, mountPath: tokenMountPath },
    ]);
  });

  test('is mounted as the pod specifies, else as its service account specifies, else by default', () => {
    const wanted = (own: boolean | undefined, accounts_: boolean | undefined) => {
      const pod = podOf(own === undefined ? {} : { automountServiceAccountToken: own });
      const of = account('default', accounts_ === undefined ? {} : { automountServiceAccountToken: accounts_ });
      return tokenVolumes(mutated(pod, [of])).length === 1;
    };
    expect([wanted(undefined, undefined), wanted(undefined, true), wanted(undefined, false)]).toEqual([
      true,
      true,
      false,
    ]);
    expect([wanted(true, false), wanted(false, true), wanted(false, undefined)]).toEqual([true, false, false]);
  });

  test('does not replace a container’s own mount at its path', () => {
    const own = [{ name: 'c', image: 'i', volumeMounts: [{ name: 'mine', mountPath: tokenMountPath }] }] as Container[];
    const pod = mutated(podOf({ containers: own }), accounts);
    expect(mountsOf(pod.spec.containers)).toEqual([[tokenMountPath]]);
    expect(pod.spec.volumes).toBeUndefined();
  });

  test('uses a volume for it that is there already', () => {
    const volumes = [
      { name: 'v', emptyDir: {} },
      { name: 'kube-api-access-abc', projected: { sources: [] } },
    ];
    const pod = mutated(podOf({ volumes }), accounts);
    expect(pod.spec.volumes).toEqual(volumes);
    expect(pod.spec.containers[0]?.volumeMounts).toMatchObject([{ name: 'kube-api-access-abc' }]);
  });

  test('is not mounted without containers, and never in other parts of the pod', () => {
    const without = serviceAccount({ random, tokens: false });
    expect(mutated(podOf(), accounts, without).spec).not.toHaveProperty('volumes');
    const odd = podOf({ containers: [null, 'text'] as never, volumes: [{}, { name: 'v' }] as never });
    expect(mutated(odd, accounts).spec.containers).toEqual([null, 'text']);
    const none = { ...podOf(), spec: {} } as Pod;
    expect(refusalOf(() => mutated(none, accounts))).toBeUndefined();
  });
});

describe('the copy of a pod that a node runs by itself', () => {
  const mirror = (spec: object) => podOf(spec, { annotations: { 'kubernetes.io/config.mirror': '' } });

  test('names no account and has no token', () => {
    expect(mutated(mirror({}), [account('default')]).spec).toEqual(podOf().spec);
    for (const spec of [{ serviceAccountName: 'default' }, { serviceAccount: 'default' }]) {
      expect(refusalOf(() => mutated(mirror(spec), [account('default')]))).toMatch(
        'may not reference service accounts',
      );
    }
    const asking = (source: object) =>
      mirror({ volumes: [{ name: 'e' }, { name: 'v', projected: { sources: [{ configMap: {} }, source] } }] });
    expect(refusalOf(() => mutated(asking({ serviceAccountToken: {} }), []))).toMatch(
      'may not use ServiceAccountToken',
    );
    expect(refusalOf(() => mutated(asking({ configMap: {} }), []))).toBeUndefined();
    expect(refusalOf(() => mutated(mirror({ volumes: [{ name: 'v', projected: {} }] }), []))).toBeUndefined();
  });
});

describe('an account that lends only the secrets that it names', () => {
  const strict = (value: string) =>
    account(
      'default',
      { secrets: [{ name: 'lent' }, { name: 'second' }], imagePullSecrets: [{ name: 'pull' }, { name: 'pull2' }] },
      { 'kubernetes.io/enforce-mountable-secrets': value },
    );
  const env = (secret: string) => [
    { name: 'PLAIN', value: 'x' },
    { name: 'FIELD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { name: 'S', valueFrom: { secretKeyRef: { name: secret, key: 'k' } } },
  ];
  const uses = (secret: string): [what: string, spec: object][] => [
    [
      'volume',
      {
        volumes: [
          { name: 'e', emptyDir: {} },
          { name: 'v', secret: { secretName: secret } },
        ],
      },
    ],
    ...(['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list): [string, object][] => [
      [`${list} env`, { [list]: [{ name: 'k' }, { name: 'l', env: env(secret) }] }],
      [
        `${list} envFrom`,
        { [list]: [{ name: 'k', envFrom: [{ configMapRef: { name: 'm' } }, { secretRef: { name: secret } }] }] },
      ],
    ]),
  ];
  const verdict = (spec: object, value = 'true') => refusalOf(() => mutated(podOf(spec), [strict(value)]));

  test.each(uses('other'))('refuses any other: %s', (_what, spec) => {
    expect(verdict(spec)).toMatch(/because service account default does not reference that secret$/);
  });

  test.each([...uses('lent'), ...uses('second')])('allows a reference to a listed secret: %s', (_what, spec) => {
    expect(verdict(spec)).toBeUndefined();
  });

  test('lends of the secrets to pull images by also only those that it names', () => {
    expect(verdict({ imagePullSecrets: [{ name: 'pull2' }, { name: 'pull' }] })).toBeUndefined();
    expect(verdict({ imagePullSecrets: [{ name: 'pull' }, { name: 'lent' }] })).toMatch(
      'imagePullSecrets[1].name="lent"',
    );
    const bare = account('default', {}, { 'kubernetes.io/enforce-mountable-secrets': 'true' });
    expect(refusalOf(() => mutated(podOf({ imagePullSecrets: [{ name: 'pull' }] }), [bare]))).toBeDefined();
    for (const [, spec] of uses('lent')) expect(refusalOf(() => mutated(podOf(spec), [bare]))).toBeDefined();
  });

  test('is meant by an annotation that is true as Go reads it', () => {
    const [first] = uses('other');
    for (const value of ['1', 't', 'T', 'true', 'TRUE', 'True']) expect(verdict(first?.[1] ?? {}, value)).toBeDefined();
    for (const value of ['', '0', 'false', 'yes', 'tRUE']) expect(verdict(first?.[1] ?? {}, value)).toBeUndefined();
    expect(refusalOf(() => mutated(podOf(first?.[1]), [account('default')]))).toBeUndefined();
  });

  test('is checked again for a container that is added to a running pod', () => {
    const added = podOf({
      serviceAccountName: 'robot',
      ephemeralContainers: [{ name: 'e', env: env('other') }],
    } as never);
    const robot = { ...strict('true'), metadata: { ...strict('true').metadata, name: 'robot' } };
    const contribute = (...objects: KubeObject[]) =>
      refusalOf(() => plugin.contribute?.(update, added, podOf(), statesOf(objects), readerOf([])));
    const update = requestOf('Pod', { verb: 'update', subresource: 'ephemeralcontainers' });
    expect(contribute(robot)).toMatch('ephemeral container e with envVar S');
    expect(contribute({ ...robot, secrets: [{ name: 'other' }] } as ServiceAccount)).toBeUndefined();
    expect(contribute()).toMatch('error looking up service account a/robot');
    expect(plugin.contribute?.(requestOf('Pod'), added, undefined, statesOf([robot]), readerOf([]))).toBeUndefined();
  });
});
