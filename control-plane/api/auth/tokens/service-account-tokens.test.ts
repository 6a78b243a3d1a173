import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Node, Pod, ServiceAccount } from '../../../../shared/generated/types.ts';
import { seededRandom, systemRandom } from '../../../../shared/random.ts';
import { VirtualClock } from '../../../../shared/virtual-clock.ts';
import { signToken, tokenKey, verifiedClaims } from './jwt.ts';
import { loadTokenKeys, newKey, type TokenKeys, tokenKeysOf } from './keys.ts';
import type { Objects } from './objects.ts';
import { ServiceAccountTokens } from './service-account-tokens.ts';

const minute = 60_000;
const issuer = 'https://issuer.example';

let clock: VirtualClock;
let cached: Map<string, unknown>;
let stored: Map<string, unknown>;
let keys: TokenKeys;
let tokens: ServiceAccountTokens;

const objects = {
  cached: (kind: string, name: string) => cached.get(`${kind} ${name}`),
  fresh: async (kind: string, name: string) => stored.get(`${kind} ${name}`),
} as Objects;

const account = put({ kind: 'ServiceAccount' }) as ServiceAccount;

function put({ kind, name = 'x', uid = `uid-${kind}` }: { kind: string; name?: string; uid?: string }): unknown {
  return { kind, metadata: { name, namespace: 'default', uid, resourceVersion: '1', creationTimestamp: '' } };
}

beforeEach(() => {
  clock = new VirtualClock();
  cached = new Map([['ServiceAccount x', account]]);
  stored = new Map(cached);
  keys = tokenKeysOf();
  tokens = new ServiceAccountTokens({ keys, issuer, objects, clock, random: seededRandom(1) });
});

async function issue(bound = {}, life = 600): Promise<string> {
  return (await tokens.issue(account, bound, [issuer], life)).token;
}

const check = (token: string) => tokens.review(token, [issuer]);

describe('a token of a service account', () => {
  it('is valid until its expiration, with a tolerance for clock differences', async () => {
    const token = await issue();
    await clock.advance(10 * minute + 59_000);
    expect((await check(token))?.identity.user).toBe('system:serviceaccount:default:x');
    await clock.advance(2_000);
    await expect(check(token)).rejects.toThrow('service account token has expired');
  });

  it('is valid when its pod is too new for the cache, and invalid when its pod was replaced', async () => {
    const pod = put({ kind: 'Pod' }) as Pod;
    const token = await issue({ pod });
    stored.set('Pod x', pod);
    expect((await check(token))?.identity.extra).toMatchObject({
      'authentication.kubernetes.io/pod-name': ['x'],
      'authentication.kubernetes.io/pod-uid': ['uid-Pod'],
    });
    stored.set('Pod x', put({ kind: 'Pod', uid: 'another' }));
    await expect(check(token)).rejects.toThrow(
      'pod UID (another) does not match service account pod ref claim (uid-Pod)',
    );
    stored.delete('Pod x');
    await expect(check(token)).rejects.toThrow('service account token has been invalidated');
  });

  it('bound to a pod names its node and does not end with it; one bound to a node does', async () => {
    const [pod, node] = [put({ kind: 'Pod' }) as Pod, put({ kind: 'Node' }) as Node];
    stored.set('Pod x', pod);
    const identity = (await check(await issue({ pod, node })))?.identity;
    expect(identity?.extra?.['authentication.kubernetes.io/node-name']).toEqual(['x']);
    await expect(check(await issue({ node }))).rejects.toThrow('service account token has been invalidated');
  });

  it('is valid for a minute after the deletion of its object was requested', async () => {
    const pod = put({ kind: 'Pod' }) as Pod;
    pod.metadata.deletionTimestamp = new Date(clock.now()).toISOString();
    stored.set('Pod x', pod);
    const token = await issue({ pod });
    await clock.advance(59_000);
    expect(await check(token)).toBeDefined();
    await clock.advance(2_000);
    await expect(check(token)).rejects.toThrow('service account token has been invalidated');
  });

  it('is invalid when it was changed, signed by another key, or names another algorithm', async () => {
    const token = await issue();
    const [head = '', body = '', signature = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const forgeries = [
      `${head}.${encode({ ...claims, sub: 'system:serviceaccount:kube-system:root' })}.${signature}`,
      `${encode({ alg: 'none' })}.${body}.`,
      `${encode({ alg: 'HS256', kid: keys.newest.id })}.${body}.${signature}`,
      await signToken(tokenKeysOf().newest, claims),
      `${token}.${signature}`,
      `${head}.${body}.`,
    ];
    for (const forgery of forgeries) expect(await check(forgery)).toBeUndefined();
    expect(await check(token)).toBeDefined();
  });

  it('with claims for another service account is invalid', async () => {
    const claims = await verifiedClaims(await issue(), keys.all);
    const other = await signToken(keys.newest, { ...claims, sub: 'system:serviceaccount:kube-system:root' });
    expect(await check(other)).toBeUndefined();
  });
});

describe('the keys', () => {
  it('are created once, readable by their owner only; the newest signs, older ones still verify', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'coracle-keys-'));
    try {
      const deps = { clock, random: systemRandom };
      const first = await loadTokenKeys(dir, deps);
      const again = await loadTokenKeys(dir, deps);
      expect(again.newest.id).toBe(first.newest.id);
      const [file = ''] = await readdir(dir);
      expect((await stat(join(dir, file))).mode & 0o777).toBe(0o600);
      const old = await signToken(first.newest, { a: 1 });
      await writeFile(join(dir, '99990101T000000Z.key'), newKey());
      const next = await loadTokenKeys(dir, deps);
      expect(next.newest.id).not.toBe(first.newest.id);
      expect(await verifiedClaims(old, next.all)).toEqual({ a: 1 });
      await first.reload();
      expect(await verifiedClaims(await signToken(next.newest, { a: 2 }), first.all)).toEqual({ a: 2 });
      expect(first.newest.id).toBe((await loadTokenKeys(dir, deps)).all[0]?.id);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('may be RSA as well, but not weak or of an unknown type', async () => {
    const rsa = tokenKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
    expect(rsa.algorithm).toBe('RS256');
    expect(await verifiedClaims(await signToken(rsa, { a: 1 }), [rsa])).toEqual({ a: 1 });
    const { privateKey } = generateKeyPairSync('ed25519');
    const { privateKey: weak } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    expect(() => tokenKey(weak)).toThrow('of at least 2048 bits');
    expect(() => tokenKey(privateKey)).toThrow('must be ECDSA P-256 or RSA');
  });
});
