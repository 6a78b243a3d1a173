import { writeFile } from 'node:fs/promises';
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

function as(token: string, ...args: string[]) {
  return cluster.as([`--token=${token}`], ...args);
}

function claimsOf(token: string) {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}

async function review(token: string, audiences?: string[]) {
  const spec = { token, audiences };
  const answer = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec };
  return JSON.parse(await cluster.create(answer, '-o', 'json')).status;
}

async function json(...args: string[]) {
  return JSON.parse(await run(...args, '-o', 'json'));
}

describe('kubectl create token', () => {
  it('gives a token that its account is known by, and that may do what the account may', async () => {
    await run('create', 'serviceaccount', 'robot');
    await run('create', 'rolebinding', 'robot-views', '--clusterrole=view', '--serviceaccount=default:robot');
    const token = (await run('create', 'token', 'robot')).trim();
    const { out } = await as(token, 'auth', 'whoami', '-o', 'json');
    const { userInfo } = JSON.parse(out).status;
    const account = await json('get', 'serviceaccount', 'robot');
    expect(userInfo).toEqual({
      username: 'system:serviceaccount:default:robot',
      uid: account.metadata.uid,
      groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${claimsOf(token).jti}`] },
    });
    await eventually(async () => (await as(token, 'get', 'pods')).code === 0, within);
    const refused = await as(token, 'get', 'secrets');
    expect(refused.err).toContain(
      'secrets is forbidden: User "system:serviceaccount:default:robot" cannot list resource "secrets" in API group "" in the namespace "default"',
    );
  });

  it('has the requested duration and audiences', async () => {
    await run('create', 'serviceaccount', 'choosy');
    const short = await cluster.kubectl.run(['create', 'token', 'choosy', '--duration=5m']);
    expect(short.err).toContain(
      'spec.expirationSeconds: Invalid value: 300: may not specify a duration less than 10 minutes',
    );
    const flags = ['--duration=20m', '--audience=vault', '--audience=other'];
    const token = (await run('create', 'token', 'choosy', ...flags)).trim();
    const claims = claimsOf(token);
    expect(claims).toMatchObject({ aud: ['vault', 'other'], sub: 'system:serviceaccount:default:choosy' });
    expect(claims.exp - claims.iat).toBe(1200);
    expect((await as(token, 'auth', 'whoami')).err).toContain('Unauthorized');
    const { error } = await review(token);
    expect(error).toContain('token audiences ["vault" "other"] is invalid for the target audiences');
    expect(await review(token, ['other', 'third'])).toMatchObject({ authenticated: true, audiences: ['other'] });
  });

  it('binds the token to an object: it ends with that, and with its account', async () => {
    await run('create', 'serviceaccount', 'bound');
    await run('create', 'secret', 'generic', 'anchor');
    const bound = ['--bound-object-kind=Secret', '--bound-object-name=anchor'];
    const wrong = await cluster.kubectl.run(['create', 'token', 'bound', ...bound, '--bound-object-uid=other']);
    expect(wrong.err).toContain('the UID in the bound object reference (other) does not match the UID in record');
    const token = (await run('create', 'token', 'bound', ...bound)).trim();
    const free = (await run('create', 'token', 'bound')).trim();
    expect((await review(token)).authenticated).toBe(true);
    await run('delete', 'secret', 'anchor');
    expect((await review(token)).error).toBe('[invalid bearer token, service account token has been invalidated]');
    expect((await review(free)).authenticated).toBe(true);
    await run('delete', 'serviceaccount', 'bound');
    await run('create', 'serviceaccount', 'bound');
    expect((await review(free)).error).toMatch(/service account UID \(.*\) does not match claim \(.*\)/);
  });

  it('is for nodes only when it is for a pod that they run', async () => {
    const pair = await cluster.authority.issueClient({ user: 'system:node:n1', groups: ['system:nodes'] });
    const files = ['crt', 'key'].map((ending) => `${cluster.kubectl.dir}/n1.${ending}`);
    const [crt = '', key = ''] = files;
    await writeFile(crt, pair.certificate);
    await writeFile(key, pair.key, { mode: 0o600 });
    const ask = (account: string, ...flags: string[]) =>
      cluster.as([`--client-certificate=${crt}`, `--client-key=${key}`], 'create', 'token', account, ...flags);
    await run('create', 'serviceaccount', 'walker');
    const containers = [{ name: 'app', image: 'x' }];
    for (const [name, nodeName] of [
      ['here', 'n1'],
      ['there', 'n2'],
    ]) {
      // Whoever has no node is soon deleted; nobody keeps these nodes alive either.
      await cluster.create({ apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } });
      const tolerations = [{ operator: 'Exists' }];
      const spec = { nodeName, serviceAccountName: 'walker', containers, tolerations };
      await cluster.create({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec });
    }
    const uid = (name: string) => run('get', 'pod', name, '-o', 'jsonpath={.metadata.uid}');
    const bound = async (name: string) => [
      '--bound-object-kind=Pod',
      `--bound-object-name=${name}`,
      `--bound-object-uid=${await uid(name)}`,
    ];
    const here = await bound('here');
    const { out } = await eventually(async () => {
      const answer = await ask('walker', ...here);
      return answer.code === 0 && answer;
    }, within);
    expect(claimsOf(out)['kubernetes.io'].pod.name).toBe('here');
    const refusals: [string[], string][] = [
      [[], 'node requested token not bound to a pod'],
      [here.slice(0, 2), 'node requested token with a pod binding without a uid'],
      [await bound('there'), 'node requested token bound to a pod scheduled on a different node'],
    ];
    for (const [flags, why] of refusals) expect((await ask('walker', ...flags)).err).toContain(why);
    expect((await ask('default', ...here)).err).toContain("no relationship found between node 'n1' and this object");
    await run('delete', 'pod/here', 'pod/there', 'node/n1', 'node/n2', '--grace-period=0', '--force');
  });

  it('names what is missing', async () => {
    const account = await cluster.kubectl.run(['create', 'token', 'nobody']);
    expect(account.err).toContain('serviceaccounts "nobody" not found');
    const pod = ['create', 'token', 'default', '--bound-object-kind=Pod', '--bound-object-name=ghost'];
    expect((await cluster.kubectl.run(pod)).err).toContain('pods "ghost" not found');
  });
});

describe('a token', () => {
  it('that is invalid is refused, and is never treated as anonymous', async () => {
    const forged = `${(await run('create', 'token', 'default')).trim().split('.').slice(0, 2).join('.')}.AAAA`;
    for (const token of ['rubbish', 'a.b.c', forged]) {
      expect((await as(token, 'get', '--raw', '/version')).err).toContain('Unauthorized');
      expect(await review(token)).toEqual({ user: {}, error: 'invalid bearer token' });
    }
  });

  it('can be checked by others, by what the issuer publishes', async () => {
    const { keys } = JSON.parse(await run('get', '--raw', '/openid/v1/jwks'));
    const token = (await run('create', 'token', 'default')).trim();
    const [head = '', body = '', signature = ''] = token.split('.');
    const { kid, alg } = JSON.parse(Buffer.from(head, 'base64url').toString());
    const [jwk] = keys.filter((key: { kid: string }) => key.kid === kid);
    expect(jwk).toMatchObject({ alg, use: 'sig', kty: 'EC' });
    expect(jwk.d).toBeUndefined();
    const { webcrypto } = await import('node:crypto');
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const key = await webcrypto.subtle.importKey('jwk', jwk, algorithm, false, ['verify']);
    const bytes = [Buffer.from(signature, 'base64url'), Buffer.from(`${head}.${body}`)] as const;
    expect(await webcrypto.subtle.verify(algorithm, key, ...bytes)).toBe(true);
    const discovery = JSON.parse((await as(token, 'get', '--raw', '/.well-known/openid-configuration')).out);
    expect(discovery).toMatchObject({
      issuer: claimsOf(token).iss,
      jwks_uri: `https://127.0.0.1:${cluster.kubectl.port}/openid/v1/jwks`,
      id_token_signing_alg_values_supported: ['ES256'],
    });
  });

  it('of a bootstrap Secret makes its holder a bootstrapper until it expires', async () => {
    const secret = (id: string, expiration: string) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'bootstrap.kubernetes.io/token',
      metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
      stringData: {
        'token-id': id,
        'token-secret': '0123456789abcdef',
        'usage-bootstrap-authentication': 'true',
        'auth-extra-groups': 'system:bootstrappers:workers',
        expiration,
      },
    });
    await cluster.create(secret('abcdef', '2999-01-01T00:00:00Z'));
    await cluster.create(secret('bygone', '2020-01-01T00:00:00Z'));
    const { out } = await as('abcdef.0123456789abcdef', 'auth', 'whoami', '-o', 'json');
    expect(JSON.parse(out).status.userInfo).toEqual({
      username: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', 'system:bootstrappers:workers', 'system:authenticated'],
    });
    for (const token of ['bygone.0123456789abcdef', 'abcdef.0000000000000000']) {
      expect((await as(token, 'auth', 'whoami')).err).toContain('Unauthorized');
    }
  });
});

