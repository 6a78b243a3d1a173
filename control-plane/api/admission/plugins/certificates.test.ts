import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { kindNamed } from '../../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { createSigningRequest } from '../../../../shared/pki/certificates.ts';
import { startTestApi, type TestApi } from '../../../../test/support/api-server.ts';
import type { Attributes, Identity } from '../../auth/identity.ts';

const entry = kindNamed('CertificateSigningRequest');
const jane: Identity = { user: 'jane', groups: ['devs'], uid: 'u1', extra: { team: ['a', 'b'] } };
const signers: Identity = { user: 'signer', groups: [] };

/** The users allowed to use each signer; everything else is allowed. */
function mayDeal({ user }: Identity, { verb, resource, name }: Attributes): boolean {
  if (resource !== 'signers') return true;
  return user === 'signer' && (name === 'example.com/*' || (verb === 'approve' && name === 'other.org/one'));
}

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi({
    authorizer: {
      authorize: (identity, attributes) =>
        mayDeal(identity, attributes) ? { allowed: true } : { allowed: false, reason: '' },
    },
  });
});
afterEach(() => server.stop());

function as(identity: Identity) {
  return { identity, signal: AbortSignal.timeout(10_000), warnings: [] };
}

async function request(groups: readonly string[] = []): Promise<string> {
  const { request: pem } = await createSigningRequest({ user: 'jane', groups: [...groups] });
  return Buffer.from(pem).toString('base64');
}

async function create(spec: object): Promise<KubeObject> {
  const body = { metadata: { name: 'a' }, spec: { signerName: 'example.com/one', usages: ['client auth'], ...spec } };
  return (await server.api.create(as(jane), { entry }, body)).object as KubeObject;
}

async function write(identity: Identity, subresource: 'approval' | 'status', object: KubeObject, conditions: object[]) {
  const body = { ...object, status: { conditions } };
  const written = await server.api.update(as(identity), { entry, name: 'a', subresource }, body);
  return written.object as KubeObject;
}

describe('a request for a certificate', () => {
  it('names the requestor, whatever the client sends', async () => {
    const made = await create({ request: await request(), username: 'root', groups: ['system:masters'] });
    expect(made.spec).toMatchObject({
      username: 'jane',
      groups: ['devs'],
      uid: 'u1',
      extra: { team: ['a', 'b'] },
    });
  });

  it('must be one, signed by its own key', async () => {
    const why = (text: string) => ({ reason: 'Invalid', message: expect.stringContaining(text) });
    await expect(create({ request: 'YWJj' })).rejects.toMatchObject(why('PEM block type must be CERTIFICATE REQUEST'));
    const pem = Buffer.from(await request(), 'base64').toString();
    const [head, ...lines] = pem.trim().split('\n');
    const der = Buffer.from(lines.slice(0, -1).join(''), 'base64');
    // In the middle of the signature, which is the last of the three parts.
    const at = der.length - 16;
    der.writeUInt8(der.readUInt8(at) ^ 1, at);
    const forged = [head, der.toString('base64'), lines.at(-1)].join('\n');
    await expect(create({ request: Buffer.from(forged).toString('base64') })).rejects.toMatchObject(
      why('the request is not signed by its own key'),
    );
  });

  it.each(['system:masters', 'coracle:servers'])('refuses to add a member to %s', async (group) => {
    const signerName = 'kubernetes.io/kube-apiserver-client';
    await expect(create({ request: await request([group]), signerName })).rejects.toMatchObject({
      reason: 'Forbidden',
      message: expect.stringContaining(`use of ${signerName} signer with ${group} group is not allowed`),
    });
  });

  it('is approved and signed only by users with rights on its signer', async () => {
    const made = await create({ request: await request() });
    const approved = { type: 'Approved', status: 'True', reason: 'Fine' };
    await expect(write(jane, 'approval', made, [approved])).rejects.toMatchObject({
      reason: 'Forbidden',
      message: expect.stringContaining('user not permitted to approve requests with signerName "example.com/one"'),
    });
    const after = await write(signers, 'approval', made, [approved]);
    expect(after.status).toMatchObject({ conditions: [{ type: 'Approved', lastUpdateTime: expect.any(String) }] });
    const failed = [approved, { type: 'Failed', status: 'True' }];
    await expect(write(jane, 'status', after, failed)).rejects.toMatchObject({
      message: expect.stringContaining('user not permitted to sign requests'),
    });
    const { status } = await write(signers, 'status', after, failed);
    expect(status).toMatchObject({ conditions: [{ type: 'Approved' }, { type: 'Failed' }] });
  });

  it('of one signer is not approved or signed by rights on another, or by another verb', async () => {
    const made = await create({ request: await request(), signerName: 'other.org/one' });
    await write(signers, 'approval', made, [{ type: 'Approved', status: 'True' }]);
    const object = await server.api.get(as(signers), { entry, name: 'a' });
    await expect(
      write(signers, 'status', object, [
        { type: 'Approved', status: 'True' },
        { type: 'Failed', status: 'True' },
      ]),
    ).rejects.toMatchObject({ reason: 'Forbidden' });
  });
});
