import { beforeAll, describe, expect, test } from 'vitest';
import type { CertificateSigningRequest } from '../../../../shared/generated/types.ts';
import { createSigningRequest } from '../../../../shared/pki/certificates.ts';
import { podOf, readerOf, refusalOf, requestOf, stored } from '../../../../test/support/admission.ts';
import type { Identity } from '../../auth/identity.ts';
import { AdmissionChain } from '../chain.ts';
import type { AdmissionRequest } from '../plugin.ts';
import { certificates } from './certificates.ts';

const none = readerOf([]);
/** Allows the listed entries, as `VERB SIGNER`. */
const plugin = (...allowed: string[]) =>
  certificates({
    authorize: (_identity, { verb, group, resource, name }) =>
      group === 'certificates.k8s.io' && resource === 'signers' && allowed.includes(`${verb} ${name}`)
        ? { allowed: true }
        : { allowed: false, reason: '' },
  });
const csr = (spec: object, status?: object): CertificateSigningRequest =>
  stored('CertificateSigningRequest', 'x', {
    spec: { signerName: 'example.com/one', ...spec },
    ...(status ? { status } : {}),
  });

describe('a request for a certificate', () => {
  const requested = (identity: Identity, spec: object) => {
    const made = csr(spec);
    void plugin().mutate?.(requestOf('CertificateSigningRequest', { identity }), made, undefined, none);
    return made.spec;
  };

  test('names the requestor, not the client’s claim', () => {
    const claimed = { username: 'root', uid: 'u0', groups: ['system:masters'], extra: { a: ['b'] } };
    const ann = requested({ user: 'ann', groups: ['devs', 'ops'] }, claimed);
    expect(ann).toEqual({ signerName: 'example.com/one', username: 'ann', groups: ['devs', 'ops'] });
    const robot = { user: 'robot', groups: [], uid: 'u1', extra: { pod: ['p', 'q'], node: ['n'] } };
    expect(requested(robot, claimed)).toMatchObject({ username: 'robot', groups: [], uid: 'u1', extra: robot.extra });
    const { spec: _none, ...hollow } = csr({});
    const request = requestOf('CertificateSigningRequest');
    expect(refusalOf(() => plugin().mutate?.(request, hollow as never, undefined, none))).toBeUndefined();
  });

  describe('of a client', () => {
    const pem: Record<string, string> = {};
    beforeAll(async () => {
      for (const group of ['devs', 'system:masters', 'coracle:servers']) {
        const { request } = await createSigningRequest({ user: 'ann', groups: ['first', group] });
        pem[group] = Buffer.from(request).toString('base64');
      }
    });
    const verdict = (group: string, signerName: string) =>
      refusalOf(
        () =>
          void plugin().validate?.(
            requestOf('CertificateSigningRequest'),
            csr({ request: pem[group], signerName }),
            undefined,
            none,
          ),
      );

    test('makes no one a master or a server; other signers decide for themselves', () => {
      const client = 'kubernetes.io/kube-apiserver-client';
      expect(verdict('devs', client)).toBeUndefined();
      for (const group of ['system:masters', 'coracle:servers']) {
        expect(verdict(group, client)).toMatch(`use of ${client} signer with ${group} group is not allowed`);
        expect(verdict(group, 'example.com/one')).toBeUndefined();
      }
    });
  });

  test('that is none is refused', () => {
    const broken = csr({ request: Buffer.from('no').toString('base64') });
    expect(
      refusalOf(() => plugin().validate?.(requestOf('CertificateSigningRequest'), broken, undefined, none)),
    ).toMatch('spec.request');
  });
});

test('all that is written of requests is looked at, and of nothing else', () => {
  const chain = new AdmissionChain([plugin()], none as never);
  const made = csr({});
  void chain.mutate(requestOf('CertificateSigningRequest'), made);
  expect(made.spec.username).toBe('ann');
  const next = csr({}, { certificate: 'abc' });
  const update = (subresource?: AdmissionRequest['subresource']) =>
    refusalOf(() =>
      chain.validate(requestOf('CertificateSigningRequest', { verb: 'update', subresource }), next, csr({})),
    );
  expect([update('status'), update('approval')]).toEqual([
    expect.stringContaining('not permitted to sign'),
    expect.stringContaining('not permitted to approve'),
  ]);
  expect(update()).toBeUndefined();
  const pod = podOf();
  void chain.mutate(requestOf('Pod'), pod);
  expect(pod).toEqual(podOf());
});

describe('dealing with a request', () => {
  const old = csr({}, { conditions: [] });
  const next = csr({ signerName: 'forged.org/two' }, { conditions: [], certificate: 'abc' });
  const update = (
    subresource: AdmissionRequest['subresource'],
    allowed: string[],
    now: CertificateSigningRequest = next,
    before: CertificateSigningRequest | undefined = old,
  ) =>
    refusalOf(
      () =>
        void plugin(...allowed).validate?.(
          requestOf('CertificateSigningRequest', { verb: 'update', subresource }),
          now,
          before,
          none,
        ),
    );

  test('requires permission to approve, or to sign, for the signer of the stored request, or for its domain', () => {
    const cases = { approval: 'approve', status: 'sign' } as const;
    for (const [subresource, verb] of Object.entries(cases) as ['approval' | 'status', string][]) {
      const other = verb === 'sign' ? 'approve' : 'sign';
      expect(update(subresource, [`${verb} example.com/one`])).toBeUndefined();
      expect(update(subresource, [`${verb} example.com/*`])).toBeUndefined();
      const not = [
        `${other} example.com/one`,
        `${other} example.com/*`,
        `${verb} example.com/two`,
        `${verb} forged.org/two`,
        `${verb} *`,
      ];
      expect(update(subresource, not)).toMatch(`not permitted to ${verb} requests with signerName "example.com/one"`);
    }
  });

  test('requires no permission to sign when the status is unchanged', () => {
    expect(update('status', [], csr({ signerName: 'other' }, { conditions: [] }))).toBeUndefined();
    const { status: _none, ...blank } = old;
    expect(
      update('status', [], blank as CertificateSigningRequest, blank as CertificateSigningRequest),
    ).toBeUndefined();
    expect(
      update('status', [], { ...blank, status: {} } as CertificateSigningRequest, blank as CertificateSigningRequest),
    ).toBeUndefined();
    expect(update('status', [], next, blank as CertificateSigningRequest)).toMatch('not permitted to sign');
    expect(update('approval', [], old)).toMatch('not permitted to approve');
  });
});
