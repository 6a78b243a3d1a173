import { createPublicKey, verify } from 'node:crypto';
import 'reflect-metadata';
import { CertificationRequest } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  type AttributeTypeAndValue,
  Extensions,
  type GeneralName,
  id_ce_subjectAltName,
  SubjectAlternativeName,
} from '@peculiar/asn1-x509';
import * as x509 from '@peculiar/x509';

/** What a certificate is asked for. Each value is what was decoded, and what the certificate is made of. */
export interface RequestedSubject {
  readonly commonName?: string;
  readonly organizations: readonly string[];
  /** The subject's other attributes that Kubernetes' signers take over: `OU`, `C` … */
  readonly others?: readonly SubjectAttribute[];
  /** The subject's other names, by their kind. */
  readonly names: Readonly<Record<NameKind, readonly string[]>>;
}

export interface SubjectAttribute {
  /** The object identifier, in dotted form. */
  readonly type: string;
  readonly value: string;
}

type NameKind = 'dns' | 'ip' | 'email' | 'url';

/** A request whose sender has proved to hold its key. */
export interface SigningRequest {
  readonly publicKey: x509.PublicKey;
  readonly subject: RequestedSubject;
}

const commonNameId = '2.5.4.3';
const organizationId = '2.5.4.10';
/** serialNumber, C, L, ST, STREET, OU, postalCode: with CN and O all that Go's `pkix.Name` carries over. */
const otherIds = ['2.5.4.5', '2.5.4.6', '2.5.4.7', '2.5.4.8', '2.5.4.9', '2.5.4.11', '2.5.4.17'];
const extensionRequestId = '1.2.840.113549.1.9.14';
/** Most attributes of a subject, and most other names. */
const maxValues = 256;

/**
 * Reads a PKCS#10 request in PEM of any common kind of key, and checks that its sender holds the key. This is the only reading:
 * what signs the request takes its result. Throws Error with the fault of the request.
 */
export function readSigningRequest(pem: string): SigningRequest {
  const asn = parse(derOf(pem));
  const request = new x509.Pkcs10CertificateRequest(asn);
  const key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' });
  const { hash } = request.signatureAlgorithm as { hash?: { name: string } };
  const digest = hash ? hash.name.replace('-', '') : null;
  const signed = Buffer.from(asn.certificationRequestInfoRaw ?? AsnConvert.serialize(asn.certificationRequestInfo));
  if (!verify(digest, signed, key, Buffer.from(asn.signature))) {
    throw new Error('the request is not signed by its own key');
  }
  return { publicKey: request.publicKey, subject: { ...subjectOf(asn), names: namesOf(asn) } };
}

function derOf(pem: string): Buffer {
  const blocks = blocksOf(pem);
  const [block] = blocks;
  if (block?.type !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST');
  if (blocks.length > 1) throw new Error('there must be one PEM block');
  return Buffer.from(block.rawData);
}

function blocksOf(pem: string): x509.PemStruct[] {
  try {
    return x509.PemConverter.decodeWithHeaders(pem);
  } catch (cause) {
    throw new Error('not a PKCS#10 signing request in PEM', { cause });
  }
}

function parse(der: Buffer): CertificationRequest {
  try {
    return AsnConvert.parse(der, CertificationRequest);
  } catch (cause) {
    throw new Error('not a PKCS#10 signing request in PEM', { cause });
  }
}

function subjectOf({ certificationRequestInfo: { subject } }: CertificationRequest): Omit<RequestedSubject, 'names'> {
  const attributes = [...subject].flatMap((relative) => Array.from(relative, attributeOf));
  if (attributes.length > maxValues) throw new Error(`the subject has more than ${maxValues} attributes`);
  const valuesOf = (id: string): string[] => attributes.filter(({ type }) => type === id).map(({ value }) => value);
  const [commonName, ...more] = valuesOf(commonNameId);
  if (more.length > 0) throw new Error('the subject has more than one common name');
  return {
    ...(commonName === undefined ? {} : { commonName }),
    organizations: valuesOf(organizationId),
    others: attributes.filter(({ type }) => otherIds.includes(type)),
  };
}

/** Other string types are read differently by different libraries, some not as strings at all. */
function attributeOf({ type, value: { utf8String, printableString } }: AttributeTypeAndValue): SubjectAttribute {
  if (![commonNameId, organizationId, ...otherIds].includes(type)) {
    throw new Error(`the subject attribute ${type} is not supported`);
  }
  const value = utf8String ?? printableString;
  if (value === undefined) throw new Error(`the subject attribute ${type} must be a UTF8String or a PrintableString`);
  if (value === '' || /\p{Cc}|\uFFFD/u.test(value)) {
    throw new Error(`the subject attribute ${type} must hold text without control characters`);
  }
  return { type, value };
}

function namesOf({ certificationRequestInfo: { attributes } }: CertificationRequest): RequestedSubject['names'] {
  const requested = attributes.filter(({ type }) => type === extensionRequestId).flatMap(({ values }) => values);
  const extensions = requested.flatMap((value) => [...AsnConvert.parse(value, Extensions)]);
  const [alternative, ...more] = extensions.filter(({ extnID }) => extnID === id_ce_subjectAltName);
  if (more.length > 0) throw new Error('the request has more than one subjectAltName extension');
  const names: Record<NameKind, string[]> = { dns: [], ip: [], email: [], url: [] };
  if (!alternative) return names;
  const given = AsnConvert.parse(alternative.extnValue, SubjectAlternativeName);
  if (given.length > maxValues) throw new Error(`the request has more than ${maxValues} subjectAltNames`);
  for (const one of given) {
    const { kind, value } = nameOf(one);
    names[kind].push(value);
  }
  return names;
}

function nameOf({ dNSName, iPAddress, rfc822Name, uniformResourceIdentifier }: GeneralName): {
  kind: NameKind;
  value: string;
} {
  const [found] = Object.entries({ dns: dNSName, ip: iPAddress, email: rfc822Name, url: uniformResourceIdentifier })
    .filter((entry): entry is [NameKind, string] => entry[1] !== undefined)
    .map(([kind, value]) => ({ kind, value }));
  if (!found) throw new Error('only DNS, IP, email and URI subjectAltNames are supported');
  // IA5String is ASCII; what separates names in their printed form is no part of one.
  if (!/^[!#-+\--~]+$/.test(found.value)) throw new Error(`${JSON.stringify(found.value)} is not a subjectAltName`);
  return found;
}
