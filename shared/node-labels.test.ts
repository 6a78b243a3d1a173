import { expect, it } from 'vitest';
import { forbiddenNodeLabels } from './node-labels.ts';

it.each([
  'app',
  'example.com/team',
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'kubelet.kubernetes.io/x',
  'a.kubelet.kubernetes.io/x',
  'node.kubernetes.io/x',
  'a.node.kubernetes.io/x',
  'notkubernetes.io/x',
  'kubernetes.io',
  'kubernetes.io.example.com/x',
])('a node may write its own label %s', (key) => {
  expect(forbiddenNodeLabels({ [key]: 'x' })).toBeUndefined();
});

it.each([
  'kubernetes.io/other',
  'a.kubernetes.io/hostname',
  'topology.kubernetes.io/rack',
  'beta.kubernetes.io/zone',
  'k8s.io/x',
  'a.k8s.io/x',
  'node-role.kubernetes.io/master',
  'node-restriction.kubernetes.io/x',
  'a.node-restriction.kubernetes.io/x',
])('a node may not write its own label %s', (key) => {
  expect(forbiddenNodeLabels({ [key]: 'x' })).toBe(key);
});

it('a node may not add, change or remove labels other than its own, but may keep them', () => {
  const old = { 'k8s.io/a': '1', 'k8s.io/b': '1', 'k8s.io/c': '1', own: '1' };
  expect(forbiddenNodeLabels(old, old)).toBeUndefined();
  expect(forbiddenNodeLabels({ 'k8s.io/d': '1', 'k8s.io/c': '1', 'k8s.io/b': '2', own: '2' }, old)).toBe(
    'k8s.io/a, k8s.io/b, k8s.io/d',
  );
  expect(forbiddenNodeLabels(undefined, { 'k8s.io/a': '' })).toBe('k8s.io/a');
  expect(forbiddenNodeLabels()).toBeUndefined();
});
