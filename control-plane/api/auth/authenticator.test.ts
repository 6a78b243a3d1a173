import type { PeerCertificate } from 'node:tls';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { shownBy } from '../grpc/credentials.ts';
import { Connections } from '../rest/connections.ts';
import { Authenticator } from './authenticator.ts';
import type { Attributes, Authorizer, Identity } from './identity.ts';
import type { TokenAuthenticator } from './token-cache.ts';

const clock = new VirtualClock(Date.parse('2026-06-01T00:00:00Z'));
const nobodyMay: Authorizer = { authorize: () => ({ allowed: false, reason: 'no' }) };

function certificate(user: string, validTo = '2027-01-01T00:00:00Z', more: object = {}): PeerCertificate {
  const subject = { CN: user, O: ['team'], ...more };
  const time = { valid_from: '2026-01-01T00:00:00Z', valid_to: validTo };
  return { raw: Buffer.from('x'), fingerprint256: 'AB:0C', subject, ...time } as never;
}

/** The subject of `certificate('ann')`. */
const ann: Identity = {
  user: 'ann',
  groups: ['team', 'system:authenticated'],
  extra: { 'authentication.kubernetes.io/credential-id': ['X509SHA256=ab0c'] },
};

interface Parts {
  readonly shown?: PeerCertificate;
  readonly trusted?: boolean;
  readonly headers?: Record<string, string | string[]>;
}

/** The peer of a TLS connection. */
function connection({ shown, trusted = shown !== undefined }: Parts) {
  return { authorized: trusted, getPeerCertificate: () => shown ?? ({} as PeerCertificate) };
}

/** The user of a request on its own connection. */
function ask(authenticator: Authenticator, parts: Parts) {
  const connections = new Connections();
  const socket = connection(parts);
  connections.connected(socket);
  return authenticator.authenticate(connections.shownBy(request(socket, parts.headers)));
}

/** The credential that identified the user. */
const untilNewYear = { credential: { notAfter: Date.parse('2027-01-01T00:00:00Z') } };

function request(socket: object, headers: Parts['headers'] = {}) {
  const joined = Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')]);
  const distinct = Object.entries(headers).map(([name, value]) => [name, [value].flat()]);
  return {
    socket: socket as never,
    headers: Object.fromEntries(joined),
    headersDistinct: Object.fromEntries(distinct),
  };
}

function tokens(holders: Record<string, Identity>): TokenAuthenticator & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    async authenticate(token) {
      asked.push(token);
      return holders[token];
    },
  };
}

const robot: Identity = { user: 'robot', groups: ['machines'] };
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const unauthorized = expect.objectContaining({ reason: 'Unauthorized', message: 'Unauthorized' });

