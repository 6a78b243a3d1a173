import { expect, test } from 'vitest';
import { entryPath, parseCopyPath } from './copy-paths.ts';

test('a place is a pod’s, with or without a namespace, or this machine’s', () => {
  expect(parseCopyPath('web:/etc/hosts')).toEqual({ type: 'pod', pod: 'web', path: '/etc/hosts' });
  expect(parseCopyPath('shop/web:a:b')).toEqual({ type: 'pod', namespace: 'shop', pod: 'web', path: 'a:b' });
  expect(parseCopyPath('./web:x')).toEqual({ type: 'local', path: './web:x' });
  expect(parseCopyPath('/tmp/x')).toEqual({ type: 'local', path: '/tmp/x' });
  for (const bad of ['web:', ':x', 'a/b/c:x']) expect(() => parseCopyPath(bad)).toThrow('is not POD:PATH');
});

test.each([
  ['/etc/conf', 'etc/conf', ''],
  ['/etc/conf', 'etc/conf/', ''],
  ['/etc/conf', 'etc/conf/a/b', 'a/b'],
  ['conf', './conf/a', 'a'],
  ['.', './a', 'a'],
  ['/', 'a', 'a'],
])('of %s, %s goes to "%s"', (asked, entry, place) => {
  expect(entryPath(asked, entry)).toBe(place);
});

test.each(['etc/passwd', 'etc/confused', 'etc/conf/../../root/x', '../etc/x', 'etc/conf/a/../../../x'])(
  'of /etc/conf, %s goes nowhere',
  (entry) => {
    expect(entryPath('/etc/conf', entry)).toBeUndefined();
  },
);
