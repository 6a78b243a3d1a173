import { describe, expect, it } from 'vitest';
import type { Pod, ResourceQuota } from '../generated/types.ts';
import { kindNamed } from '../kinds/index.ts';
import { checkQuota } from './check.ts';
import { podUsage } from './pod-usage.ts';
import { inScope } from './scopes.ts';

const pods = kindNamed('Pod');
const pod = (spec: object, more: object = {}): Pod =>
  ({ metadata: { name: 'p' }, spec: { containers: [], ...spec }, ...more }) as unknown as Pod;
const container = (name: string, requests: object = {}, limits: object = {}) => ({
  name,
  resources: { requests, limits },
});
const quota = (hard: Record<string, string>, used: Record<string, string>, spec: object = {}): ResourceQuota =>
  ({ metadata: { name: 'q' }, spec: { hard, ...spec }, status: { hard, used } }) as unknown as ResourceQuota;

describe('the usage of a pod', () => {
  it('is the larger of its containers together and its start’s worst moment, sidecars and overhead included', () => {
    const { spec } = pod({
      containers: [container('a', { cpu: '1', memory: '64Mi' }), container('b', { cpu: '500m' }, { cpu: '2' })],
      initContainers: [
        container('big', { cpu: '1200m', memory: '1Gi' }),
        { ...container('side', { cpu: '300m' }), restartPolicy: 'Always' },
      ],
      overhead: { cpu: '50m' },
    });
    expect(podUsage(pod(spec), 0)).toMatchObject({
      'count/pods': '1',
      pods: '1',
      cpu: '1850m',
      'requests.cpu': '1850m',
      memory: '1Gi',
      'limits.cpu': '2050m',
    });
  });

  it('is only its place in the store once it has ended or its grace is over', () => {
    expect(podUsage(pod({}, { status: { phase: 'Failed' } }), 0)).toEqual({ 'count/pods': '1' });
    const going = { name: 'p', deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 };
    const at = (time: string) => podUsage(pod({}, { metadata: going }), Date.parse(time)).pods;
    expect(at('2026-01-01T00:00:59Z')).toBe('1');
    expect(at('2026-01-01T00:01:01Z')).toBeUndefined();
  });
});

describe('scopes', () => {
  it.each<[object, object, boolean]>([
    [{ scopes: ['BestEffort'] }, { containers: [container('a')] }, true],
    [{ scopes: ['NotBestEffort'] }, { containers: [container('a', { cpu: '1' })] }, true],
    [{ scopes: ['BestEffort', 'Terminating'] }, { containers: [container('a')] }, false],
    [{ scopes: ['Terminating'] }, { activeDeadlineSeconds: 0 }, true],
    [{ scopes: ['NotTerminating'] }, {}, true],
    [expression('PriorityClass', 'In', ['high']), { priorityClassName: 'high' }, true],
    [expression('PriorityClass', 'NotIn', ['high']), {}, true],
    [expression('PriorityClass', 'Exists'), {}, false],
    [
      { scopes: ['CrossNamespacePodAffinity'] },
      { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ namespaceSelector: {} }] } } },
      true,
    ],
  ])('%o covers %o: %s', (spec, podSpec, expected) => {
    expect(inScope(quota({}, {}, spec), pod(podSpec))).toBe(expected);
  });
});

describe('the check of a quota', () => {
  const check = (hard: Record<string, string>, used: Record<string, string>, object: Pod) =>
    checkQuota(quota(hard, used), pods, object, undefined, 0);

  it('adds the usage of the pod', () => {
    const one = pod({ containers: [container('a', { cpu: '250m' })] });
    expect(check({ pods: '2', 'requests.cpu': '1' }, { pods: '1', 'requests.cpu': '750m' }, one)).toEqual({
      type: 'allowed',
      used: { pods: '2', 'requests.cpu': '1' },
    });
  });

  it.each<[string, ReturnType<typeof check>, string]>([
    [
      'too many',
      check({ pods: '2', services: '1' }, { pods: '2', services: '0' }, pod({})),
      'exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
    ],
    [
      'too much of two',
      check(
        { 'requests.memory': '1Gi', 'requests.cpu': '1' },
        { 'requests.memory': '1000Mi', 'requests.cpu': '1' },
        pod({ containers: [container('a', { cpu: '1', memory: '100Mi' })] }),
      ),
      'exceeded quota: q, requested: requests.cpu=1,requests.memory=100Mi, used: requests.cpu=1,requests.memory=1000Mi, limited: requests.cpu=1,requests.memory=1Gi',
    ],
    [
      'an open limit',
      check({ 'limits.cpu': '1', memory: '1' }, {}, pod({ containers: [container('c'), container('b')] })),
      'failed quota: q: must specify limits.cpu for: b,c; memory for: b,c',
    ],
    ['an uncounted quota', check({ pods: '1' }, {}, pod({})), 'status unknown for quota: q, resources: pods'],
  ])('refuses %s', (_what, verdict, why) => {
    expect(verdict).toEqual({ type: 'refused', why });
  });

  it('does not require resources that the quota does not count', () => {
    expect(check({ services: '0', 'count/deployments.apps': '0' }, {}, pod({}))).toEqual({ type: 'unmatched' });
  });
});

function expression(scopeName: string, operator: string, values?: string[]): object {
  return { scopeSelector: { matchExpressions: [{ scopeName, operator, values }] } };
}
