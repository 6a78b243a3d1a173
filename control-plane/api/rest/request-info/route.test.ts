import { expect, test } from 'vitest';
import { builtinKinds } from '../../../../shared/kinds/index.ts';
import { formatFor } from '../encoding/negotiate.ts';
import { escapedPath, forwardedUri, prefixOf } from '../proxy/paths.ts';
import { hasTable, type ResourceRoute, routeOf, verbOf } from './route.ts';

function resource(url: string): ResourceRoute {
  const route = routeOf(url, 'GET', builtinKinds);
  if (route.type !== 'resource') throw new Error(`${url} is no resource`);
  return route.resource;
}

const pod = '/api/v1/namespaces/shop/pods/https:web:8443/proxy';

test.each([
  [pod, ''],
  [`${pod}/`, '/'],
  [`${pod}?q=/`, ''],
  [`${pod}/a/b`, '/a/b'],
  [`${pod}/a//b/`, '/a/b/'],
  [`${pod}/a/../../../b/./c`, '/b/c'],
  [`${pod}/..`, '/'],
  [`${pod}/a%2Fb%20c%2F`, '/a/b c/'],
  [`${pod}/%2e%2e/%2e%2e/x`, '/x'],
  [`${pod}/${'d/'.repeat(40)}`, `/${'d/'.repeat(40)}`],
  [`${pod}/proxy/api/v1`, '/proxy/api/v1'],
  ['/api/v1/nodes/n1/proxy/stats/summary', '/stats/summary'],
  ['/api/v1/namespaces/shop/services/web/proxy/x', '/x'],
])('%s is "%s" at the backend of the proxy', (url, beyond) => {
  expect(resource(url)).toMatchObject({ subresource: 'proxy', beyond });
});

test.each([
  ['/version', '/version'],
  ['/version/', '/version/'],
  ['//%6Detrics', '/metrics'],
  ['/openapi//v3?x=1', '/openapi/v3'],
  ['/healthz/%2e%2e/metrics', '/healthz/../metrics'],
  ['/', '/'],
])('%s is authorized and served as %s', (url, path) => {
  const route = routeOf(url, 'GET', builtinKinds);
  if (route.type !== 'path') throw new Error('is a resource');
  expect(route.path).toBe(path);
  expect(route.parts).toEqual(path.split('/').filter((part) => part !== ''));
});

test.each([
  ['POST', '/%61pi/v1/namespaces/a/%73ecrets', 'create'],
  ['GET', '/api/v1/namespaces/a/secrets?%77atch=True', 'watch'],
  ['GET', '/api/v1/watch/namespaces/a/secrets/x', 'watch'],
  ['GET', '/api/v1/namespaces/a/secrets?watch=0', 'list'],
  ['GET', '/api/v1//namespaces/a/secrets/x?watch=true', 'get'],
  ['DELETE', '/api/v1/namespaces/a/secrets', 'deletecollection'],
  ['DELETE', `${pod}/x?watch=true`, 'delete'],
  ['POST', `/%61pi/v1/%6eamespaces/a/pods/b/proxy/x`, 'create'],
  ['GET', '/%6Detrics', 'get'],
])('%s %s has the verb %s, however it is escaped', (method, url, verb) => {
  expect(verbOf(method, routeOf(url, method, builtinKinds))).toBe(verb);
});

test('the name of a proxy request is the whole part before `proxy`', () => {
  expect(resource(`${pod}/x`)).toMatchObject({ name: 'https:web:8443', namespace: 'shop' });
  expect(prefixOf(resource(`${pod}/x`))).toBe(pod);
  expect(prefixOf(resource('/api/v1/nodes/n1/proxy/x'))).toBe('/api/v1/nodes/n1/proxy');
  expect(prefixOf(resource('/api/v1/nodes/n1:a%0Ab/proxy/x'))).toBe('/api/v1/nodes/n1:a%0Ab/proxy');
});

test.each([
  '/api/v1/namespaces/shop/pods/web/log/x',
  '/api/v1/namespaces/shop/configmaps/web/proxy/x',
  `/api/v1/${'x/'.repeat(20)}`,
])('%s is not served', (url) => {
  expect(() => routeOf(url, 'GET', builtinKinds)).toThrow('the server could not find the requested resource');
});

test.each([
  ['/a b/ü?#%', '/a%20b/%C3%BC%3F%23%25'],
  ["/$&+,/:;=@-_.~!'()*", '/$&+,/:;=@-_.~%21%27%28%29%2A'],
])('the path %s is escaped as Go does', (path, escaped) => {
  expect(escapedPath(path)).toBe(escaped);
});

test('the backend gets the path of the client’s request', () => {
  expect(forwardedUri(pod, '/a b/')).toBe(`${pod}/a%20b/`);
  expect(forwardedUri(pod, '')).toBe(pod);
});

test('the list of custom resource definitions can be read; a change of it is refused with the reason', () => {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  expect(routeOf(path, 'GET', builtinKinds)).toMatchObject({ type: 'path' });
  for (const method of ['POST', 'DELETE', 'PUT', 'PATCH']) {
    expect(() => routeOf(path, method, builtinKinds)).toThrow(/^custom resources are not supported by this server/);
  }
});

test.each([
  ['POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', false],
  ['POST', '/apis/authentication.k8s.io/v1/tokenreviews', false],
  ['POST', '/api/v1/namespaces/shop/serviceaccounts/a/token', false],
  ['POST', '/api/v1/namespaces/shop/pods/web/eviction', false],
  ['POST', '/api/v1/namespaces/shop/pods/web/binding', false],
  ['POST', '/api/v1/namespaces/shop/pods', true],
  ['GET', '/api/v1/namespaces/shop/pods/web/status', true],
  ['GET', '/apis/apps/v1/namespaces/shop/deployments/web/scale', true],
  ['GET', '/apis/metrics.k8s.io/v1beta1/nodes', true],
])('%s %s has a Table: %s', (method, url, table) => {
  const route = routeOf(url, method, builtinKinds);
  if (route.type !== 'resource') throw new Error(`${url} is no resource`);
  expect(hasTable(route.resource)).toBe(table);
});

test('a Table of a resource without one is not acceptable; another form in the same header is used', () => {
  const wanted = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  expect(() => formatFor(wanted, false)).toThrow('only the following media types are accepted');
  expect(formatFor(`${wanted},application/json`, false)).toEqual({ encoding: 'json' });
  expect(formatFor(wanted)).toEqual({ encoding: 'json', as: 'Table' });
});
