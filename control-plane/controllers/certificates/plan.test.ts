import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { beforeAll, describe, expect, it } from 'vitest';
import { formatTime } from '../../../shared/clock.ts';
import type { CertificateSigningRequest } from '../../../shared/generated/types.ts';
import type { RequestedSubject } from '../../../shared/pki/signing-request.ts';
import { autoApprovals, expiresAt, hasCondition, isOurs, nodeIn, signerFault, signers } from './plan.ts';

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
  ])('for kubelet clients checks the usages %j', (usages, fault) => {
    expect(signerFault(signers.nodeClient, node, usages)).toBe(fault);
  });

  it.each<[Partial<RequestedSubject>, string]>([
    [{ organizations: ['system:nodes', 'system:masters'] }, 'subject organization is not system:nodes'],
    [{ commonName: 'admin' }, 'subject common name does not begin with system:node:'],
    [{ names: { ...none, dns: ['a'] } }, 'DNS subjectAltNames are not allowed'],
    [{ names: { ...none, ip: ['10.0.0.1'] } }, 'IP subjectAltNames are not allowed'],
    [{ names: { ...none, email: ['a@b'] } }, 'Email subjectAltNames are not allowed'],
    [{ names: { ...none, url: ['a:b'] } }, 'URI subjectAltNames are not allowed'],
  ])('for kubelet clients refuses %j', (change, fault) => {
    expect(signerFault(signers.nodeClient, { ...node, ...change }, nodeUsages)).toBe(fault);
  });

  it('for kubelet servers checks the names, the usages and the subject', () => {
    const usages = ['digital signature', 'server auth'];
    const fault = (change: Partial<RequestedSubject>, requested = usages) =>
      signerFault(signers.nodeServing, { ...node, names: { ...none, dns: ['n1'] }, ...change }, requested);
    expect(fault({})).toBeUndefined();
    expect(fault({ names: { ...none, ip: ['10.0.0.1'] } }, ['key encipherment', ...usages])).toBeUndefined();
    expect(fault({ names: none })).toBe('DNS or IP subjectAltName is required');
    expect(fault({ names: { ...none, dns: ['a'], email: ['a@b'] } })).toBe('Email subjectAltNames are not allowed');
    expect(fault({ names: { ...none, dns: ['a'], url: ['a:b'] } })).toBe('URI subjectAltNames are not allowed');
    expect(fault({ organizations: [] })).toBe('subject organization is not system:nodes');
    expect(fault({ organizations: ['devs'] })).toBe('subject organization is not system:nodes');
    expect(fault({ commonName: 'n1' })).toBe('subject common name does not begin with system:node:');
    expect(fault({}, nodeUsages)).toBe('usages did not match [digital signature key encipherment server auth]');
    expect(fault({}, ['server auth'])).toContain('usages did not match');
    const { commonName: _, ...nameless } = { ...node, names: { ...none, dns: ['n1'] } };
    expect(signerFault(signers.nodeServing, nameless, usages)).toBe(
      'subject common name does not begin with system:node:',
    );
    expect(signerFault(signers.nodeClient, { ...nameless, names: none }, nodeUsages)).toContain('does not begin with');
  });

  it('for clients refuses reserved groups and usages other than those of clients', () => {
    const fault = (organizations: string[], ...usages: string[]) =>
      signerFault(signers.client, { commonName: 'jane', organizations, names: none }, usages);
    expect(fault(['devs', 'system:masters'], 'client auth')).toBe(
      'use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed',
    );
    expect(fault([], 'client auth', 'server auth')).toBe('invalid usage for client certificate: server auth');
    expect(fault([], 'client auth', 'digital signature', 'key encipherment')).toBeUndefined();
    expect(fault([])).toBe('missing required usage for client certificate: client auth');
  });

  it('for clients accepts any name', () => {
    const jane = { commonName: 'jane', organizations: ['devs'], names: none };
    expect(signerFault(signers.client, jane, ['client auth', 'key encipherment'])).toBeUndefined();
    expect(signerFault(signers.client, jane, ['digital signature'])).toBe(
      'missing required usage for client certificate: client auth',
    );
  });
});

/** Certificates with several expiration times, as in the status of a request. */
const made = new Map<number, string>();
beforeAll(async () => {
  const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify']);
  for (const end of [2, 5.5, 900].map((count) => created + count * hour)) {
    const notBefore = new Date(created);
    const one = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=x',
      notBefore,
      notAfter: new Date(end),
      keys,
      signingAlgorithm,
    });
    made.set(end, Buffer.from(one.toString('pem')).toString('base64'));
  }
});
const pemUntil = (end: number): string => made.get(end) ?? '';

