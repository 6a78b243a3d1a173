import { X509Certificate } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { formatTime } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { CertificateSigningRequest } from '../../../shared/generated/types.ts';
import { createAuthority, createSigningRequest, loadAuthority } from '../../../shared/pki/certificates.ts';
import { systemRandom } from '../../../shared/random.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { LocalClient } from '../../api/local-client.ts';
import { createCertificateController } from './controller.ts';
import { signers } from './plan.ts';

const nodeUsages = ['digital signature', 'client auth'];
const day = 24 * 60 * 60 * 1000;
const self = 'system:node:n1';

/** The result of signing for each request; the signing itself is tested with the authority. */
let answer: string;
let pems: { jane: string; node: string };
beforeAll(async () => {
  const deps = { clock: new VirtualClock(), random: systemRandom };
  const authority = await loadAuthority(await createAuthority('test', deps), deps);
  answer = (await authority.issueClient({ user: 'jane', groups: [] })).certificate;
  pems = {
    jane: (await createSigningRequest({ user: 'jane', groups: ['devs'] })).request,
    node: (await createSigningRequest({ user: self, groups: ['system:nodes'] })).request,
  };
});

let room: ControllerRoom;
/** The access reviews of the controller: user and subresource; and their answers. */
let reviews: string[];
let allowed: readonly string[];
/** Whether a review returns a status. */
let answers: boolean;
let signing: () => void;
let lives: number[];
/** The signed common names and uids, with their usages. */
let signed: string[];

beforeEach(async () => {
  reviews = [];
  allowed = [];
  answers = true;
  lives = [];
  signed = [];
  signing = () => undefined;
  room = await ControllerRoom.start((deps) => {
    const client = Object.create(deps.client) as typeof deps.client;
    client.create = async (kind, object, options) => {
      if (kind !== 'SubjectAccessReview') return room.braked.create(kind, object, options);
      const {
        user = '',
        uid,
        groups,
        extra,
        resourceAttributes,
      } = (object as unknown as { spec: Record<string, never> }).spec;
      const { verb = '', group = '', resource = '', subresource = '' } = resourceAttributes ?? {};
      reviews.push([user, uid, groups, Object.keys(extra ?? {}), verb, `${resource}.${group}`, subresource].join(' '));
      return { ...object, ...(answers && { status: { allowed: allowed.includes(subresource) } }) } as never;
    };
    for (const verb of ['get', 'update', 'updateStatus', 'patch', 'delete'] as const) {
      client[verb] = ((...input: never[]) => (room.braked[verb] as (...all: never[]) => unknown)(...input)) as never;
    }
    return createCertificateController(
      { ...deps, client },
      {
        async signRequest(request, usages, lifetimeMs, uid) {
          signing();
          lives.push(lifetimeMs);
          signed.push([request.subject.commonName, uid, ...usages].join(' '));
          return answer;
        },
      },
    );
  });
});
afterEach(() => room.stop());

interface Wanted {
  signer?: string;
  pem?: string;
  usages?: string[];
  as?: string;
  more?: object;
}
async function create({
  signer = signers.client,
  pem = pems.jane,
  usages = ['client auth'],
  as = 'someone',
  more = {},
}: Wanted = {}) {
  const identity = { user: as, groups: ['g'], uid: 'u', extra: { x: ['y'] }, inProcess: true } as const;
  const client = new LocalClient({ api: room.server.api, identity, clock: room.clock });
  const spec = { request: Buffer.from(pem).toString('base64'), signerName: signer, usages, ...more };
  await client.create('CertificateSigningRequest', { metadata: { name: 'csr' }, spec: spec as never });
  await room.advance();
}
const find = async (): Promise<CertificateSigningRequest | undefined> =>
  (await room.client.list('CertificateSigningRequest')).items.find(({ metadata }) => metadata.name === 'csr');
const conditions = async () =>
  ((await find())?.status?.conditions ?? []).map(({ type, reason }) => `${type} ${reason}`);