describe('a Secret for a token', () => {
  const secret = (name: string, account: string) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/service-account-token',
    metadata: { name, annotations: { 'kubernetes.io/service-account.name': account } },
  });

  it('is filled with one, which is good until the Secret or the account goes', async () => {
    await run('create', 'serviceaccount', 'lasting');
    await cluster.create(secret('lasting-token', 'lasting'));
    const filled = await eventually(async () => {
      const found = await json('get', 'secret', 'lasting-token');
      return found.data?.token && found;
    }, within);
    const text = (key: string): string => Buffer.from(filled.data[key], 'base64').toString();
    expect(text('ca.crt')).toBe(cluster.authority.certificate);
    expect(text('namespace')).toBe('default');
    const { out } = await as(text('token'), 'auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}');
    expect(out).toBe('system:serviceaccount:default:lasting');
    await run('delete', 'serviceaccount', 'lasting');
    await eventually(async () => (await run('get', 'secrets', '-o', 'name')) === '', within);
    expect((await review(text('token'))).error).toBe('[invalid bearer token, Token has been invalidated]');
  });

  it('goes when there is no such account', async () => {
    await cluster.create(secret('orphan', 'nobody'));
    await eventually(async () => (await run('get', 'secrets', '-o', 'name')) === '', within);
  });
});

