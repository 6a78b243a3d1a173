import { expect, test } from 'vitest';
import { requestHeaders, responseHeaders } from './headers.ts';

const from = '192.168.0.7';

test('a request keeps its headers, but for hop-by-hop fields and credentials', () => {
  const raw = ['Host', 'localhost:8001', 'X-Mine', 'a', 'x-mine', 'b', 'Cookie', 'c=1', 'Content-Length', '3'];
  const dropped = [
    'Authorization',
    'Bearer secret',
    'Impersonate-User',
    'ann',
    'Impersonate-Extra-X',
    'y',
    'Connection',
    'keep-alive, X-Hop',
    'X-Hop',
    '1',
    'Keep-Alive',
    'timeout=5',
    'TE',
    'gzip',
    'Upgrade',
    'h2c',
    'Proxy-Authorization',
    'Basic x',
    'Trailer',
    'X-T',
  ];
  expect(requestHeaders([...raw, ...dropped], { from, uri: '/p/x' }, false)).toEqual({
    Host: 'localhost:8001',
    'X-Mine': ['a', 'b'],
    Cookie: 'c=1',
    'Content-Length': '3',
    'X-Forwarded-For': from,
    'X-Forwarded-Uri': '/p/x',
  });
});

test('earlier X-Forwarded-For values are kept, and chunked encoding too', () => {
  const raw = ['X-Forwarded-For', '10.0.0.1', 'X-Forwarded-Uri', '/old', 'Transfer-Encoding', 'chunked'];
  expect(requestHeaders(raw, { from, uri: '/new' }, false)).toEqual({
    'X-Forwarded-For': `10.0.0.1, ${from}`,
    'X-Forwarded-Uri': '/new',
    'Transfer-Encoding': 'chunked',
  });
});

test('an upgrade is forwarded as requested by the client, without its token', () => {
  const token = 'base64url.bearer.authorization.k8s.io.c2VjcmV0';
  const raw = ['Connection', 'Upgrade', 'Upgrade', 'websocket', 'Sec-WebSocket-Protocol', `chat, ${token}`];
  expect(requestHeaders(raw, { from }, true)).toEqual({
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Protocol': 'chat',
    'X-Forwarded-For': from,
  });
  expect(requestHeaders(['Sec-WebSocket-Protocol', token], { from }, true)).toEqual({ 'X-Forwarded-For': from });
});

test('an answer keeps its headers, but for hop-by-hop fields', () => {
  const raw = [
    'Content-Type',
    'text/plain',
    'Set-Cookie',
    'a=1',
    'Set-Cookie',
    'b=2',
    'Cache-Control',
    'max-age=60',
    'Connection',
    'close',
    'Transfer-Encoding',
    'chunked',
    'Trailer',
    'X-Sum',
  ];
  expect(responseHeaders(raw)).toEqual({
    'Content-Type': 'text/plain',
    'Set-Cookie': ['a=1', 'b=2'],
    'Cache-Control': ['no-cache, private', 'max-age=60'],
    Trailer: 'X-Sum',
  });
});