describe('the user of a request', () => {
  const known = tokens({ good: robot });
  const authenticator = new Authenticator({ clock, authorizer: nobodyMay, tokens: [tokens({}), known] });

  test('is the certificate’s holder, at once, even when a token is shown as well', () => {
    expect(ask(authenticator, { shown: certificate('ann') })).toEqual({ identity: ann, ...untilNewYear });
    const both = { shown: certificate('ann'), headers: bearer('bad') };
    expect(ask(authenticator, both)).toEqual({ identity: ann, ...untilNewYear });
  });

  test('is otherwise the token’s user, with the group of authenticated users', async () => {
    const who = await ask(authenticator, { headers: bearer('good') });
    expect(who).toEqual({ identity: { user: 'robot', groups: ['machines', 'system:authenticated'] } });
    const protocol = `v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.${Buffer.from('good').toString('base64url')}`;
    expect(await ask(authenticator, { headers: { 'sec-websocket-protocol': protocol } })).toEqual(who);
  });

  test('is anonymous without either', () => {
    const anonymous = { identity: { user: 'system:anonymous', groups: ['system:unauthenticated'] } };
    expect(ask(authenticator, {})).toEqual(anonymous);
    expect(ask(authenticator, { headers: { authorization: 'Basic abc' } })).toEqual(anonymous);
  });

  test('is refused with a bad token, and with a certificate that is not ours or out of its time', async () => {
    await expect(ask(authenticator, { headers: bearer('bad') })).rejects.toThrow(unauthorized);
    expect(() => ask(authenticator, { shown: certificate('ann'), trusted: false })).toThrow(unauthorized);
    const late = { shown: certificate('ann', '2026-05-01T00:00:00Z') };
    expect(() => ask(authenticator, late)).toThrow(unauthorized);
  });

  test('is the one verified at the handshake, whatever the connection reports about its peer later', () => {
    const connections = new Connections();
    const socket = connection({ shown: certificate('ann') });
    connections.connected(socket);
    socket.getPeerCertificate = () => certificate('root');
    expect(authenticator.authenticate(connections.shownBy(request(socket)))).toEqual({
      identity: ann,
      ...untilNewYear,
    });
    const stranger = connection({ shown: certificate('root'), trusted: false });
    connections.connected(stranger);
    stranger.authorized = true;
    expect(() => authenticator.authenticate(connections.shownBy(request(stranger)))).toThrow(unauthorized);
    expect(() => connections.shownBy(request(connection({ shown: certificate('ann') })))).toThrow(
      'the connection has not been authenticated',
    );
  });

  test('is anonymous once the certificate expires while its connection is open', async () => {
    const own = new VirtualClock(Date.parse('2026-06-01T00:00:00Z'));
    const socket = connection({ shown: certificate('ann', '2026-06-01T00:00:10Z') });
    const authenticator = new Authenticator({ clock: own, authorizer: nobodyMay });
    const connections = new Connections();
    connections.connected(socket);
    await own.advance(9_999);
    const authenticate = () => authenticator.authenticate(connections.shownBy(request(socket)));
    expect(authenticate()).toMatchObject({ identity: ann });
    await own.advance(1);
    expect(authenticate).toThrow(unauthorized);
  });

  test('is read from gRPC metadata as from HTTP headers', async () => {
    const metadata = new Metadata();
    metadata.set('authorization', 'Bearer good');
    const who = await authenticator.authenticate(shownBy({ metadata, getAuthContext: () => ({}) }));
    expect(who.identity.user).toBe('robot');
    const ann = authenticator.authenticate(
      shownBy({ metadata, getAuthContext: () => ({ sslPeerCertificate: certificate('ann') }) }),
    );
    expect(ann).toMatchObject({ identity: { user: 'ann' } });
  });
});

describe('a node’s certificate', () => {
  const uid = '1.3.6.1.4.1.57683.2';
  const node = (more: object = { [uid]: 'u1' }) =>
    certificate('system:node:n1', undefined, { O: 'system:nodes', ...more });
  const counting = (answer: (uid: string | undefined) => boolean | Promise<boolean>) =>
    new Authenticator({
      clock,
      authorizer: nobodyMay,
      tokens: [tokens({ good: robot })],
      nodes: { isGood: ({ name, uid: of }) => name === 'n1' && answer(of) },
    });

  test('counts while its enrollment does, whose uid is the user’s', async () => {
    const now = counting((of) => of === 'u1');
    expect(ask(now, { shown: node() })).toMatchObject({
      identity: { user: 'system:node:n1', uid: 'u1' },
      credential: { node: { name: 'n1', uid: 'u1' } },
    });
    expect(() => ask(now, { shown: node({ [uid]: 'u2' }) })).toThrow(unauthorized);
    const later = counting(async (of) => of === 'u1');
    expect(await ask(later, { shown: node() })).toMatchObject({ identity: { uid: 'u1' } });
    await expect(ask(later, { shown: node({}) })).rejects.toThrow(unauthorized);
    await expect(ask(later, { shown: node({}), headers: bearer('good') })).resolves.toMatchObject({
      identity: { user: 'robot' },
    });
  });

  test('is refused with two uids', () => {
    expect(
      ask(
        counting(() => true),
        { shown: node({ [uid]: ['u1', 'u2'] }) },
      ),
    ).toMatchObject({
      identity: { user: 'system:anonymous' },
    });
  });
});

