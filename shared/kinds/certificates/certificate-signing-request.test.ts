import { describe, expect, it } from 'vitest';
import { admitted, faults, updateFaults, writtenPart } from '../../../test/support/kind-rules.ts';
import type { CertificateSigningRequest } from '../../generated/types.ts';

const spec = { request: 'YWJj', signerName: 'example.com/signer', usages: ['client auth'] };
const now = Date.parse('2026-01-01T00:00:00Z');
const approved = { type: 'Approved', status: 'True', reason: 'Fine' };

function csr(status: object = {}): CertificateSigningRequest {
  return { ...admitted('CertificateSigningRequest', { spec }), status } as CertificateSigningRequest;
}

describe('CertificateSigningRequest', () => {
  it.each<[string, object, string[]]>([
    ['a good one', {}, []],
    ['no usage', { usages: [] }, ['spec.usages: Required value: usages must be provided']],
    ['a usage twice', { usages: ['any', 'any'] }, ['spec.usages[1]: Duplicate value: "any"']],
    [
      'a signer without a path',
      { signerName: 'example.com' },
      [
        'spec.signerName: Invalid value: "example.com": must be a fully qualified domain and path of the form \'example.com/signer-name\'',
      ],
    ],
    [
      'a signer without a domain',
      { signerName: 'signer/a' },
      ['spec.signerName: Invalid value: "signer": should be a domain with at least two segments separated by dots'],
    ],
    [
      'the signer from before signers had names',
      { signerName: 'kubernetes.io/legacy-unknown' },
      [
        'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version',
      ],
    ],
    [
      'a life too short',
      { expirationSeconds: 599 },
      ['spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)'],
    ],
  ])('checks %s', (_case, more, expected) => {
    expect(faults('CertificateSigningRequest', { spec: { ...spec, ...more } })).toEqual(expected);
  });

  it('has an immutable spec', () => {
    expect(updateFaults('CertificateSigningRequest', { spec }, { spec: { ...spec, signerName: 'a.b/c' } })).toEqual([]);
  });

  it('is approved by its approval alone, which stamps the time', () => {
    const next = csr({ conditions: [approved], certificate: 'YWJj' });
    const { object, faults: wrong } = writtenPart('approval', csr(), next, now);
    expect(wrong).toEqual([]);
    const stamps = { lastUpdateTime: '2026-01-01T00:00:00Z', lastTransitionTime: '2026-01-01T00:00:00Z' };
    expect(object.status).toEqual({ conditions: [{ ...approved, ...stamps }] });
    expect(writtenPart('status', csr(), csr({ conditions: [approved] }), now).faults).toEqual([
      'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
    ]);
  });

  it('takes no decision back, and none against another', () => {
    const old = csr({ conditions: [approved] });
    expect(writtenPart('approval', old, csr(), now).faults).toEqual([
      'status.conditions: Forbidden: updates may not remove a condition of type "Approved"',
    ]);
    const both = csr({ conditions: [approved, { type: 'Denied', status: 'True' }] });
    expect(writtenPart('approval', old, both, now).faults).toEqual([
      'status.conditions[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive',
    ]);
    const unsure = csr({ conditions: [{ type: 'Approved', status: 'False' }] });
    expect(writtenPart('approval', csr(), unsure, now).faults).toEqual([
      'status.conditions[0].status: Unsupported value: "False": supported values: "True"',
    ]);
  });

  it('gets a certificate once, and only a valid one', () => {
    const bad = csr({ certificate: Buffer.from('no PEM at all').toString('base64') });
    expect(writtenPart('status', csr(), bad, now).faults).toEqual([
      'status.certificate: Invalid value: "<certificate data>": must contain one or more CERTIFICATE PEM blocks',
    ]);
    const key = Buffer.from('-----BEGIN PRIVATE KEY-----\nYWJj\n-----END PRIVATE KEY-----\n').toString('base64');
    expect(writtenPart('status', csr(), csr({ certificate: key }), now).faults).toEqual([
      'status.certificate: Invalid value: "<certificate data>": only CERTIFICATE PEM blocks are allowed, found "PRIVATE KEY"',
    ]);
    expect(writtenPart('status', csr({ certificate: key }), csr(), now).faults).toEqual([
      'status.certificate: Forbidden: updates may not modify existing certificate content',
    ]);
  });
});
