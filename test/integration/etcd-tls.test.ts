import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EtcdTls } from '../../control-plane/store/etcd/client.ts';
import { EtcdStore } from '../../control-plane/store/etcd/etcd-store.ts';
import { systemClock as clock } from '../../shared/clock.ts';
import { isApiError } from '../../shared/errors.ts';
import { silentLog as log } from '../../shared/log.ts';
import { createAuthority, loadAuthority } from '../../shared/pki/certificates.ts';
import { systemRandom as random } from '../../shared/random.ts';
import { hasEtcd, startTestEtcd, type TestEtcd } from '../support/etcd.ts';

describe.skipIf(!hasEtcd())('an etcd that wants TLS and client certificates', () => {
  let dir: string;
  let tls: EtcdTls;
  let etcd: TestEtcd | undefined;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coracle-tls-'));
    const authority = await loadAuthority(await createAuthority('test-ca', { clock, random }), { clock, random });
    const server = await authority.issueServer({ commonName: 'etcd', names: ['127.0.0.1', 'localhost'] });
    const client = await authority.issueClient({ user: 'coracle', groups: [] });
    const files = { ca: authority.certificate, cert: server.certificate, key: server.key };
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text, { mode: 0o600 });
    tls = { ca: Buffer.from(files.ca), cert: Buffer.from(client.certificate), key: Buffer.from(client.key) };
    const flags = [
      `--cert-file=${dir}/cert`,
      `--key-file=${dir}/key`,
      `--trusted-ca-file=${dir}/ca`,
      '--client-cert-auth',
      '--enable-grpc-gateway=false',
    ];
    etcd = await startTestEtcd({ flags, tls });
  });
  afterAll(async () => {
    await etcd?.cleanup();
    await rm(dir, { recursive: true, force: true });
  });

  it('serves reads, writes, watches and leases to a store with a certificate', async () => {
    const store = etcd?.open();
    if (!store) throw new Error('no etcd');
    const { revision } = await store.get('/test/a');
    const lease = await store.grantLease(60);
    await store.txn({ guards: [], writes: [{ type: 'put', key: '/test/a', value: 'x', lease }] });
    expect(await store.keepAlive(lease)).toBe(true);
    for await (const batch of store.watch('/test/', revision, AbortSignal.timeout(5000))) {
      expect(batch.events).toMatchObject([{ type: 'put', item: { key: '/test/a', value: 'x' } }]);
      break;
    }
    await store.close();
  });

  it('refuses a store without one, in time', async () => {
    const endpoints = [etcd?.endpoint ?? ''];
    const store = new EtcdStore({ endpoints, tls: { ca: tls.ca }, clock, random, log, timeoutMs: 500 });
    const refusal = await store.get('/test/a').catch((error: unknown) => error);
    // On a busy machine the time may be up before the handshake is refused.
    expect(isApiError(refusal, 'ServiceUnavailable', 'Timeout')).toBe(true);
    await store.close();
  });
});
