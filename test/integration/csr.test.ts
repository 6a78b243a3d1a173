import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type KubectlCluster, startKubectlCluster } from '../support/kubectl-cluster.ts';

let cluster: KubectlCluster;
let run: KubectlCluster['run'];

beforeAll(async () => {
  cluster = await startKubectlCluster();
  run = cluster.run;
}, 30_000);
afterAll(() => cluster?.close());

const within = { timeoutMs: 10_000 };
const client = 'kubernetes.io/kube-apiserver-client';
const nodeClient = 'kubernetes.io/kube-apiserver-client-kubelet';
const serving = 'kubernetes.io/kubelet-serving';

interface Wanted {
  readonly subject: x509.JsonName;
  readonly names?: x509.JsonGeneralNames;
  readonly rsa?: boolean;
}

async function request({ subject, names, rsa = false }: Wanted): Promise<{ pem: string; key: string }> {
  const algorithm = rsa
    ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }
    : { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const made = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subject,
    keys,
    signingAlgorithm: algorithm,
    extensions: names ? [new x509.SubjectAlternativeNameExtension(names)] : [],
  });
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { pem: made.toString('pem'), key };
}

function csr(name: string, pem: string, spec: object) {
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: { request: Buffer.from(pem).toString('base64'), ...spec },
  };
}

async function statusOf(name: string) {
  return JSON.parse(await run('get', 'csr', name, '-o', 'json')).status ?? {};
}

function issued(name: string): Promise<X509Certificate> {
  return eventually(async () => {
    const { certificate } = await statusOf(name);
    return certificate && new X509Certificate(Buffer.from(certificate, 'base64'));
  }, within);
}

function failure(name: string): Promise<{ reason: string; message: string }> {
  return eventually(async () => {
    const { conditions = [] } = await statusOf(name);
    return conditions.find(({ type }: { type: string }) => type === 'Failed');
  }, within);
}

