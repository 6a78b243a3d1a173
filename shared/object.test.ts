import { expect, it } from 'vitest';
import { controllerOf, isKind, type KubeObject, keyOf, splitKey } from './object.ts';
import { withoutEnding } from './text.ts';

it('an object’s key and its parts lead to each other', () => {
  for (const metadata of [{ namespace: 'shop', name: 'web' }, { name: 'node-1' }]) {
    expect(splitKey(keyOf({ metadata }))).toEqual({ namespace: '', ...metadata });
  }
  expect([keyOf({ metadata: { namespace: 'shop', name: 'web' } }), keyOf({ metadata: { name: 'n' } })]).toEqual([
    'shop/web',
    'n',
  ]);
  expect([keyOf({ metadata: {} }), keyOf({ metadata: { namespace: '', name: 'n' } })]).toEqual(['', 'n']);
});

it('an object’s controller is the only owner marked as controller, at any position', () => {
  const owners = [{ uid: '1', controller: false }, { uid: '2' }, { uid: '3', controller: true }];
  const owned = (ownerReferences?: object[]) =>
    controllerOf({ metadata: { ownerReferences } } as unknown as KubeObject);
  expect(owned(owners)?.uid).toBe('3');
  expect([owned(owners.slice(0, 2)), owned([]), owned()]).toEqual([undefined, undefined, undefined]);
  const pod = { kind: 'Pod' } as KubeObject;
  expect([isKind(pod, 'Pod'), isKind(pod, 'Node')]).toEqual([true, false]);
});

it('a suffix is removed as often as it occurs', () => {
  expect(['a--', '-a-', 'a', '--', ''].map((text) => withoutEnding(text, '-'))).toEqual(['a', '-a', 'a', '', '']);
});
