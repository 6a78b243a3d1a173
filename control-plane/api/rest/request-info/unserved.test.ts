import { expect, test } from 'vitest';
import { unservedAttributes } from './unserved.ts';

test.each([
  ['GET', '/api/v1/unknowns', { verb: 'list', group: '', resource: 'unknowns' }],
  ['GET', '/api/v1/unknowns?limit=1&watch=true', { verb: 'watch', group: '', resource: 'unknowns' }],
  [
    'DELETE',
    '/apis/example.com/v1/namespaces/shop/widgets/a/status',
    { verb: 'delete', group: 'example.com', resource: 'widgets', namespace: 'shop', name: 'a', subresource: 'status' },
  ],
  [
    'DELETE',
    '/apis/example.com/v1/namespaces/shop/widgets',
    { verb: 'deletecollection', group: 'example.com', resource: 'widgets', namespace: 'shop' },
  ],
  [
    'GET',
    '/api/v1/watch/namespaces/shop/pods/a',
    { verb: 'watch', group: '', resource: 'pods', namespace: 'shop', name: 'a' },
  ],
  ['POST', '/%61pis/example.com/v1/%77idgets', { verb: 'create', group: 'example.com', resource: 'widgets' }],
  ['POST', '/apis/example.com/v1/widgets', { verb: 'create', group: 'example.com', resource: 'widgets' }],
  ['GET', '/apis/example.com/v1', { verb: 'get', group: '', resource: '', path: '/apis/example.com/v1' }],
  ['GET', '/anything/else?x', { verb: 'get', group: '', resource: '', path: '/anything/else' }],
])('%s %s asks for %j', (method, url, attributes) => {
  expect(unservedAttributes(method, url)).toEqual(attributes);
});
