import { describe, expect, it } from 'vitest';
import { formatTime } from '../../shared/clock.ts';
import type { CertificateSigningRequest } from '../../shared/generated/types.ts';
import type { RequestedSubject } from '../../shared/pki/signing-request.ts';
import { autoApprovals, forgetAt, signerFault, signers } from './certificates-plan.ts';

const hour = 60 * 60 * 1000;
const created = Date.UTC(2026, 0, 1);
const none = { dns: [], ip: [], email: [], url: [] };
const node: RequestedSubject = { commonName: 'system:node:n1', organizations: ['system:nodes'], names: none };
const nodeUsages = ['digital signature', 'client auth'];

describe('a signer', () => {
  it.each([
    [nodeUsages, undefined],
    [[...nodeUsages, 'key encipherment'], undefined],
    [['client auth'], 'usages did not match [client auth digital signature key encipherment]'],
    [[...nodeUsages, 'server auth'], 'usages did not match [client auth digital signature key encipherment]'],
  ])('of nodes’ clients looks at the usages %j', (usages, fault) => {
    expect(signerFault(signers.nodeClient, node, usages)).toBe(fault);
  });

  it.each<[Partial<RequestedSubject>, string]>([
    [{ organizations: ['system:nodes', 'system:masters'] }, 'subject organization is not system:nodes'],
    [{ commonName: 'admin' }, 'subject common name does not begin with system:node:'],
    [{ names: { ...none, dns: ['a'] } }, 'DNS subjectAltNames are not allowed'],
    [{ names: { ...none, ip: ['10.0.0.1'] } }, 'IP subjectAltNames are not allowed'],
    [{ names: { ...none, email: ['a@b'] } }, 'Email subjectAltNames are not allowed'],
    [{ names: { ...none, url: ['a:b'] } }, 'URI subjectAltNames are not allowed'],
  ])('of nodes’ clients refuses %j', (change, fault) => {
    expect(signerFault(signers.nodeClient, { ...node, ...change }, nodeUsages)).toBe(fault);
  });

  it('of clients takes any name', () => {
    const anybody = { commonName: 'jane', organizations: ['devs'], names: none };
    expect(signerFault(signers.client, anybody, ['client auth', 'key encipherment'])).toBeUndefined();
    expect(signerFault(signers.client, anybody, ['digital signature'])).toBe(
      'missing required usage for client certificate: client auth',
    );
  });
});

function csr(spec: object, status: CertificateSigningRequest['status'] = {}): CertificateSigningRequest {
  const metadata = { name: 'x', uid: 'x', resourceVersion: '1', creationTimestamp: formatTime(created) };
  return { kind: 'CertificateSigningRequest', metadata, spec, status } as CertificateSigningRequest;
}

describe('a request for a node’s client certificate', () => {
  it('is approved by itself for the node itself, or for whoever may ask for nodes', () => {
    const asked = (username: string) =>
      autoApprovals(csr({ signerName: signers.nodeClient, usages: nodeUsages, username }), node).map(
        ({ subresource }) => subresource,
      );
    expect(asked('system:node:n1')).toEqual(['selfnodeclient', 'nodeclient']);
    expect(asked('system:bootstrap:abcdef')).toEqual(['nodeclient']);
  });

  it('is not, when it is for anything else as well', () => {
    const usages = [...nodeUsages, 'server auth'];
    expect(autoApprovals(csr({ signerName: signers.nodeClient, usages }), node)).toEqual([]);
    expect(autoApprovals(csr({ signerName: signers.client, usages: nodeUsages }), node)).toEqual([]);
  });
});

describe('a request is forgotten', () => {
  const decided = (type: 'Approved' | 'Denied' | 'Failed', at: number) =>
    csr({}, { conditions: [{ type, status: 'True', lastUpdateTime: formatTime(at) }] });

  it('after a day when nobody decides about it', () => {
    expect(forgetAt(csr({}))).toBe(created + 24 * hour);
  });

  it('an hour after it was denied or has failed, and not while its certificate is still to come', () => {
    const at = created + 5 * hour;
    expect(forgetAt(decided('Denied', at))).toBe(at + hour);
    expect(forgetAt(decided('Failed', at))).toBe(at + hour);
    expect(forgetAt(decided('Approved', at))).toBeUndefined();
  });
});
