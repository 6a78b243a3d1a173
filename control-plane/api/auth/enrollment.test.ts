import { X509Certificate } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '../../../shared/client.ts';
import { ApiError } from '../../../shared/errors.ts';
import { silentLog } from '../../../shared/log.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { createAuthority, createSigningRequest, loadAuthority } from '../../../shared/pki/certificates.ts';
import { createToken, listTokens, revokeToken } from '../../../shared/pki/join-tokens.ts';
import { systemRandom } from '../../../shared/random.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { createEnrollment, type Enrollment } from './enrollment.ts';

const minute = 60_000;
const clock = new VirtualClock();
const pki = { clock, random: systemRandom };

/** Just enough of a Client: a map of objects. */
function mapClient(objects: Map<string, KubeObject>): Pick<Client, 'get' | 'create' | 'list' | 'delete'> {
  return {
    get: async (kind: string, name: string) => {
      const found = objects.get(`${kind}/${name}`);
      if (!found) throw new ApiError('NotFound', `${name} not found`);
      return found as never;
    },
    create: async (kind: string, object: { metadata: { name?: string } }) => {
      objects.set(`${kind}/${object.metadata.name}`, object as KubeObject);
      return object as never;
    },
    list: async (kind: string) => ({
      items: [...objects].filter(([key]) => key.startsWith(`${kind}/`)).map(([, object]) => object as never),
      resourceVersion: '1',
    }),
    delete: async (kind: string, name: string) => {
      if (!objects.delete(`${kind}/${name}`)) throw new ApiError('NotFound', `${name} not found`);
    },
  };
}

let objects: Map<string, KubeObject>;
let enrollment: Enrollment;
let deps: { client: ReturnType<typeof mapClient>; clock: VirtualClock; random: typeof systemRandom };

beforeEach(async () => {
  objects = new Map();
  const client = mapClient(objects);
  const authority = await loadAuthority(await createAuthority('test-ca', pki), pki);
  deps = { client, clock, random: systemRandom };
  enrollment = createEnrollment({ client, authority, clock, log: silentLog });
});

async function request(nodeName: string) {
  const { request: csr } = await createSigningRequest({ user: `system:node:${nodeName}`, groups: ['system:nodes'] });
  return { nodeName, csr };
}

function node(name: string, ready: 'True' | 'False' | 'Unknown'): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: '' },
    status: { conditions: [{ type: 'Ready', status: ready }] },
  };
}

describe('enrolling', () => {
  test('a good token gives a certificate for exactly the node named', async () => {
    const token = await createToken(deps, { ttlMs: minute });
    const { certificate } = await enrollment.enroll({ token, ...(await request('worker-1')) });
    expect(new X509Certificate(certificate).subject.split('\n')).toEqual(['O=system:nodes', 'CN=system:node:worker-1']);
  });

  test('a token is refused once revoked, once expired, and with a wrong secret', async () => {
    const token = await createToken(deps, { ttlMs: minute });
    const wrong = `${token.slice(0, -1)}${token.endsWith('a') ? 'b' : 'a'}`;
    const refusal = { reason: 'Unauthorized', message: 'the join token is not valid or has expired' };
    await expect(enrollment.enroll({ token: wrong, ...(await request('w')) })).rejects.toMatchObject(refusal);
    await expect(enrollment.enroll({ token: 'nonsense', ...(await request('w')) })).rejects.toMatchObject(refusal);
    await clock.advance(2 * minute);
    await expect(enrollment.enroll({ token, ...(await request('w')) })).rejects.toMatchObject(refusal);
    const other = await createToken(deps);
    await revokeToken(deps, other);
    await expect(enrollment.enroll({ token: other, ...(await request('w')) })).rejects.toMatchObject(refusal);
  });

  test('a node that is Ready keeps its name; one that is not may come back as a new machine', async () => {
    const token = await createToken(deps);
    objects.set('Node/alive', node('alive', 'True'));
    objects.set('Node/dead', node('dead', 'Unknown'));
    await expect(enrollment.enroll({ token, ...(await request('alive')) })).rejects.toMatchObject({
      reason: 'Conflict',
    });
    await expect(enrollment.enroll({ token, ...(await request('dead')) })).resolves.toBeDefined();
  });

  test('a bad name or a bad request is a bad request', async () => {
    const token = await createToken(deps);
    const { csr } = await request('w');
    await expect(enrollment.enroll({ token, nodeName: 'A b', csr })).rejects.toMatchObject({ reason: 'BadRequest' });
    await expect(enrollment.enroll({ token, nodeName: 'w', csr: 'x' })).rejects.toMatchObject({ reason: 'BadRequest' });
  });

  test('what is stored of a token does not hold its secret', async () => {
    const token = await createToken(deps, { description: 'for rack 2' });
    const [stored] = await listTokens(deps);
    expect(stored?.metadata.name).toBe(token.slice(0, 6));
    expect(JSON.stringify(stored)).not.toContain(token.slice(7));
  });
});

describe('renewing', () => {
  const identity = { user: 'system:node:a', groups: ['system:nodes', 'system:authenticated'] };

  test('a node gets a new certificate for itself and for no other', async () => {
    const { certificate } = await enrollment.renew(identity, await request('a'));
    expect(new X509Certificate(certificate).subject).toContain('CN=system:node:a');
    await expect(enrollment.renew(identity, await request('b'))).rejects.toMatchObject({ reason: 'Forbidden' });
  });

  test('who is no node gets none, an administrator included', async () => {
    const admin = { user: 'ann', groups: ['system:masters'] };
    await expect(enrollment.renew(admin, await request('a'))).rejects.toMatchObject({ reason: 'Unauthorized' });
  });
});
