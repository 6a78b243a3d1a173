import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemRandom } from '../random.ts';
import { VirtualClock } from '../virtual-clock.ts';
import {
  authorityHash,
  createAuthority,
  createSigningRequest,
  loadAuthority,
  readNodeRequest,
  shouldRenew,
  validityOf,
} from './certificates.ts';
import { loadAuthorityFrom, loadOrCreateAuthority, readKeyPair, writeFileAtomic, writeKeyPair } from './files.ts';
import { readKubeconfig, writeKubeconfig } from './kubeconfig.ts';

const day = 24 * 60 * 60 * 1000;
const clock = new VirtualClock(Date.UTC(2026, 10, 22));
const deps = { clock, random: systemRandom };
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-pki-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('the authority', () => {
  test('issues server certificates for exactly the requested names and addresses', async () => {
    const authority = await loadAuthority(await createAuthority('test-ca', deps), deps);
    const { certificate } = await authority.issueServer({ commonName: 'api', names: ['api.local', '10.0.0.1', '::1'] });
    const parsed = new X509Certificate(certificate);
    expect(parsed.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true);
    expect(parsed.checkHost('api.local')).toBe('api.local');
    expect(parsed.checkIP('10.0.0.1')).toBe('10.0.0.1');
    expect(parsed.checkIP('::1')).toBe('::1');
    expect(parsed.checkHost('other.local')).toBeUndefined();
    expect(parsed.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(parsed.ca).toBe(false);
  });

  test('issues client certificates with the user as CN and each group as O', async () => {
    const authority = await loadAuthority(await createAuthority('test-ca', deps), deps);
    const { certificate } = await authority.issueClient({ user: 'ann', groups: ['dev', 'system:masters'] });
    const parsed = new X509Certificate(certificate);
    expect(parsed.subject.split('\n')).toEqual(['O=dev', 'O=system:masters', 'CN=ann']);
    expect(parsed.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  });

  test('signs a request with its own name, not the requested one', async () => {
    const authority = await loadAuthority(await createAuthority('test-ca', deps), deps);
    const { request } = await createSigningRequest({ user: 'root', groups: ['system:masters'] });
    const signed = await authority.signClient(readNodeRequest(request), {
      user: 'system:node:a',
      groups: ['system:nodes'],
    });
    expect(new X509Certificate(signed).subject.split('\n')).toEqual(['O=system:nodes', 'CN=system:node:a']);
  });

  test('never signs beyond its own life', async () => {
    const authority = await loadAuthority(await createAuthority('test-ca', deps), deps);
    const { certificate } = await authority.issueClient({ user: 'ann', groups: [] }, 100_000 * day);
    expect(validityOf(certificate).notAfter).toBeLessThanOrEqual(validityOf(authority.certificate).notAfter);
  });

  test('refuses a key that is not its own', async () => {
    const [a, b] = [await createAuthority('a', deps), await createAuthority('b', deps)];
    await expect(loadAuthority({ certificate: a.certificate, key: b.key }, deps)).rejects.toThrow('is not the key');
  });
});

test('a signing request that was tampered with is refused', async () => {
  const { request } = await createSigningRequest({ user: 'system:node:a', groups: ['system:nodes'] });
  const der = Buffer.from(request.replace(/-----.*-----|\s/g, ''), 'base64');
  const at = der.indexOf('system:node:a');
  der.write('system:node:b', at);
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
  expect(() => readNodeRequest(forged)).toThrow('not signed by its own key');
  expect(() => readNodeRequest('nonsense')).toThrow('PEM block');
});

test('a certificate is renewed after two thirds of its life', async () => {
  const authority = await loadAuthority(await createAuthority('test-ca', deps), deps);
  const { certificate } = await authority.issueClient({ user: 'ann', groups: [] }, 30 * day);
  const validity = validityOf(certificate);
  expect(shouldRenew(validity, clock.now() + 19 * day)).toBe(false);
  expect(shouldRenew(validity, clock.now() + 21 * day)).toBe(true);
});

describe('on disk', () => {
  test('two that start at once share one authority, whose key only its owner may read', async () => {
    const home = join(dir, 'shared');
    const [a, b] = await Promise.all([
      loadOrCreateAuthority(home, 'test-ca', deps),
      loadOrCreateAuthority(home, 'test-ca', deps),
    ]);
    expect(a.hash).toBe(b.hash);
    expect((await loadAuthorityFrom(home, deps)).hash).toBe(a.hash);
    expect(authorityHash(a.certificate)).toBe(a.hash);
    expect((await stat(join(home, 'ca.pem'))).mode & 0o777).toBe(0o600);
    expect((await readdir(home)).sort()).toEqual(['ca.crt', 'ca.pem']);
  });

  test('a broken authority is not silently replaced by a new one', async () => {
    const home = join(dir, 'broken');
    await loadOrCreateAuthority(home, 'test-ca', deps);
    await writeFile(join(home, 'ca.pem'), '');
    await expect(loadOrCreateAuthority(home, 'test-ca', deps)).rejects.toThrow('has no CERTIFICATE');
  });

  test('a key pair reads back as written, its key private', async () => {
    await writeKeyPair(dir, 'node', { certificate: 'C', key: 'K' }, systemRandom);
    expect(await readKeyPair(dir, 'node')).toEqual({ certificate: 'C', key: 'K' });
    expect(await readKeyPair(dir, 'nobody')).toBeUndefined();
    expect((await stat(join(dir, 'node.key'))).mode & 0o777).toBe(0o600);
  });

  test('an atomic write replaces the file and its mode and leaves nothing else', async () => {
    const path = join(dir, 'once.txt');
    await writeFile(path, 'old', { mode: 0o644 });
    await writeFileAtomic(path, 'new', systemRandom);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await readdir(dir)).filter((name) => name.startsWith('once.txt'))).toEqual(['once.txt']);
  });
});

test('a kubeconfig reads back, with the gRPC address in an extension of the cluster', () => {
  const access = {
    cluster: 'coracle',
    user: 'ann',
    rest: 'https://127.0.0.1:6443',
    grpc: '127.0.0.1:6444',
    ca: 'CA\n',
    credentials: { certificate: 'CERT\n', key: 'KEY\n' },
  };
  const text = writeKubeconfig(access);
  expect(readKubeconfig(text, () => '')).toEqual(access);
  expect(() => readKubeconfig(text, () => '', 'other')).toThrow('no context "other"');
  expect(() => readKubeconfig('', () => '')).toThrow('no context');
});
