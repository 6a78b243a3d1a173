import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenKeysOf } from '../../control-plane/api/auth/tokens/index.ts';
import { type ControlPlane, createControlPlane } from '../../control-plane/control-plane.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import { systemClock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { createAuthority, loadAuthority } from '../../shared/pki/certificates.ts';
import { systemRandom } from '../../shared/random.ts';
import { eventually } from '../support/eventually.ts';
import { type Kubectl, type Ran, serveKubectl } from '../support/kubectl.ts';

const deps = { clock: systemClock, random: systemRandom };
const stop = new AbortController();
let controlPlane: ControlPlane;
let serving: Promise<void>;
let kubectl: Kubectl;

beforeAll(async () => {
  const authority = await loadAuthority(await createAuthority('test-ca', deps), deps);
  controlPlane = createControlPlane({
    ...deps,
    store: new MemoryStore(deps),
    log: silentLog,
    holder: 'test',
    clusterCIDR: '10.94.0.0/16',
    tokenKeys: tokenKeysOf(),
    authority,
  });
  serving = controlPlane.run(stop.signal);
  await controlPlane.ready(stop.signal);
  kubectl = await serveKubectl({ controlPlane, authority });
}, 30_000);

afterAll(async () => {
  await kubectl?.close();
  stop.abort(new Error('the test is over'));
  await serving;
});

async function run(...args: string[]): Promise<string> {
  const { code, out, err } = await kubectl.run(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${err}`);
  return out;
}

/** As the holder of the token and nobody else. */
function as(token: string, ...args: string[]): Promise<Ran> {
  const server = `https://127.0.0.1:${kubectl.port}`;
  const ca = `${kubectl.dir}/ca.crt`;
  return kubectl.run([`--token=${token}`, `--server=${server}`, `--certificate-authority=${ca}`, ...args], {
    env: { KUBECONFIG: '/dev/null' },
  });
}

function claimsOf(token: string) {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}

async function review(token: string, audiences?: string[]) {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences } };
  const { out } = await kubectl.run(['create', '-f', '-', '-o', 'json'], { input: JSON.stringify(body) });
  return JSON.parse(out).status;
}

describe('kubectl create token', () => {
  it('gives a token that its account is known by, and that may do what the account may', async () => {
    await run('create', 'serviceaccount', 'robot');
    await run('create', 'rolebinding', 'robot-views', '--clusterrole=view', '--serviceaccount=default:robot');
    const token = (await run('create', 'token', 'robot')).trim();
    const { out } = await as(token, 'auth', 'whoami', '-o', 'json');
    const { userInfo } = JSON.parse(out).status;
    expect(userInfo).toMatchObject({
      username: 'system:serviceaccount:default:robot',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${claimsOf(token).jti}`] },
    });
    await eventually(async () => (await as(token, 'get', 'pods')).code === 0, { timeoutMs: 5_000 });
    const refused = await as(token, 'get', 'secrets');
    expect(refused.err).toContain(
      'secrets is forbidden: User "system:serviceaccount:default:robot" cannot list resource "secrets" in API group "" in the namespace "default"',
    );
  });

  it('keeps to the duration, the audiences and the object that are asked for', async () => {
    await run('create', 'serviceaccount', 'choosy');
    await run('create', 'secret', 'generic', 'anchor');
    const short = await kubectl.run(['create', 'token', 'choosy', '--duration=5m']);
    expect(short.err).toContain(
      'spec.expirationSeconds: Invalid value: 300: may not specify a duration less than 10 minutes',
    );
    const flags = ['--duration=20m', '--audience=vault', '--audience=other'];
    const token = (await run('create', 'token', 'choosy', ...flags)).trim();
    const claims = claimsOf(token);
    expect(claims).toMatchObject({ aud: ['vault', 'other'], sub: 'system:serviceaccount:default:choosy' });
    expect(claims.exp - claims.iat).toBe(1200);
    expect((await as(token, 'auth', 'whoami')).err).toContain('Unauthorized');
    expect(await review(token)).toMatchObject({
      error: expect.stringContaining('token audiences ["vault" "other"] is invalid for the target audiences'),
    });
    expect(await review(token, ['other', 'third'])).toMatchObject({ authenticated: true, audiences: ['other'] });

    const bound = await run('create', 'token', 'choosy', '--bound-object-kind=Secret', '--bound-object-name=anchor');
    expect((await review(bound.trim())).authenticated).toBe(true);
    await run('delete', 'secret', 'anchor');
    await eventually(async () => (await review(bound.trim())).authenticated !== true, { timeoutMs: 5_000 });
    expect((await review(bound.trim())).error).toBe(
      '[invalid bearer token, service account token has been invalidated]',
    );
  });
});
