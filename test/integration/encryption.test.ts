import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runServer } from '../../control-plane/main.ts';
import { rotateSecretsKey } from '../../control-plane/secrets.ts';
import { sealedWith } from '../../control-plane/store/encryption/cipher.ts';
import { sealedPrefixes } from '../../control-plane/store/encryption/index.ts';
import type { EtcdStore } from '../../control-plane/store/etcd/etcd-store.ts';
import { hasEtcd, startTestEtcd, type TestEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { hasKubectl, kubectlProgram } from '../support/kubectl-program.ts';

const run = promisify(execFile);
const kubectlFound = hasKubectl();

/** Whole servers, of which two share an etcd and a data directory's root key. */
describe.skipIf(!hasEtcd() || !kubectlFound)('Secrets in etcd', () => {
  let etcd: TestEtcd;
  let raw: EtcdStore;
  let dir: string;
  const stop = new AbortController();
  let running: Promise<void>;

  const kubectl = async (...args: string[]): Promise<string> => {
    const { stdout } = await run(kubectlProgram, ['--kubeconfig', join(dir, 'admin.kubeconfig'), ...args]);
    return stdout;
  };
  const secrets = async (): Promise<string[]> => {
    const pages = await Promise.all(sealedPrefixes.map((prefix) => raw.list(prefix)));
    return pages.flatMap(({ items }) => items.map(({ value }) => value));
  };

  beforeAll(async () => {
    etcd = await startTestEtcd();
    raw = etcd.open();
    dir = await mkdtemp(join(tmpdir(), 'coracle-encryption-'));
    running = runServer(
      {
        dataDir: dir,
        etcdEndpoints: [etcd.endpoint],
        restListen: '127.0.0.1:0',
        grpcListen: '127.0.0.1:0',
        advertiseAddresses: ['127.0.0.1'],
        podCIDR: '10.64.0.0/16',
        serviceCIDR: '10.68.0.0/16',
        logLevel: 'silent',
      },
      stop.signal,
    );
    await eventually(() => kubectl('get', '--raw', '/readyz'), { timeoutMs: 30_000 });
  });
  afterAll(async () => {
    stop.abort();
    await running;
    await raw.close();
    await etcd.cleanup();
    await rm(dir, { recursive: true, force: true });
  });

  it('are encrypted in etcd, and readable for authorized users', async () => {
    await kubectl('create', 'secret', 'generic', 'mine', '--from-literal=password=very-hidden-indeed');
    const [value = ''] = await secrets();
    expect(sealedWith(value)).toMatch(/^[0-9a-f]{8}$/);
    const encoded = Buffer.from('very-hidden-indeed').toString('base64');
    expect(await kubectl('get', 'secret', 'mine', '-o', 'jsonpath={.data.password}')).toBe(encoded);
    const everything = (await raw.list('/')).items.map((item) => item.value).join('\n');
    expect(everything).not.toContain(encoded);
    expect(everything).not.toContain('very-hidden');
  });

  it('are encrypted with a new key by one command, beside a server that writes on', async () => {
    const before = new Set((await secrets()).map(sealedWith));
    const count = await rotateSecretsKey({ dataDir: dir, etcdEndpoints: [etcd.endpoint] }, stop.signal);
    expect(count).toBeGreaterThan(0);
    await kubectl('create', 'secret', 'generic', 'after', '--from-literal=a=b');
    await kubectl('patch', 'secret', 'mine', '-p', '{"stringData":{"more":"x"}}');
    const after = new Set((await secrets()).map(sealedWith));
    expect(after.size).toBe(1);
    expect([...after].filter((id) => before.has(id))).toEqual([]);
    expect(await kubectl('get', 'secret', 'mine', '-o', 'jsonpath={.data.more}')).toBe('eA==');
    expect(await kubectl('get', 'secrets', '-o', 'name')).toBe('secret/after\nsecret/mine\n');
  });
});