function csr(spec: object, status: CertificateSigningRequest['status'] = {}): CertificateSigningRequest {
  const metadata = { name: 'x', uid: 'x', resourceVersion: '1', creationTimestamp: formatTime(created) };
  return { kind: 'CertificateSigningRequest', metadata, spec, status } as CertificateSigningRequest;
}

describe('a request for a node’s client certificate', () => {
  it('may be approved as selfnodeclient for the node itself, and as nodeclient for other users', () => {
    const permissions = (username: string) =>
      autoApprovals(csr({ signerName: signers.nodeClient, usages: nodeUsages, username }), node).map(
        ({ subresource }) => subresource,
      );
    expect(permissions('system:node:n1')).toEqual(['selfnodeclient', 'nodeclient']);
    expect(permissions('system:bootstrap:abcdef')).toEqual(['nodeclient']);
  });

  it('is not approved automatically when it contains anything else', () => {
    const usages = [...nodeUsages, 'server auth'];
    expect(autoApprovals(csr({ signerName: signers.nodeClient, usages }), node)).toEqual([]);
    expect(autoApprovals(csr({ signerName: signers.client, usages: nodeUsages }), node)).toEqual([]);
  });
});

describe('a request is deleted', () => {
  const decided = (type: 'Approved' | 'Denied' | 'Failed', at: number) =>
    csr({}, { conditions: [{ type, status: 'True', lastUpdateTime: formatTime(at) }] });

  it('after a day without a decision', () => {
    expect(expiresAt(csr({}))).toBe(created + 24 * hour);
  });

  it('an hour after it was denied or failed, but not while its certificate is pending', () => {
    const at = created + 5 * hour;
    expect(expiresAt(decided('Denied', at))).toBe(at + hour);
    expect(expiresAt(decided('Failed', at))).toBe(at + hour);
    expect(expiresAt(decided('Approved', at))).toBeUndefined();
  });

  it('an hour after its certificate was issued, and when the certificate expires', () => {
    const at = created + 5 * hour;
    const signed = (validTo: number) => csr({}, { ...decided('Approved', at).status, certificate: pemUntil(validTo) });
    expect(expiresAt(signed(created + 900 * hour))).toBe(at + hour);
    expect(expiresAt(signed(at + hour / 2))).toBe(at + hour / 2);
    expect(expiresAt(csr({}, { certificate: pemUntil(created + 2 * hour) }))).toBe(created + 2 * hour);
  });

  it('by its creation time when a decision has no time, and by the earliest of several expirations', () => {
    const undated = csr({}, { conditions: [{ type: 'Denied', status: 'True' }] });
    expect(expiresAt(undated)).toBe(created + hour);
    const both = [
      ...(decided('Failed', created + 9 * hour).status?.conditions ?? []),
      ...(decided('Denied', created + 3 * hour).status?.conditions ?? []),
    ];
    expect(expiresAt(csr({}, { conditions: both }))).toBe(created + 4 * hour);
  });
});

it('a condition applies unless its status is False', () => {
  const of = (status?: string) =>
    csr({}, {
      conditions: [
        { type: 'Odd', status: 'True' },
        { type: 'Approved', status },
      ],
    } as never);
  expect(['True', 'Unknown', 'False'].map((status) => hasCondition(of(status), 'Approved'))).toEqual([
    true,
    true,
    false,
  ]);
  expect(hasCondition(csr({}, undefined), 'Approved')).toBe(false);
  expect(hasCondition(of('True'), 'Denied')).toBe(false);
});

it('a subject of a node names the node', () => {
  expect(nodeIn(node)).toBe('n1');
  expect(nodeIn({ ...node, organizations: ['devs'] })).toBeUndefined();
  expect(nodeIn({ ...node, organizations: ['devs', 'system:nodes'] })).toBe('n1');
  expect(nodeIn({ ...node, commonName: 'jane' })).toBeUndefined();
  expect(nodeIn({ ...node, commonName: 'system:node:' })).toBeUndefined();
  expect(nodeIn({ organizations: ['system:nodes'], names: none })).toBeUndefined();
});

it('the signers are those for clients, kubelet clients and kubelet servers', () => {
  expect(Object.values(signers).every(isOurs)).toBe(true);
  expect(isOurs('example.org/mine')).toBe(false);
});
