import { describe, expect, it } from 'vitest';
import type { PodSpec } from '../../shared/generated/types.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { Admissions } from './admissions.ts';
import type { NodeView } from './admit.ts';

const node: NodeView = {
  name: 'node-1',
  labels: { disk: 'ssd' },
  taints: [
    { key: 'x', effect: 'NoExecute' },
    { key: 'y', effect: 'NoSchedule' },
  ],
  allocatable: { cpu: '2', memory: '1Gi', 'ephemeral-storage': '1Gi', pods: '3', 'example.com/gpu': '1' },
};
const tolerations = [{ key: 'x', operator: 'Exists' as const }];
const asking = (name: string, requests: Record<string, string>, spec: Partial<PodSpec> = {}) =>
  makePod(name, { containers: [container('app', { resources: { requests } })], tolerations, ...spec });
const withPort = (name: string, hostPort: number) =>
  makePod(name, { containers: [container('app', { ports: [{ containerPort: 80, hostPort }] })], tolerations });

function admissions() {
  const events: string[] = [];
  const failed: string[] = [];
  const made = new Admissions({
    node: () => node,
    event: (pod, type, reason, message) => void events.push(`${pod.metadata.name} ${type} ${reason}: ${message}`),
    fail: (pod, { reason, message }) => void failed.push(`${pod.metadata.name} ${reason}: ${message}`),
  });
  return { made, events, failed };
}

describe('a node', () => {
  const out = (resource: string, requested: number, used: number, capacity: number) =>
    `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;

  it.each<[string, ReturnType<typeof makePod>, ReturnType<typeof makePod>[], string, string]>([
    [
      'processor time',
      asking('p', { cpu: '1500m' }),
      [asking('q', { cpu: '501m' })],
      'OutOfcpu',
      out('cpu', 1500, 501, 2000),
    ],
    ['memory', asking('p', { memory: '2Gi' }), [], 'OutOfmemory', out('memory', 2 ** 31, 0, 2 ** 30)],
    [
      'ephemeral storage',
      asking('p', { 'ephemeral-storage': '2Gi' }),
      [],
      'OutOfephemeral-storage',
      out('ephemeral-storage', 2 ** 31, 0, 2 ** 30),
    ],
    ['places', asking('p', {}), ['a', 'b', 'c'].map((name) => asking(name, {})), 'OutOfpods', out('pods', 1, 3, 3)],
    [
      'an extended resource',
      asking('p', { 'example.com/gpu': '1' }),
      [asking('q', { 'example.com/gpu': '1' })],
      'OutOfexample.com/gpu',
      out('example.com/gpu', 1, 1, 1),
    ],
    [
      'a port',
      withPort('p', 80),
      [withPort('q', 80)],
      'NodePorts',
      "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    ],
    [
      'a label',
      asking('p', {}, { nodeSelector: { disk: 'hdd' } }),
      [],
      'NodeAffinity',
      "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    ],
    [
      'a toleration of a NoExecute taint',
      makePod('p'),
      [],
      'TaintToleration',
      "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
    ],
    [
      'its system',
      asking('p', {}, { os: { name: 'windows' } }),
      [],
      'PodOSNotSupported',
      "Failed to admit pod as the OS field doesn't match node OS",
    ],
  ])('refuses a pod for want of %s, in the kubelet’s words', (_, pod, others, reason, message) => {
    const { made, events } = admissions();
    expect(made.refusal(pod, others)).toEqual({ reason, message: `Pod was rejected: ${message}` });
    expect(events).toEqual([`p Warning ${reason}: ${message}`]);
  });

  it('takes what just fits, whatever NoSchedule taints say, and resources that are not the node’s', () => {
    const { made } = admissions();
    const others = [asking('q', { cpu: '500m' }), withPort('r', 81)];
    expect(made.refusal(asking('p', { cpu: '1500m', 'example.com/other': '7' }), others)).toBeUndefined();
    expect(made.refusal(withPort('p', 80), others)).toBeUndefined();
  });

  describe('and a critical pod', () => {
    const critical = (requests: Record<string, string>, spec: Partial<PodSpec> = {}) =>
      asking('p', requests, { priority: 2_000_000_000, ...spec });
    const guaranteed = (name: string, cpu: string) =>
      makePod(name, {
        containers: [
          container('app', { resources: { requests: { cpu, memory: '1Mi' }, limits: { cpu, memory: '1Mi' } } }),
        ],
      });

    it('ends the fewest pods that make room, guaranteed ones last, and starts when they have ended', () => {
      const { made, events, failed } = admissions();
      const others = [guaranteed('g', '1'), asking('small', { cpu: '300m' }), asking('large', { cpu: '700m' })];
      expect(made.refusal(critical({ cpu: '600m' }), others)).toBeUndefined();
      expect(failed).toEqual(['large Preempting: Preempted in order to admit critical pod']);
      expect(events).toEqual(['large Warning Preempting: Preempted in order to admit critical pod']);
      expect(made.mayStart('uid-p')).toBe(false);
      expect(made.ended('uid-large')).toEqual(['uid-p']);
      expect(made.mayStart('uid-p')).toBe(true);
    });

    it('is refused for other reasons, and where ending all others is not enough', () => {
      const { made, failed } = admissions();
      const others = [asking('q', { cpu: '1' }), asking('r', { cpu: '1' }, { priority: 2_000_000_000 })];
      expect(made.refusal(critical({ cpu: '1500m' }), others)).toEqual({
        reason: 'UnexpectedAdmissionError',
        message:
          'Pod was rejected: Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: [(res: cpu, q: 500), ]',
      });
      expect(made.refusal(critical({ cpu: '1' }, { nodeSelector: { disk: 'hdd' } }), others)?.reason).toBe(
        'NodeAffinity',
      );
      expect(failed).toEqual([]);
    });
  });
});
