import { expect, test } from 'vitest';
import { throughProxy } from './links.ts';

const prefix = '/api/v1/namespaces/shop/pods/web:8080/proxy';
const place = { prefix, host: '10.64.0.3:8080', clientHost: 'localhost:8001' };

test.each([
  ['/', `${prefix}/`],
  ['/a/b/?q=/x#/y', `${prefix}/a/b/?q=/x#/y`],
  ['/a/../b', `${prefix}/b`],
  ['http://10.64.0.3:8080/login', `${prefix}/login`],
  ['//10.64.0.3:8080/login', `${prefix}/login`],
  ['http://localhost:8001/login', `http://localhost:8001${prefix}/login`],
  [`${prefix}/there`, `${prefix}/there`],
  [`http://10.64.0.3:8080${prefix}/there`, `${prefix}/there`],
])('the link %s leads through the proxy: %s', (link, through) => {
  expect(throughProxy(link, place)).toBe(through);
});

test.each([
  '',
  'a/b',
  '../a',
  '?q',
  '#top',
  'http://example.com/a',
  '//example.com/a',
  'http://10.64.0.3/a',
  'mailto:ann@example.com',
  'javascript:alert(1)',
  'data:text/plain,/x',
  'http://10.64.0.3:8080',
])('the link "%s" stays as it is', (link) => {
  expect(throughProxy(link, place)).toBe(link);
});