async function decide(type: 'Approved' | 'Denied'): Promise<void> {
  const now = formatTime(room.clock.now());
  const body = { status: { conditions: [{ type, status: 'True', reason: 'Mine', lastUpdateTime: now }] } };
  await room.client.patch('CertificateSigningRequest', 'csr', { type: 'merge', body }, { subresource: 'approval' });
  await room.advance();
}
const certificate = async () => {
  const text = (await find())?.status?.certificate;
  return text === undefined ? undefined : new X509Certificate(Buffer.from(text, 'base64'));
};

describe('a request', () => {
  it('is signed for the requested subject when it is approved, for a year by default', async () => {
    await create();
    expect(await certificate()).toBeUndefined();
    await decide('Approved');
    expect((await certificate())?.subject).toBe('CN=jane');
    expect(signed).toEqual(['jane  client auth']);
    expect(lives).toEqual([365 * day]);
    expect(await conditions()).toEqual(['Approved Mine']);
    await room.advance(60_000);
    expect(lives).toHaveLength(1);
  });

  it.each([
    [3_600, 3_600_000],
    [600, 600_000],
    [400 * 24 * 3_600, 365 * day],
  ])('with expirationSeconds %i is signed for %i milliseconds', async (expirationSeconds, life) => {
    await create({ more: { expirationSeconds } });
    await decide('Approved');
    expect(lives).toEqual([life]);
  });

  it('is not signed when it is denied or has another signer', async () => {
    await create();
    await decide('Denied');
    expect(lives).toEqual([]);
    await room.client.delete('CertificateSigningRequest', 'csr');
    await create({ signer: 'example.org/mine' });
    await decide('Approved');
    expect(lives).toEqual([]);
    expect(reviews).toEqual([]);
  });

  it('fails once, and is not signed, when the signer refuses it', async () => {
    await create({ usages: ['server auth'] });
    await decide('Approved');
    expect(await conditions()).toEqual(['Approved Mine', 'Failed SignerValidationFailure']);
    await room.advance(60_000);
    expect((await find())?.status?.conditions).toHaveLength(2);
    expect(lives).toEqual([]);
  });

  it.each([new Error('odd key'), new ApiError('Forbidden', 'odd key'), new ApiError('Invalid', 'odd key')])(
    'has a Failed condition when signing fails permanently (%s)',
    async (error) => {
      signing = () => {
        throw error;
      };
      await create();
      await decide('Approved');
      expect(await conditions()).toEqual(['Approved Mine', 'Failed SigningError']);
      expect((await find())?.status?.conditions?.[1]).toMatchObject({
        status: 'True',
        message: 'odd key',
        lastUpdateTime: formatTime(room.clock.now() - 100),
      });
    },
  );

  it('is signed later after a store error or a conflict', async () => {
    let failures = 2;
    signing = () => {
      if (failures-- > 0) throw new ApiError('Conflict', 'x');
    };
    await create();
    room.braked.writes.fail({ match: ({ verb }) => verb === 'updateStatus', error: new ApiError('Timeout', 'x') });
    await decide('Approved');
    await room.advance(1_000);
    expect(await certificate()).toBeDefined();
    expect(await conditions()).toEqual(['Approved Mine']);
  });
});