describe('a namespace', () => {
  it('has its account and the CA from its first moment, and gets them back', async () => {
    await run('create', 'namespace', 'fresh');
    expect(await run('-n', 'fresh', 'get', 'serviceaccounts,configmaps', '-o', 'name')).toBe(
      'serviceaccount/default\nconfigmap/kube-root-ca.crt\n',
    );
    await run('-n', 'fresh', 'delete', 'serviceaccount/default', 'configmap/kube-root-ca.crt');
    await eventually(async () => {
      const names = await run('-n', 'fresh', 'get', 'serviceaccounts,configmaps', '-o', 'name');
      return names.split('\n').length === 3;
    }, within);
    await run('-n', 'fresh', 'patch', 'configmap', 'kube-root-ca.crt', '-p', '{"data":{"ca.crt":"forged"}}');
    const path = '-o=jsonpath={.data.ca\\.crt}';
    const certificate = () => run('-n', 'fresh', 'get', 'configmap', 'kube-root-ca.crt', path);
    await eventually(async () => (await certificate()) === cluster.authority.certificate, within);
    await run('delete', 'namespace', 'fresh', '--timeout=20s');
  });
});

describe('a pod', () => {
  const pod = (name: string, spec: object = {}, metadata: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...metadata },
    spec: { containers: [{ name: 'app', image: 'x' }], ...spec },
  });

  it('is refused while its account is not there', async () => {
    const wanted = pod('early', { serviceAccountName: 'later' });
    await expect(cluster.create(wanted)).rejects.toThrow(
      'pods "early" is forbidden: error looking up service account default/later: serviceaccount "later" not found',
    );
    await run('create', 'serviceaccount', 'later');
    await cluster.create(wanted);
    await expect(cluster.create(pod('lost', {}, { namespace: 'nowhere' }))).rejects.toThrow(
      'namespaces "nowhere" not found',
    );
  });

  it('is given the token volume and the pull secrets of its account', async () => {
    await cluster.create({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'generous' },
      imagePullSecrets: [{ name: 'registry' }],
    });
    await cluster.create(pod('given', { serviceAccountName: 'generous' }));
    const { spec } = await json('get', 'pod', 'given');
    expect(spec.imagePullSecrets).toEqual([{ name: 'registry' }]);
    const [volume] = spec.volumes;
    expect(volume).toEqual({
      name: expect.stringMatching(/^kube-api-access-[a-z0-9]{5}$/),
      projected: {
        defaultMode: 420,
        sources: [
          { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
          {
            downwardAPI: {
              items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
            },
          },
        ],
      },
    });
    const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
    expect(spec.containers[0].volumeMounts).toEqual([{ name: volume.name, readOnly: true, mountPath }]);
  });

  it('specifies itself whether it gets the token; else its service account does', async () => {
    await cluster.create({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'shy' },
      automountServiceAccountToken: false,
    });
    await cluster.create(pod('without', { serviceAccountName: 'shy' }));
    await cluster.create(pod('with', { serviceAccountName: 'shy', automountServiceAccountToken: true }));
    await cluster.create(pod('neither', { automountServiceAccountToken: false }));
    const volumes = async (name: string) => (await json('get', 'pod', name)).spec.volumes?.length ?? 0;
    expect(await Promise.all(['without', 'with', 'neither'].map(volumes))).toEqual([0, 1, 0]);
  });

  it('may use only the secrets that its service account lists, if the service account restricts them', async () => {
    await cluster.create({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'strict', annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } },
      secrets: [{ name: 'known' }],
    });
    const using = (name: string, secretName: string) =>
      pod(name, { serviceAccountName: 'strict', volumes: [{ name: 'v', secret: { secretName } }] });
    await cluster.create(using('mounts-known', 'known'));
    const why = 'is not allowed because service account strict does not reference that secret';
    await expect(cluster.create(using('mounts-other', 'other'))).rejects.toThrow(
      `volume with secret.secretName="other" ${why}`,
    );
    const env = [{ name: 'A', valueFrom: { secretKeyRef: { name: 'other', key: 'a' } } }];
    const added = { name: 'debug', image: 'x', env };
    const patch = JSON.stringify({ spec: { ephemeralContainers: [added] } });
    await expect(run('patch', 'pod', 'mounts-known', '--subresource=ephemeralcontainers', '-p', patch)).rejects.toThrow(
      `ephemeral container debug with envVar A referencing secret.secretName="other" ${why}`,
    );
  });
});
