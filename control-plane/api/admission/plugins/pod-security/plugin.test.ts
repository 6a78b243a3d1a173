import { describe, expect, test } from 'vitest';
import type { Kind, Namespace, Pod } from '../../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../../shared/object.ts';
import { podOf, readerOf, refusalOf, requestOf, statesOf, stored } from '../../../../../test/support/admission.ts';
import type { AdmissionRequest } from '../../plugin.ts';
import { podSecurity, podSecurityWarnings } from './plugin.ts';

const key = 'pod-security.kubernetes.io/';

function namespace(labels: Record<string, string>, metadata: object = {}): Namespace {
  const entries = Object.entries(labels).map(([name, value]) => [key + name, value]);
  return stored('Namespace', 'a', {}, { labels: Object.fromEntries(entries), resourceVersion: '7', ...metadata });
}

const bad = { hostNetwork: true };
const warned = (level: string) => `would violate PodSecurity "${level}:latest": host namespaces (hostNetwork=true)`;

/** Records the audit annotations. */
function auditing() {
  const notes: Record<string, string> = {};
  const note = (name: string, value: string): void => {
    notes[name] = value;
  };
  return { notes, audit: { note } as AdmissionRequest['audit'] };
}

describe('a pod', () => {
  const contribute = (request: AdmissionRequest, home: Namespace | undefined, next: Pod, old?: Pod) => {
    const known = home ? [home] : [];
    return podSecurity.contribute?.(request, next, old, statesOf(known), readerOf([]));
  };

  test('is refused where its namespace enforces a level that it violates', () => {
    const refusal = refusalOf(() => contribute(requestOf('Pod'), namespace({ enforce: 'baseline' }), podOf(bad)));
    expect(refusal).toBe(
      'pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',
    );
    expect(refusalOf(() => contribute(requestOf('Pod'), namespace({ enforce: 'baseline' }), podOf()))).toBeUndefined();
    expect(refusalOf(() => contribute(requestOf('Pod'), namespace({ warn: 'baseline' }), podOf(bad)))).toBeUndefined();
    expect(refusalOf(() => contribute(requestOf('Pod'), undefined, podOf()))).toBe('namespaces "a" not found');
  });

  test('with a change to fields that security checks is checked against the stored namespace', () => {
    const home = namespace({ enforce: 'baseline' });
    const old = podOf();
    const update = requestOf('Pod', { verb: 'update' });
    const changes: Partial<Pod['spec']>[] = [
      { containers: [{ name: 'c', image: 'other' }] },
      { initContainers: [{ name: 'i', image: 'i' }] },
      { ephemeralContainers: [{ name: 'e', image: 'i' }] } as Partial<Pod['spec']>,
    ];
    for (const change of changes) {
      expect(contribute(update, home, podOf(change), old)).toEqual({
        guards: [{ key: '/coracle/registry/namespaces/a', revision: 7 }],
        writes: [],
      });
      expect(refusalOf(() => contribute(update, home, podOf({ ...change, ...bad }), old))).toMatch(
        'violates PodSecurity',
      );
      expect(contribute(update, namespace({}), podOf({ ...change, ...bad }), old)?.guards).toHaveLength(1);
    }
    const profiled = podOf({}, { annotations: { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' } });
    expect(contribute(update, home, profiled, old)?.guards).toHaveLength(1);
  });

  test('that violates a level set later may still be changed in fields that security does not check', () => {
    const home = namespace({ enforce: 'baseline' });
    const update = requestOf('Pod', { verb: 'update' });
    const labelled = podOf(bad, { labels: { a: 'b' }, annotations: { a: 'b' } });
    expect(contribute(update, home, labelled, podOf(bad))).toBeUndefined();
    const tolerant = podOf({ ...bad, tolerations: [{ operator: 'Exists' }] });
    expect(refusalOf(() => contribute(update, home, tolerant, podOf(bad)))).toBeUndefined();
  });

  test('that is made brings no guard of its own: its create has one', () => {
    expect(contribute(requestOf('Pod'), namespace({ enforce: 'baseline' }), podOf())).toBeUndefined();
  });

  test('causes one warning and audit annotations by the levels of its namespace', () => {
    const { notes, audit } = auditing();
    const request = requestOf('Pod', { audit });
    const home = namespace({ warn: 'baseline', audit: 'restricted' });
    contribute(request, home, podOf(bad));
    contribute(request, home, podOf(bad));
    expect(request.warnings).toEqual([warned('baseline')]);
    expect(notes[`${key}enforce-policy`]).toBe('privileged:latest');
    expect(notes[`${key}audit-violations`]).toMatch(/^would violate PodSecurity "restricted:latest": host namespaces/);
    const other = auditing();
    const quiet = requestOf('Pod', { audit: other.audit });
    contribute(quiet, home, podOf());
    contribute(quiet, namespace({ audit: 'baseline' }), podOf());
    expect(quiet.warnings).toEqual([]);
    contribute(quiet, namespace({}), podOf(bad));
    expect(quiet.warnings).toEqual([]);
  });
});

describe('workloads', () => {
  const template = { metadata: { labels: { a: 'b' } }, spec: { ...bad, containers: [{ name: 'c', image: 'i' }] } };
  const made: readonly (readonly [Kind, object])[] = [
    ['PodTemplate', { template }],
    ['CronJob', { spec: { jobTemplate: { spec: { template } } } }],
    ...(['ReplicationController', 'ReplicaSet', 'Deployment', 'StatefulSet', 'DaemonSet', 'Job'] as const).map(
      (kind) => [kind, { spec: { template } }] as const,
    ),
  ];
  const validate = (request: AdmissionRequest, object: KubeObject, home?: Namespace, old?: KubeObject) =>
    void podSecurityWarnings.validate?.(request, object, old, readerOf(home ? [home] : []));

  test.each(made)('is warned of when its namespace would not take its pods: %s', (kind, body) => {
    const request = requestOf(kind);
    validate(request, stored(kind, 'x', body), namespace({ enforce: 'baseline' }));
    expect(request.warnings).toEqual([warned('baseline')]);
    const rule = podSecurityWarnings.rules.find(({ kinds }) => kinds?.includes(kind));
    expect(rule?.verbs).toEqual(['create', 'update']);
  });

  test('is warned of again only when its template changes', () => {
    const home = namespace({ warn: 'baseline' });
    const old = stored('Deployment', 'x', { spec: { template } });
    const scaled = requestOf('Deployment', { verb: 'update' });
    validate(scaled, { ...old, spec: { ...old.spec, replicas: 3 } } as KubeObject, home, old);
    expect(scaled.warnings).toEqual([]);
    const changed = requestOf('Deployment', { verb: 'update' });
    validate(changed, { ...old, spec: { ...old.spec, template: { ...template } } } as KubeObject, home, old);
    expect(changed.warnings).toEqual([warned('baseline')]);
  });

  test('has no warning without a level, or without a pod template', () => {
    const quiet = (body: object, home?: Namespace, more: Partial<AdmissionRequest> = {}) => {
      const request = requestOf('Deployment', more);
      validate(request, stored('Deployment', 'x', body), home);
      expect(request.warnings).toEqual([]);
    };
    quiet({ spec: { template } });
    quiet({ spec: { template } }, namespace({}));
    quiet({ spec: { template } }, namespace({ audit: 'baseline' }));
    quiet({ spec: { template } }, namespace({ warn: 'baseline' }), { namespace: undefined });
    quiet({ spec: { template: {} } }, namespace({ warn: 'baseline' }));
    quiet({}, namespace({ warn: 'baseline' }));
    quiet({ spec: { template: { spec: { containers: [] } } } }, namespace({ warn: 'baseline' }));
  });

  test('cause audit annotations by the levels of the namespace, and are never refused', () => {
    const { notes, audit } = auditing();
    const request = requestOf('Deployment', { audit });
    validate(request, stored('Deployment', 'x', { spec: { template } }), namespace({ audit: 'baseline' }));
    expect(notes).toEqual({ [`${key}audit-violations`]: warned('baseline') });
    expect(request.warnings).toEqual([]);
  });
});

describe('a namespace', () => {
  const change = (next: Namespace, old: Namespace | undefined, ...pods: Pod[]) => {
    const request = requestOf('Namespace', { verb: old ? 'update' : 'create', name: 'a' });
    void podSecurityWarnings.validate?.(request, next, old, readerOf(pods));
    return request.warnings;
  };
  const named = (name: string, spec: object) => ({ ...podOf(spec), metadata: { ...podOf().metadata, name } });

  test('with labels that can not be read is refused, unless it had them before', () => {
    const faulty = namespace({ enforce: 'no' });
    expect(refusalOf(() => change(faulty, undefined))).toMatch('Invalid value: "no"');
    expect(refusalOf(() => change(faulty, namespace({})))).toMatch('Invalid value: "no"');
    expect(refusalOf(() => change(faulty, faulty))).toBeUndefined();
    expect(refusalOf(() => change(namespace({ enforce: 'no', warn: 'no' }), faulty))).toMatch('"no"');
    expect(refusalOf(() => change(namespace({}), faulty))).toBeUndefined();
  });

  test('with a stricter level causes a warning that names the pods in violation, by violation', () => {
    const pods = [
      ...['p3', 'p1', 'p2'].map((name) => named(name, bad)),
      ...['q2', 'q1'].map((name) => named(name, { hostPID: true, volumes: [{ name: 'v', hostPath: { path: '/' } }] })),
      named('fine', {}),
      named('alone', { hostIPC: true, volumes: [{ name: 'v', hostPath: { path: '/' } }] }),
      { ...named('elsewhere', bad), metadata: { ...podOf().metadata, name: 'elsewhere', namespace: 'b' } },
      named('sysctl', { securityContext: { sysctls: [{ name: 'x', value: '1' }] } }),
    ];
    expect(change(namespace({ enforce: 'baseline' }), namespace({}), ...pods)).toEqual([
      'existing pods in namespace "a" violate the new PodSecurity enforce level "baseline:latest"',
      'alone (and 2 other pods): host namespaces, hostPath volumes',
      'p1 (and 2 other pods): host namespaces',
      'sysctl: forbidden sysctls',
    ]);
    const two = pods.filter(({ metadata: { name } }) => name.startsWith('q'));
    expect(change(namespace({ enforce: 'baseline' }), namespace({}), ...two)[1]).toMatch(/^q1 \(and 1 other pod\): /);
  });

  test('looks at its pods only when it becomes stricter, or of another version', () => {
    const pod = named('p', bad);
    const labels = (enforce: string, version = 'latest') => namespace({ enforce, 'enforce-version': version });
    expect(change(labels('restricted'), labels('baseline'), pod)).toHaveLength(2);
    expect(change(labels('baseline', 'v1.25'), labels('baseline'), pod)).toHaveLength(2);
    expect(change(labels('baseline'), labels('baseline'), pod)).toEqual([]);
    expect(change(labels('baseline'), labels('restricted'), pod)).toEqual([]);
    expect(change(labels('privileged'), labels('baseline'), pod)).toEqual([]);
    expect(change(labels('baseline'), undefined, pod)).toEqual([]);
    expect(change(labels('baseline'), labels('privileged'), named('p', {}))).toEqual([]);
  });

  test('checks at most 3,000 pods, and the warning reports it', () => {
    const pods = Array.from({ length: 3_001 }, (_, i) => named(`p${i}`, i === 3_000 ? bad : {}));
    expect(change(namespace({ enforce: 'baseline' }), namespace({}), ...pods)).toEqual([
      'new PodSecurity enforce level only checked against the first 3000 of 3001 existing pods',
    ]);
    const [, ...others] = pods;
    expect(change(namespace({ enforce: 'baseline' }), namespace({}), ...others)).toHaveLength(2);
  });
});
