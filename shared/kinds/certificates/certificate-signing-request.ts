import { X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { formatTime } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type {
  CertificateSigningRequest,
  CertificateSigningRequestCondition,
  CertificateSigningRequestStatus,
  StatusCause,
} from '../../generated/types.ts';
import { pemBlocks } from '../../pki/pem-blocks.ts';
import { duplicate, forbidden, invalid, notSupported, required } from '../../schema/causes.ts';
import { isDnsLabel, isDnsSubdomain } from '../../schema/formats.ts';
import { humanDuration } from '../columns/age.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { repeats } from '../rules/repeats.ts';

/** The shortest expirationSeconds. */
const minLife = 600;
/** The signer of requests of versions without signer names. */
const legacySigner = 'kubernetes.io/legacy-unknown';

export const certificateSigningRequest: Behaviour<CertificateSigningRequest> = {
  nameFormat: () => undefined,
  columns: [
    nameColumn,
    ageColumn as Column<CertificateSigningRequest>,
    text('SignerName', 'The requested signer.', ({ spec }) => spec.signerName || '<none>'),
    text('Requestor', 'The user that created the request.', ({ spec }) => spec.username ?? ''),
    text('RequestedDuration', 'The requested validity of the certificate.', ({ spec: { expirationSeconds } }) => {
      return expirationSeconds === undefined ? '<none>' : humanDuration(expirationSeconds * 1000);
    }),
    text(
      'Condition',
      'Whether the request is pending, approved, denied or failed, and whether the certificate is issued.',
      ({ status }) => conditionOf(status ?? {}),
    ),
  ],
  strategy: {
    generation: 'none',
    prepareCreate(object) {
      object.status = {};
    },
    prepareUpdate(object, old) {
      object.spec = old.spec;
    },
    validate({ spec, status }, causes) {
      const { signerName, expirationSeconds, usages = [] } = spec;
      for (const index of repeats(usages)) causes.push(duplicate(`spec.usages[${index}]`, usages[index]));
      if (signerName === legacySigner) {
        const fault = 'the legacy signerName is not allowed via this API version';
        causes.push(invalid('spec.signerName', signerName, fault));
      } else if (signerName) {
        validateSignerName(signerName, causes);
      }
      if (expirationSeconds !== undefined && expirationSeconds < minLife) {
        const fault = 'may not specify a duration less than 600 seconds (10 minutes)';
        causes.push(invalid('spec.expirationSeconds', expirationSeconds, fault));
      }
      validateStatus(status ?? {}, causes);
    },
    parts: {
      status: {
        prepare(object, old, now) {
          for (const type of ['Approved', 'Denied'] as const) keepConditions(object, old, type);
          stampConditions(object, old, now);
        },
        validate(object, old, causes) {
          validateStatus(object.status ?? {}, causes);
          validateKept(object, old, causes);
          for (const type of ['Approved', 'Denied'] as const) validateUntouched(object, old, type, causes);
          const before = old.status?.certificate;
          if (before && object.status?.certificate !== before) {
            causes.push(forbidden('status.certificate', 'updates may not modify existing certificate content'));
          }
        },
      },
      approval: {
        prepare(object, old, now) {
          object.spec = old.spec;
          const { conditions } = object.status ?? {};
          object.status = { ...old.status, ...(conditions ? { conditions } : {}) };
          if (!conditions) delete object.status.conditions;
          stampConditions(object, old, now);
        },
        validate(object, old, causes) {
          validateStatus(object.status ?? {}, causes);
          validateKept(object, old, causes);
        },
      },
    },
  },
};

/** Conditions of these types must be True. */
const onlyTrue = ['Approved', 'Denied', 'Failed'];
const anyStatus = ['True', 'False', 'Unknown'];

function validateStatus(
  { conditions = [], certificate }: CertificateSigningRequestStatus,
  causes: StatusCause[],
): void {
  const seen = new Set<string>();
  for (const [index, { type, status }] of conditions.entries()) {
    const field = `status.conditions[${index}]`;
    if (type === '') causes.push(required(`${field}.type`));
    if (status === '') causes.push(required(`${field}.status`));
    else if (status !== undefined) {
      const allowed = onlyTrue.includes(type) ? ['True'] : anyStatus;
      if (!allowed.includes(status)) causes.push(notSupported(`${field}.status`, status, allowed));
    }
    const other = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (other && seen.has(other)) {
      causes.push(invalid(`${field}.type`, type, 'Approved and Denied conditions are mutually exclusive'));
    }
    if (seen.has(type)) causes.push(duplicate(`${field}.type`, type));
    seen.add(type);
  }
  const fault = certificate ? certificateFault(certificate) : undefined;
  if (fault) causes.push(invalid('status.certificate', '<certificate data>', fault));
}

/** A decision cannot be removed. */
function validateKept(object: CertificateSigningRequest, old: CertificateSigningRequest, causes: StatusCause[]): void {
  for (const type of onlyTrue) {
    if (ofType(object, type).length < ofType(old, type).length) {
      causes.push(forbidden('status.conditions', `updates may not remove a condition of type ${JSON.stringify(type)}`));
    }
  }
}

/** A write of the status cannot approve or deny. */
function validateUntouched(
  object: CertificateSigningRequest,
  old: CertificateSigningRequest,
  type: string,
  causes: StatusCause[],
): void {
  const [now, before] = [ofType(object, type), ofType(old, type)];
  const verb = now.length > before.length ? 'add' : 'modify';
  if (now.length > before.length || (now.length === before.length && !isDeepStrictEqual(now, before))) {
    causes.push(forbidden('status.conditions', `updates may not ${verb} a condition of type ${JSON.stringify(type)}`));
  }
}

function keepConditions(object: CertificateSigningRequest, old: CertificateSigningRequest, type: string): void {
  const before = ofType(old, type);
  if (!object.status?.conditions || before.length !== ofType(object, type).length) return;
  let next = 0;
  object.status = {
    ...object.status,
    conditions: object.status.conditions.map((one) => (one.type === type ? (before[next++] ?? one) : one)),
  };
}

/** Sets the times of conditions that the client left out. */
function stampConditions(object: CertificateSigningRequest, old: CertificateSigningRequest, now: number): void {
  if (!object.status?.conditions) return;
  const stamp = formatTime(now);
  const conditions = object.status.conditions.map((condition) => {
    const same = ofType(old, condition.type).find(({ status }) => status === condition.status);
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? stamp,
      lastTransitionTime: condition.lastTransitionTime ?? same?.lastTransitionTime ?? stamp,
    };
  });
  object.status = { ...object.status, conditions };
}