test('a token is checked once in ten seconds, and once for all concurrent requests; an invalid one each time', async () => {
  const own = new VirtualClock(0);
  const known = tokens({ good: robot });
  const authenticator = new Authenticator({ clock: own, authorizer: nobodyMay, tokens: [known] });
  const good = async () => ask(authenticator, { headers: bearer('good') });
  await Promise.all([good(), good()]);
  await own.advance(9_000);
  await good();
  expect(known.asked).toEqual(['good']);
  await own.advance(2_000);
  await good();
  expect(known.asked).toEqual(['good', 'good']);
  const bad = async () => ask(authenticator, { headers: bearer('bad') });
  await expect(bad()).rejects.toThrow(unauthorized);
  await expect(bad()).rejects.toThrow(unauthorized);
  expect(known.asked.slice(2)).toEqual(['bad', 'bad']);
});

describe('impersonation', () => {
  const asked: Attributes[] = [];
  const everybodyMay: Authorizer = {
    authorize(_identity, attributes) {
      asked.push(attributes);
      return { allowed: true };
    },
  };
  const as = (headers: Record<string, string | string[]>, authorizer = everybodyMay) =>
    ask(new Authenticator({ clock, authorizer }), { shown: certificate('ann'), headers });

  test('makes the request one of the impersonated user, and records the original user', () => {
    const who = as({
      'impersonate-user': 'bob',
      'impersonate-group': ['devs', 'ops'],
      'impersonate-uid': 'u1',
      'impersonate-extra-example.com%2fscopes': ['a', 'b'],
    });
    expect(who).toEqual({
      identity: {
        user: 'bob',
        groups: ['devs', 'ops', 'system:authenticated'],
        uid: 'u1',
        extra: { 'example.com/scopes': ['a', 'b'] },
      },
      impersonator: ann,
      ...untilNewYear,
    });
    const group = 'authentication.k8s.io';
    const scope = { verb: 'impersonate', group, resource: 'userextras', subresource: 'example.com/scopes' };
    expect(asked).toEqual([
      { verb: 'impersonate', group: '', resource: 'users', name: 'bob' },
      { verb: 'impersonate', group: '', resource: 'groups', name: 'devs' },
      { verb: 'impersonate', group: '', resource: 'groups', name: 'ops' },
      { ...scope, name: 'a' },
      { ...scope, name: 'b' },
      { verb: 'impersonate', group, resource: 'uids', name: 'u1' },
    ]);
  });

  test('gives a service account its own groups, and only a named user the authenticated group', () => {
    expect(as({ 'impersonate-user': 'system:serviceaccount:default:ci' })).toMatchObject({
      identity: { groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'] },
    });
    expect(asked.at(-1)).toEqual({
      verb: 'impersonate',
      group: '',
      resource: 'serviceaccounts',
      namespace: 'default',
      name: 'ci',
    });
    expect(as({ 'impersonate-user': 'system:anonymous' })).toMatchObject({
      identity: { groups: ['system:unauthenticated'] },
    });
  });

  test('is forbidden in the words of Kubernetes, and needs a user', () => {
    const deny: Authorizer = { authorize: () => ({ allowed: false, reason: 'because' }) };
    expect(() => as({ 'impersonate-user': 'bob' }, deny)).toThrow(
      'users "bob" is forbidden: User "ann" cannot impersonate resource "users" in API group "" at the cluster scope: because',
    );
    expect(() => as({ 'impersonate-group': 'system:masters' })).toThrow('without impersonating a user');
  });

  test('works by gRPC metadata as well', () => {
    const metadata = new Metadata();
    metadata.set('impersonate-user', 'bob');
    metadata.add('impersonate-group', 'a');
    metadata.add('impersonate-group', 'b, c%2Cd');
    const who = new Authenticator({ clock, authorizer: everybodyMay }).authenticate(
      shownBy({ metadata, getAuthContext: () => ({ sslPeerCertificate: certificate('ann') }) }),
    );
    expect(who).toMatchObject({ identity: { user: 'bob', groups: ['a', 'b', 'c,d', 'system:authenticated'] } });
  });
});
