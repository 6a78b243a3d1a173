import { expect, it } from 'vitest';
import { kindNamed } from '../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { type Leftover, namespaceConditions } from './conditions.ts';

const item = (name: string, ...finalizers: string[]): KubeObject =>
  ({ metadata: { name, finalizers } }) as unknown as KubeObject;
const messages = (left: readonly Leftover[], failures: readonly string[] = []) =>
  namespaceConditions(left, failures).map(({ type, status, message }) => `${type}=${status} ${message}`);

it('conditions of a namespace name the remaining content and finalizers', () => {
  const left = [
    { def: kindNamed('Deployment'), items: [item('web', 'example.com/x', 'foregroundDeletion')] },
    { def: kindNamed('ConfigMap'), items: [item('a'), item('b', 'example.com/x')] },
  ];
  expect(messages(left, ['secrets "s" is forbidden: no', 'another']).slice(2)).toEqual([
    'NamespaceDeletionContentFailure=True Failed to delete all resource types, 2 remaining: another, secrets "s" is forbidden: no',
    'NamespaceContentRemaining=True Some resources are remaining: configmaps. has 2 resource instances (a, b), deployments.apps has 1 resource instances (web)',
    'NamespaceFinalizersRemaining=True Some content in the namespace has finalizers remaining: example.com/x in 2 resource instances (deployments/web, configmaps/b), foregroundDeletion in 1 resource instances (deployments/web)',
  ]);
});

it('content without finalizers is reported as remaining content only', () => {
  const bare = { metadata: { name: 'a' } } as unknown as KubeObject;
  const conditions = namespaceConditions([{ def: kindNamed('ConfigMap'), items: [bare] }], []);
  expect(conditions.filter(({ status }) => status === 'True').map(({ type }) => type)).toEqual([
    'NamespaceContentRemaining',
  ]);
});

it('ten of many names are shown, with the number of the others', () => {
  const items = (count: number) => Array.from({ length: count }, (_, index) => item(`m${index}`));
  const shown = (count: number) => messages([{ def: kindNamed('ConfigMap'), items: items(count) }])[3];
  expect(shown(10)).toContain('(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9)');
  expect(shown(12)).toContain('12 resource instances (m0, m1, m2, m3, m4, m5, m6, m7, m8, m9 and 2 more)');
});

it('an empty namespace has no remaining content', () => {
  const conditions = namespaceConditions([], []);
  expect(conditions.map(({ status, reason }) => `${status} ${reason}`)).toEqual([
    'False ResourcesDiscovered',
    'False ParsedGroupVersions',
    'False ContentDeleted',
    'False ContentRemoved',
    'False ContentHasNoFinalizers',
  ]);
});
