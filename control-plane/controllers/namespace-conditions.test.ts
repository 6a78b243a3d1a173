import { expect, it } from 'vitest';
import { kindNamed } from '../../shared/kinds/index.ts';
import type { KubeObject } from '../../shared/object.ts';
import { namespaceConditions } from './namespace-conditions.ts';

const item = (name: string, ...finalizers: string[]): KubeObject =>
  ({ metadata: { name, finalizers } }) as unknown as KubeObject;

it('a namespace says what holds it, and by name', () => {
  const left = [
    { def: kindNamed('ConfigMap'), items: [item('a'), item('b', 'example.com/x')] },
    { def: kindNamed('Deployment'), items: [item('web', 'example.com/x', 'foregroundDeletion')] },
  ];
  const said = namespaceConditions(left, ['secrets "s" is forbidden: no']).map(
    ({ type, status, message }) => `${type}=${status} ${message}`,
  );
  expect(said.slice(2)).toEqual([
    'NamespaceDeletionContentFailure=True Failed to delete all resource types, 1 remaining: secrets "s" is forbidden: no',
    'NamespaceContentRemaining=True Some resources are remaining: configmaps. has 2 resource instances (a, b), deployments.apps has 1 resource instances (web)',
    'NamespaceFinalizersRemaining=True Some content in the namespace has finalizers remaining: example.com/x in 2 resource instances (configmaps/b, deployments/web), foregroundDeletion in 1 resource instances (deployments/web)',
  ]);
});

it('nothing holds an empty one', () => {
  expect(namespaceConditions([], []).every(({ status }) => status === 'False')).toBe(true);
});
