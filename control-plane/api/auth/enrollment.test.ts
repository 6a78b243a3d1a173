import { X509Certificate } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '../../../shared/client.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { NodeEnrollment } from '../../../shared/generated/types.ts';
import { silentLog } from '../../../shared/log.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { createAuthority, createSigningRequest, loadAuthority } from '../../../shared/pki/certificates.ts';
import { createToken, listTokens, revokeToken } from '../../../shared/pki/join-tokens.ts';
import { bindEnrollment, removeNode, unbindEnrollment } from '../../../shared/pki/node-enrollments.ts';
import { systemRandom } from '../../../shared/random.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { createEnrollment, type Enrollment } from './enrollment.ts';
import { isEnrolled } from './node-certificates.ts';

const minute = 60_000;
const clock = new VirtualClock();
const pki = { clock, random: systemRandom };

/** Just enough of a Client: a map of objects. */
function mapClient(objects: Map<string, KubeObject>): Pick<Client, 'get' | 'create' | 'update' | 'list' | 'delete'> {
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
    update: async (kind: string, object: KubeObject) => {
      objects.set(`${kind}/${object.metadata.name}`, object);
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
  enrollment = createEnrollment({ client, authority, clock, random: systemRandom, log: silentLog });
});

async function request(nodeName: string) {
  const { request: csr } = await createSigningRequest({ user: `system:node:${nodeName}`, groups: ['system:nodes'] });
  return { nodeName, csr };
}

function node(name: string, ready: 'True' | 'False' | 'Unknown', uid = name): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, uid, resourceVersion: '1', creationTimestamp: '' },
    status: { conditions: [{ type: 'Ready', status: ready }] },
  };
}

describe('enrolling', () => {
  test('a good token gives a certificate for exactly the node named', async () => {
    const token = await createToken(deps, { ttlMs: minute });
    const { certificate } = await enrollment.enroll({ token, ...(await request('worker-1')) });
    expect(new X509Certificate(certificate).subject.split('\n')).toEqual([
      'O=system:nodes',
      expect.stringMatching(/^1\.3\.6\.1\.4\.1\.57683\.2=[-0-9a-f]{36}$/),
      'CN=system:node:worker-1',
    ]);
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

  test('a stored token does not contain its secret', async () => {
    const token = await createToken(deps, { description: 'for rack 2' });
    const [stored] = await listTokens(deps);
    expect(stored?.metadata.name).toBe(token.slice(0, 6));
    expect(JSON.stringify(stored)).not.toContain(token.slice(7));
  });
});

describe('renewing', () => {
  const identity = (name: string, uid?: string) => ({
    user: `system:node:${name}`,
    groups: ['system:nodes', 'system:authenticated'],
    ...(uid ? { uid } : {}),
  });
  /** Enrolls, and registers a Node of that uid. Returns the uid in the certificate. */
  async function joined(name: string, nodeUID: string): Promise<string> {
    const { certificate } = await enrollment.enroll({ token: await createToken(deps), ...(await request(name)) });
    const uid = uidIn(certificate);
    objects.set(`Node/${name}`, node(name, 'Unknown', nodeUID));
    await bindEnrollment(deps, name, uid, nodeUID);
    return uid;
  }
  const uidIn = (certificate: string): string =>
    /1\.3\.6\.1\.4\.1\.57683\.2=(.+)/.exec(new X509Certificate(certificate).subject)?.[1] ?? '';
  const renew = async (name: string, uid?: string) => enrollment.renew(identity(name, uid), await request(name));
  const refusal = (why: string) => ({
    reason: 'Forbidden',
    message: `the certificate of node "a" is not renewed: ${why}; join again with a token`,
  });

  test('a node gets a new certificate for itself, with the same uid, and for no other', async () => {
    const uid = await joined('a', 'n1');
    const { certificate } = await renew('a', uid);
    expect(new X509Certificate(certificate).subject).toContain('CN=system:node:a');
    expect(uidIn(certificate)).toBe(uid);
    await expect(enrollment.renew(identity('a', uid), await request('b'))).rejects.toMatchObject({
      reason: 'Forbidden',
    });
  });

  test('a deleted node gets no certificate, even if another Node has its name', async () => {
    const uid = await joined('a', 'n1');
    objects.delete('Node/a');
    await expect(renew('a', uid)).rejects.toMatchObject(refusal('its Node was deleted'));
    objects.set('Node/a', node('a', 'True', 'n2'));
    await bindEnrollment(deps, 'a', uid, 'n2');
    await expect(renew('a', uid)).rejects.toMatchObject(refusal('its Node was deleted while the machine was away'));
  });

  test('a node whose Node was deleted while it was there gets one for the Node that it registers then', async () => {
    const uid = await joined('a', 'n1');
    await unbindEnrollment(deps, 'a', 'n1');
    objects.set('Node/a', node('a', 'True', 'n2'));
    await bindEnrollment(deps, 'a', uid, 'n2');
    expect(uidIn((await renew('a', uid)).certificate)).toBe(uid);
  });

  test('a removed node, or one whose name was enrolled again, gets no certificate', async () => {
    const first = await joined('a', 'n1');
    const second = await joined('a', 'n1');
    expect(second).not.toBe(first);
    await expect(renew('a', first)).rejects.toMatchObject(refusal('the name was enrolled anew'));
    await removeNode(deps, 'a');
    for (const uid of [second, undefined]) {
      await expect(renew('a', uid)).rejects.toMatchObject(refusal('the node was removed'));
    }
    const again = await joined('a', 'n3');
    await expect(renew('a', again)).resolves.toBeDefined();
  });

  test('a certificate without an enrollment uid is not renewed after the name was enrolled again, or removed and enrolled', async () => {
    objects.set('Node/a', node('a', 'Unknown', 'n1'));
    await renew('a');
    await joined('a', 'n1');
    await expect(renew('a')).rejects.toMatchObject(refusal('the name was enrolled anew'));
    await removeNode(deps, 'a');
    await joined('a', 'n1');
    await expect(renew('a')).rejects.toMatchObject(refusal('the name was enrolled anew'));
    expect(isEnrolled({ name: 'a', uid: undefined }, objects.get('NodeEnrollment/a') as NodeEnrollment)).toBe(false);
  });

  test('a node whose certificate is older than enrollments gets one of an enrollment', async () => {
    objects.set('Node/a', node('a', 'True', 'n1'));
    const uid = uidIn((await renew('a')).certificate);
    expect(objects.get('NodeEnrollment/a')).toMatchObject({ spec: { certificateUID: uid, nodeUID: 'n1' } });
    expect(uidIn((await renew('a')).certificate)).toBe(uid);
  });

  test('a user other than a node gets no certificate, not even an administrator', async () => {
    const admin = { user: 'ann', groups: ['system:masters'] };
    await expect(enrollment.renew(admin, await request('a'))).rejects.toMatchObject({ reason: 'Unauthorized' });
  });
});