function ofType({ status }: CertificateSigningRequest, type: string): CertificateSigningRequestCondition[] {
  return (status?.conditions ?? []).filter((condition) => condition.type === type);
}

/** The most characters of a signer's name, and of its path: a label, a dot and a subdomain. */
const maxPath = 253 + 63 + 1;
const maxSignerName = 253 + maxPath + 1;

function validateSignerName(name: string, causes: StatusCause[]): void {
  const field = 'spec.signerName';
  const [domain = '', path = '', ...more] = name.split('/');
  if (!name.includes('/') || more.length > 0) {
    const fault = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    causes.push(invalid(field, name, fault));
    return;
  }
  const labels = domain.split('.');
  const wrong = labels.find((label) => isDnsLabel(label));
  if (wrong !== undefined) causes.push(invalid(field, domain, labelFault(wrong, isDnsLabel(wrong))));
  if (labels.length < 2) {
    causes.push(invalid(field, domain, 'should be a domain with at least two segments separated by dots'));
  }
  const bad = path.split('.').find((label) => isDnsSubdomain(label));
  if (bad !== undefined) causes.push(invalid(field, path, labelFault(bad, isDnsSubdomain(bad))));
  if (name.length > maxSignerName) {
    causes.push({
      reason: 'FieldValueTooLong',
      field,
      message: `Too long: may not be more than ${maxSignerName} bytes`,
    });
  }
}

function labelFault(label: string, fault: string | undefined): string {
  return `validating label ${JSON.stringify(label)}: ${fault}`;
}

/** The most certificates of a chain: each is parsed. */
const maxCertificates = 100;

/** `certificate`: base64 of PEM, with any text between its blocks. */
function certificateFault(certificate: string): string | undefined {
  const pem = Buffer.from(certificate, 'base64').toString('latin1');
  let blocks = 0;
  for (const { type, content, text } of pemBlocks(pem)) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`;
    if (content.includes(':')) return 'no PEM block headers are permitted';
    if (++blocks > maxCertificates) return `must not contain more than ${maxCertificates} CERTIFICATE PEM blocks`;
    try {
      new X509Certificate(text);
    } catch (error) {
      return messageOf(error);
    }
  }
  return blocks === 0 ? 'must contain one or more CERTIFICATE PEM blocks' : undefined;
}

function conditionOf({ conditions = [], certificate }: CertificateSigningRequestStatus): string {
  const has = (type: string): boolean => conditions.some((condition) => condition.type === type);
  const decision = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  return `${decision}${has('Failed') ? ',Failed' : ''}${certificate ? ',Issued' : ''}`;
}