describe('kubectl certificate', () => {
  it.each([
    ['ECDSA', false],
    ['RSA', true],
  ])('approve makes of a key (%s) a user who may log in by it', async (kind, rsa) => {
    const name = `jane-${kind.toLowerCase()}`;
    const { pem, key } = await request({ subject: [{ O: ['devs'] }, { CN: [name] }], rsa });
    const spec = { signerName: client, usages: ['client auth'], expirationSeconds: 3600 };
    await cluster.create(csr(name, pem, spec));
    expect(await run('get', 'csr', name, '--no-headers')).toMatch(
      /kube-apiserver-client\s+kubernetes-admin\s+60m\s+Pending/,
    );
    expect(await run('certificate', 'approve', name)).toContain(
      `certificatesigningrequest.certificates.k8s.io/${name} approved`,
    );
    const certificate = await issued(name);
    expect(await run('get', 'csr', name, '--no-headers')).toMatch(/Approved,Issued/);
    const life = Date.parse(certificate.validTo) - Date.now();
    expect(life).toBeGreaterThan(3_500_000);
    expect(life).toBeLessThanOrEqual(3_600_000);
    const files = { crt: join(cluster.kubectl.dir, `${name}.crt`), key: join(cluster.kubectl.dir, `${name}.key`) };
    await writeFile(files.crt, certificate.toString());
    await writeFile(files.key, key, { mode: 0o600 });
    const flags = [`--client-certificate=${files.crt}`, `--client-key=${files.key}`];
    const { out, err } = await cluster.as(flags, 'auth', 'whoami', '-o', 'json');
    expect(err).toBe('');
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    expect(JSON.parse(out).status.userInfo).toEqual({
      username: name,
      groups: ['devs', 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
    });
  });

  it('deny lets no certificate be made, whatever comes after', async () => {
    const { pem } = await request({ subject: [{ CN: ['mallory'] }] });
    await cluster.create(csr('mallory', pem, { signerName: client, usages: ['client auth'] }));
    await run('certificate', 'deny', 'mallory');
    expect(await run('get', 'csr', 'mallory', '--no-headers')).toMatch(/Denied/);
    const { err } = await cluster.kubectl.run(['certificate', 'approve', 'mallory']);
    expect(err).toContain('is already Denied');
    expect((await statusOf('mallory')).certificate).toBeUndefined();
  });

  it('approve requires the permission for that signer', async () => {
    const { pem } = await request({ subject: [{ CN: ['eve'] }] });
    await cluster.create(csr('eve', pem, { signerName: client, usages: ['client auth'] }));
    await run('create', 'serviceaccount', 'approver');
    const resources = ['--resource=certificatesigningrequests,certificatesigningrequests/approval'];
    await run('create', 'clusterrole', 'looks', '--verb=get,list,update', ...resources);
    const account = '--serviceaccount=default:approver';
    await run('create', 'clusterrolebinding', 'approver-looks', '--clusterrole=looks', account);
    const flags = [`--token=${(await run('create', 'token', 'approver')).trim()}`];
    const refused = await eventually(async () => {
      const { err } = await cluster.as(flags, 'certificate', 'approve', 'eve');
      return err.includes('not permitted') && err;
    }, within);
    expect(refused).toContain(`user not permitted to approve requests with signerName "${client}"`);
    const role = 'system:certificates.k8s.io:kube-apiserver-client-approver';
    await run('create', 'clusterrolebinding', 'approver-approves', `--clusterrole=${role}`, account);
    await eventually(async () => (await cluster.as(flags, 'certificate', 'approve', 'eve')).code === 0, within);
    await issued('eve');
  });
});

describe('the signers', () => {
  it('say in a condition what is wrong with a request', async () => {
    const { pem } = await request({ subject: [{ CN: ['x'] }] });
    const cases: [string, object, string][] = [
      [
        'serves',
        { signerName: client, usages: ['client auth', 'server auth'] },
        'invalid usage for client certificate: server auth',
      ],
      [
        'no-node',
        { signerName: nodeClient, usages: ['client auth', 'digital signature'] },
        'subject organization is not system:nodes',
      ],
    ];
    for (const [name, spec, message] of cases) {
      await cluster.create(csr(name, pem, spec));
      await run('certificate', 'approve', name);
      expect(await failure(name)).toMatchObject({ reason: 'SignerValidationFailure', message });
      expect(await run('get', 'csr', name, '--no-headers')).toMatch(/Approved,Failed/);
    }
  });

  it('give a node’s server its names', async () => {
    const subject: x509.JsonName = [{ O: ['system:nodes'] }, { CN: ['system:node:n1'] }];
    const names: x509.JsonGeneralNames = [
      { type: 'dns', value: 'n1.example' },
      { type: 'ip', value: '10.0.0.7' },
    ];
    const { pem } = await request({ subject, names });
    await cluster.create(csr('serving', pem, { signerName: serving, usages: ['digital signature', 'server auth'] }));
    await run('certificate', 'approve', 'serving');
    const certificate = await issued('serving');
    expect(certificate.subjectAltName).toBe('DNS:n1.example, IP Address:10.0.0.7');
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(certificate.checkIssued(new X509Certificate(cluster.authority.certificate))).toBe(true);
    const nameless = await request({ subject });
    await cluster.create(
      csr('nameless', nameless.pem, { signerName: serving, usages: ['digital signature', 'server auth'] }),
    );
    await run('certificate', 'approve', 'nameless');
    expect((await failure('nameless')).message).toBe('DNS or IP subjectAltName is required');
  });

  it('leave the requests of others alone', async () => {
    const { pem } = await request({ subject: [{ CN: ['x'] }] });
    await cluster.create(csr('foreign', pem, { signerName: 'example.com/own', usages: ['client auth'] }));
    await run('certificate', 'approve', 'foreign');
    const { pem: own } = await request({ subject: [{ CN: ['y'] }] });
    await cluster.create(csr('after', own, { signerName: client, usages: ['client auth'] }));
    await run('certificate', 'approve', 'after');
    await issued('after');
    expect((await statusOf('foreign')).certificate).toBeUndefined();
  });
});

describe('a machine that bootstraps', () => {
  it('has its client certificate approved by itself where bootstrappers may', async () => {
    await cluster.create({
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'bootstrap.kubernetes.io/token',
      metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
      stringData: {
        'token-id': 'abcdef',
        'token-secret': '0123456789abcdef',
        'usage-bootstrap-authentication': 'true',
      },
    });
    const bind = (name: string, role: string) =>
      run('create', 'clusterrolebinding', name, `--clusterrole=${role}`, '--group=system:bootstrappers');
    await bind('bootstrap', 'system:node-bootstrapper');
    await bind('approve', 'system:certificates.k8s.io:certificatesigningrequests:nodeclient');
    const { pem } = await request({ subject: [{ O: ['system:nodes'] }, { CN: ['system:node:n2'] }] });
    const object = csr('n2', pem, { signerName: nodeClient, usages: ['digital signature', 'client auth'] });
    const file = join(cluster.kubectl.dir, 'n2.json');
    await writeFile(file, JSON.stringify(object));
    const flags = ['--token=abcdef.0123456789abcdef'];
    await eventually(async () => (await cluster.as(flags, 'create', '-f', file)).code === 0, within);
    const certificate = await issued('n2');
    expect(certificate.subject).toMatch(
      /^1\.3\.6\.1\.4\.1\.57683\.2=[-0-9a-f]{36}\nO=system:nodes\nCN=system:node:n2$/,
    );
    const { conditions } = await statusOf('n2');
    expect(conditions).toMatchObject([
      {
        type: 'Approved',
        status: 'True',
        reason: 'AutoApproved',
        message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
      },
    ]);
  });
});
