import type { PeerCertificate, TLSSocket } from 'node:tls';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import type { Attributes, Authorizer, Identity } from '../identity.ts';
import { Authenticator, type TokenAuthenticator } from './authenticator.ts';

const clock = new VirtualClock(Date.parse('2026-06-01T00:00:00Z'));
const nobodyMay: Authorizer = { authorize: () => ({ allowed: false, reason: 'no' }) };

function certificate(user: string, validTo = '2027-01-01T00:00:00Z'): PeerCertificate {
  const subject = { CN: user, O: ['team'] };
  const time = { valid_from: '2026-01-01T00:00:00Z', valid_to: validTo };
  return { raw: Buffer.from('x'), fingerprint256: 'AB:0C', subject, ...time } as never;
}

/** Who shows `certificate('ann')`. */
const ann: Identity = {
  user: 'ann',
  groups: ['team', 'system:authenticated'],
  extra: { 'authentication.kubernetes.io/credential-id': ['X509SHA256=ab0c'] },
};

function request(parts: { shown?: PeerCertificate; trusted?: boolean; headers?: Record<string, string | string[]> }) {
  const { shown, trusted = shown !== undefined, headers = {} } = parts;
  const socket = { authorized: trusted, getPeerCertificate: () => shown ?? {} } as unknown as TLSSocket;
  const joined = Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')]);
  const distinct = Object.entries(headers).map(([name, value]) => [name, [value].flat()]);
  return { socket, headers: Object.fromEntries(joined), headersDistinct: Object.fromEntries(distinct) };
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

describe('who asks', () => {
  const known = tokens({ good: robot });
  const authenticator = new Authenticator({ clock, authorizer: nobodyMay, tokens: [tokens({}), known] });

  test('is the certificate’s holder, at once, even when a token is shown as well', () => {
    expect(authenticator.ofRequest(request({ shown: certificate('ann') }))).toEqual({ identity: ann });
    const both = request({ shown: certificate('ann'), headers: bearer('bad') });
    expect(authenticator.ofRequest(both)).toEqual({ identity: ann });
  });

  test('is else the token’s holder, with the group of all who have a name', async () => {
    const who = await authenticator.ofRequest(request({ headers: bearer('good') }));
    expect(who).toEqual({ identity: { user: 'robot', groups: ['machines', 'system:authenticated'] } });
    const protocol = `v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.${Buffer.from('good').toString('base64url')}`;
    const socket = request({ headers: { 'sec-websocket-protocol': protocol } });
    expect(await authenticator.ofRequest(socket)).toEqual(who);
  });

  test('is anonymous without either', () => {
    const anonymous = { identity: { user: 'system:anonymous', groups: ['system:unauthenticated'] } };
    expect(authenticator.ofRequest(request({}))).toEqual(anonymous);
    expect(authenticator.ofRequest(request({ headers: { authorization: 'Basic abc' } }))).toEqual(anonymous);
  });

  test('is refused with a bad token, and with a certificate that is not ours or out of its time', async () => {
    await expect(authenticator.ofRequest(request({ headers: bearer('bad') }))).rejects.toThrow(unauthorized);
    expect(() => authenticator.ofRequest(request({ shown: certificate('ann'), trusted: false }))).toThrow(unauthorized);
    const late = request({ shown: certificate('ann', '2026-05-01T00:00:00Z') });
    expect(() => authenticator.ofRequest(late)).toThrow(unauthorized);
  });

  test('is told by gRPC metadata as by HTTP headers', async () => {
    const metadata = new Metadata();
    metadata.set('authorization', 'Bearer good');
    const who = await authenticator.ofCall({ metadata, getAuthContext: () => ({}) });
    expect(who.identity.user).toBe('robot');
    const ann = authenticator.ofCall({
      metadata,
      getAuthContext: () => ({ sslPeerCertificate: certificate('ann') }),
    });
    expect(ann).toMatchObject({ identity: { user: 'ann' } });
  });
});

test('a token is looked at once in ten seconds, and once for all who show it at a time; a bad one each time', async () => {
  const own = new VirtualClock(0);
  const known = tokens({ good: robot });
  const authenticator = new Authenticator({ clock: own, authorizer: nobodyMay, tokens: [known] });
  const ask = async () => authenticator.ofRequest(request({ headers: bearer('good') }));
  await Promise.all([ask(), ask()]);
  await own.advance(9_000);
  await ask();
  expect(known.asked).toEqual(['good']);
  await own.advance(2_000);
  await ask();
  expect(known.asked).toEqual(['good', 'good']);
  const bad = async () => authenticator.ofRequest(request({ headers: bearer('bad') }));
  await expect(bad()).rejects.toThrow(unauthorized);
  await expect(bad()).rejects.toThrow(unauthorized);
  expect(known.asked.slice(2)).toEqual(['bad', 'bad']);
});

describe('acting as somebody else', () => {
  const asked: Attributes[] = [];
  const everybodyMay: Authorizer = {
    authorize(_identity, attributes) {
      asked.push(attributes);
      return { allowed: true };
    },
  };
  const as = (headers: Record<string, string | string[]>, authorizer = everybodyMay) =>
    new Authenticator({ clock, authorizer }).ofRequest(request({ shown: certificate('ann'), headers }));

  test('makes the request that of the other, and keeps who sent it', () => {
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

  test('gives a service account its own groups, and nobody a name that he has not', () => {
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
    const who = new Authenticator({ clock, authorizer: everybodyMay }).ofCall({
      metadata,
      getAuthContext: () => ({ sslPeerCertificate: certificate('ann') }),
    });
    expect(who).toMatchObject({ identity: { user: 'bob', groups: ['a', 'b', 'c,d', 'system:authenticated'] } });
  });
});
