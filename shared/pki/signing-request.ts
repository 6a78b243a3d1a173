import { createPublicKey, verify } from 'node:crypto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

/** What somebody asks a certificate for. */
export interface RequestedSubject {
  readonly commonName?: string;
  readonly organizations: readonly string[];
  /** The subject's other names, by their kind. */
  readonly names: Readonly<Record<'dns' | 'ip' | 'email' | 'url', readonly string[]>>;
}

/**
 * Reads a PKCS#10 request in PEM of any common kind of key, and checks that its sender holds the key. Throws Error that says what is
 * wrong with it.
 */
export function readSigningRequest(pem: string): RequestedSubject {
  const [block] = x509.PemConverter.decodeWithHeaders(pem);
  if (block?.type !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST');
  const der = Buffer.from(block.rawData);
  const request = parse(der);
  const key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' });
  const { hash } = request.signatureAlgorithm as { hash?: { name: string } };
  const digest = hash ? hash.name.replace('-', '') : null;
  if (!verify(digest, signedPart(der), key, Buffer.from(request.signature))) {
    throw new Error('the request is not signed by its own key');
  }
  const [commonName] = request.subjectName.getField('CN');
  const alternative = request.extensions.find((one) => one instanceof x509.SubjectAlternativeNameExtension);
  const { items = [] } = alternative?.names ?? {};
  const namesOf = (kind: string): string[] => items.filter(({ type }) => type === kind).map(({ value }) => value);
  return {
    ...(commonName === undefined ? {} : { commonName }),
    organizations: request.subjectName.getField('O'),
    names: { dns: namesOf('dns'), ip: namesOf('ip'), email: namesOf('email'), url: namesOf('url') },
  };
}

function parse(der: Buffer): x509.Pkcs10CertificateRequest {
  try {
    return new x509.Pkcs10CertificateRequest(der);
  } catch (cause) {
    throw new Error('not a PKCS#10 signing request', { cause });
  }
}

/** The first of the three parts of a request, with its own header. `der` was parsed before: it is well-formed. */
function signedPart(der: Buffer): Buffer {
  const outer = headerAt(der, 0);
  const inner = headerAt(der, outer.content);
  return der.subarray(outer.content, inner.content + inner.length);
}

/** Where an element's content begins and how long it is (X.690, 8.1). */
function headerAt(der: Buffer, at: number): { content: number; length: number } {
  const first = der.readUInt8(at + 1);
  if (first < 0x80) return { content: at + 2, length: first };
  const bytes = first & 0x7f;
  return { content: at + 2 + bytes, length: der.readUIntBE(at + 2, bytes) };
}