describe('a request for a node’s client certificate', () => {
  const node = (as: string, more: Partial<Wanted> = {}) =>
    create({ signer: signers.nodeClient, pem: pems.node, usages: nodeUsages, as, ...more });
  const about = (user: string, subresource: string) =>
    `${user} u g x create certificatesigningrequests.certificates.k8s.io ${subresource}`;

  it('is approved when the node may create selfnodeclient requests, and the condition names the permission', async () => {
    allowed = ['selfnodeclient', 'nodeclient'];
    await room.client.create('Node', { metadata: { name: 'n1' }, spec: {} });
    await node(self);
    expect(reviews).toEqual([about(self, 'selfnodeclient')]);
    expect((await conditions())[0]).toBe('Approved AutoApproved');
    expect((await find())?.status?.conditions?.[0]?.message).toContain('self kubelet');
  });

  it('is approved by the second permission when the first is missing', async () => {
    allowed = ['nodeclient'];
    await node(self);
    expect(reviews).toEqual([about(self, 'selfnodeclient'), about(self, 'nodeclient')]);
    expect((await conditions())[0]).toBe('Approved AutoApproved');
  });

  it('is approved and signed with the uid of the node’s enrollment when the user may create nodeclient requests', async () => {
    allowed = ['nodeclient'];
    await node('bootstrap');
    expect(reviews).toEqual([about('bootstrap', 'nodeclient')]);
    const { spec } = await room.client.get('NodeEnrollment', 'n1');
    expect(signed).toEqual([`${self} ${spec.certificateUID} digital signature client auth`]);
  });

  it('is not approved by a review without a status', async () => {
    answers = false;
    await node('bootstrap');
    expect([reviews.length, await conditions()]).toEqual([1, []]);
  });

  it('stays pending when no permission allows it', async () => {
    await node('bootstrap');
    expect(await conditions()).toEqual([]);
    expect(reviews).toHaveLength(1);
    expect(lives).toEqual([]);
  });

  it('is denied when the Node no longer exists', async () => {
    allowed = ['selfnodeclient'];
    await node(self);
    expect(await conditions()).toEqual(['Approved AutoApproved', 'Failed SigningError']);
  });

  it('is not approved on a state older than another decision', async () => {
    allowed = ['nodeclient'];
    const held = room.braked.writes.hold({ match: ({ verb }) => verb === 'patch' });
    await node('bootstrap');
    await held.arrived;
    await decide('Denied');
    held.release();
    await room.advance(1_000);
    expect(await conditions()).toEqual(['Denied Mine']);
    expect(lives).toEqual([]);
  });

  it('keeps an approval that is added during the access review', async () => {
    allowed = ['nodeclient'];
    const held = room.braked.writes.hold({ match: ({ verb }) => verb === 'patch' });
    await node('bootstrap');
    await held.arrived;
    await decide('Approved');
    held.release();
    await room.advance(1_000);
    expect(await conditions()).toEqual(['Approved Mine']);
    expect(await certificate()).toBeDefined();
  });

  it('is not approved when it cannot be parsed, and is deleted like any pending request', async () => {
    allowed = ['nodeclient'];
    await node('bootstrap');
    const made = await room.client.get('CertificateSigningRequest', 'csr');
    // The API refuses such a request; an older version may have stored it.
    const unreadable = { ...made, status: {}, spec: { ...made.spec, request: 'AAAA' } };
    const informers = { of: () => ({ get: () => unreadable }) } as unknown as typeof room.deps.informers;
    const controller = createCertificateController({ ...room.deps, informers }, { signRequest: async () => answer });
    reviews = [];
    const left = Date.parse(made.metadata.creationTimestamp) + day - room.clock.now();
    expect(await controller.reconcile('csr', new AbortController().signal)).toBe(left);
    expect(reviews).toEqual([]);
  });

  it('is renewed with the uid of its enrollment', async () => {
    allowed = ['selfnodeclient'];
    await room.client.create('Node', { metadata: { name: 'n1' }, spec: {} });
    await room.client.create('NodeEnrollment', { metadata: { name: 'n1' }, spec: { certificateUID: 'u' } } as never);
    await node(self);
    expect(signed).toEqual([`${self} u digital signature client auth`]);
  });
});

describe('a request is deleted', () => {
  it('a day after its creation when it is neither approved nor denied', async () => {
    await create();
    await room.advance(day - 60_000);
    expect(await find()).toBeDefined();
    await room.advance(120_000);
    expect(await find()).toBeUndefined();
  });

  it('an hour after its denial, and not earlier', async () => {
    await create();
    await room.advance(1_000_000);
    await decide('Denied');
    await room.advance(3_590_000);
    expect(await find()).toBeDefined();
    await room.advance(20_000);
    expect(await find()).toBeUndefined();
  });

  it('not when it has changed since', async () => {
    await create();
    const held = room.braked.writes.hold({ match: ({ verb }) => verb === 'delete' });
    await room.advance(day + 1_000);
    await held.arrived;
    await decide('Approved');
    held.release();
    await room.advance(1_000);
    expect(await certificate()).toBeDefined();
  });

  it('not again while it is being deleted', async () => {
    await create();
    const body = { metadata: { finalizers: ['example.org/hold'] } };
    await room.client.patch('CertificateSigningRequest', 'csr', { type: 'merge', body });
    await room.client.delete('CertificateSigningRequest', 'csr');
    await decide('Approved');
    expect(lives).toEqual([]);
  });
});
