import { createPublicKey, webcrypto } from 'node:crypto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import { hashOf, userUidAttribute } from './inspect.ts';
import { type RequestedSubject, readSigningRequest, type SigningRequest } from './signing-request.ts';

export { authorityHash, renewalTime, shouldRenew, type Validity, validityOf } from './inspect.ts';

/**
 * The cluster's certificates: ECDSA P-256 throughout, PEM in and out. Keys are drawn by the platform's own
 * generator, never from an injected Random: a key must not be replayable.
 */
export interface KeyPair {
  /** PEM. */
  readonly certificate: string;
  /** PKCS#8, PEM. */
  readonly key: string;
}

export interface PkiDeps {
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Random;
}

export interface ServerSubject {
  readonly commonName: string;
  /** The DNS names and IP addresses that clients dial. */
  readonly names: readonly string[];
}

export interface ClientSubject {
  /** The user: CN. */
  readonly user: string;
  /** The groups: one O each. */
  readonly groups: readonly string[];
  /** The user's uid: the subject attribute that Kubernetes reads. */
  readonly uid?: string;
}

const day = 24 * 60 * 60 * 1000;

/** Lifetimes in milliseconds. kubeadm's: ten years for the CA, one year for what it signs. */
export const lifetimes = { authority: 3650 * day, server: 365 * day, client: 365 * day } as const;

/** How far a certificate's start lies in the past, for peers whose clock is behind. */
const clockSkewMs = 5 * 60 * 1000;

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Signs the cluster's certificates. */
export interface Authority {
  /** The CA's own certificate, PEM. */
  readonly certificate: string;
  /** `sha256:…` of its public key: what a joining machine compares. */
  readonly hash: string;
  issueServer(subject: ServerSubject, lifetimeMs?: number): Promise<KeyPair>;
  issueClient(subject: ClientSubject, lifetimeMs?: number): Promise<KeyPair>;
  /** A client certificate for the key of a signing request; what name the request asks for is ignored. */
  signClient(request: Pick<SigningRequest, 'publicKey'>, subject: ClientSubject, lifetimeMs?: number): Promise<string>;
  /**
   * A certificate for the key of a request, with the subject and the names that were read from it, for a caller that has
   * checked them. Both are made anew of these values. `usages`: as a CertificateSigningRequest has them. `uid`: the user's.
   */
  signRequest(request: SigningRequest, usages: readonly string[], lifetimeMs: number, uid?: string): Promise<string>;
}

/** A CA that signs itself. */
export async function createAuthority(commonName: string, deps: PkiDeps): Promise<KeyPair> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: nameOf([['CN', commonName]]),
      keys,
      ...validity(lifetimes.authority, deps),
      serialNumber: serialNumber(deps),
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
          true,
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { certificate: pem(certificate), key: await exportKey(keys.privateKey) };
}

/** Throws when the key is not the certificate's. */
export async function loadAuthority(pair: KeyPair, deps: PkiDeps): Promise<Authority> {
  const certificate = new x509.X509Certificate(pair.certificate);
  const signingKey = await importKey(pair.key);
  const spki = Buffer.from(certificate.publicKey.rawData);
  const own = createPublicKey(pair.key).export({ type: 'spki', format: 'der' });
  if (!own.equals(spki)) throw new Error('the CA key is not the key of the CA certificate');

  async function issue(
    subject: x509.Name,
    publicKey: webcrypto.CryptoKey | x509.PublicKey,
    lifetimeMs: number,
    extensions: x509.Extension[],
    keyUsages: number = x509.KeyUsageFlags.digitalSignature,
  ): Promise<string> {
    const issued = await x509.X509CertificateGenerator.create(
      {
        subject,
        issuer: certificate.subjectName,
        publicKey,
        signingKey,
        signingAlgorithm: algorithm,
        serialNumber: serialNumber(deps),
        ...validity(Math.min(lifetimeMs, certificate.notAfter.getTime() - deps.clock.now()), deps),
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          ...(keyUsages ? [new x509.KeyUsagesExtension(keyUsages, true)] : []),
          await x509.AuthorityKeyIdentifierExtension.create(certificate.publicKey, false, webcrypto),
          ...extensions,
        ],
      },
      webcrypto,
    );
    return pem(issued);
  }

  const clientUse = new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]);
  const serverUse = new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]);
  return {
    certificate: pair.certificate,
    hash: hashOf(spki),
    async issueServer({ commonName, names }, lifetimeMs = lifetimes.server) {
      const keys = await generateKeys();
      const alternative = new x509.SubjectAlternativeNameExtension(names.map(generalName));
      const issued = await issue(nameOf([['CN', commonName]]), keys.publicKey, lifetimeMs, [serverUse, alternative]);
      return { certificate: issued, key: await exportKey(keys.privateKey) };
    },
    async issueClient(subject, lifetimeMs = lifetimes.client) {
      const keys = await generateKeys();
      const issued = await issue(clientName(subject), keys.publicKey, lifetimeMs, [clientUse]);
      return { certificate: issued, key: await exportKey(keys.privateKey) };
    },
    signClient: (request, subject, lifetimeMs = lifetimes.client) =>
      issue(clientName(subject), request.publicKey, lifetimeMs, [clientUse]),
    signRequest({ publicKey, subject }, usages, lifetimeMs, uid) {
      const uses = usages.flatMap((usage) => extendedUsages[usage] ?? []);
      const names = Object.entries(subject.names).flatMap(([type, values]) =>
        values.map((value) => ({ type: type as keyof RequestedSubject['names'], value })),
      );
      const asked = [
        ...(uses.length > 0 ? [new x509.ExtendedKeyUsageExtension(uses)] : []),
        ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      ];
      const keyUsages = usages.reduce((flags, usage) => flags | (plainUsages[usage] ?? 0), 0);
      return issue(requestedName(subject, uid), publicKey, lifetimeMs, asked, keyUsages);
    },
  };
}

/** Kubernetes' names of the key usages that the signers support. */
const plainUsages: Readonly<Record<string, number | undefined>> = {
  'digital signature': x509.KeyUsageFlags.digitalSignature,
  'key encipherment': x509.KeyUsageFlags.keyEncipherment,
};
const extendedUsages: Readonly<Record<string, string | undefined>> = {
  'client auth': x509.ExtendedKeyUsage.clientAuth,
  'server auth': x509.ExtendedKeyUsage.serverAuth,
};

/** A new key and a PKCS#10 request for it. */
export async function createSigningRequest(subject: ClientSubject): Promise<{ request: string; key: string }> {
  const keys = await generateKeys();
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    { name: clientName(subject), keys, signingAlgorithm: algorithm },
    webcrypto,
  );
  return { request: request.toString('pem'), key: await exportKey(keys.privateKey) };
}

/** Reads a request for a node's certificate, whose key must be of our kind. Throws Error with the fault. */
export function readNodeRequest(pem: string): SigningRequest {
  const request = readSigningRequest(pem);
  const { name, namedCurve } = request.publicKey.algorithm as { name: string; namedCurve?: string };
  if (name !== 'ECDSA' || namedCurve !== 'P-256') throw new Error('the key of the signing request must be ECDSA P-256');
  return request;
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

function importKey(key: string): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(key), algorithm, false, ['sign']);
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

function clientName({ user, groups, uid }: ClientSubject): x509.Name {
  return nameOf([
    ...groups.map((group): NamePart => ['O', group]),
    ...(uid === undefined ? [] : [[userUidAttribute, uid] satisfies NamePart]),
    ['CN', user],
  ]);
}

function requestedName({ others = [], organizations, commonName }: RequestedSubject, uid?: string): x509.Name {
  return nameOf([
    ...(uid === undefined ? [] : [[userUidAttribute, uid] satisfies NamePart]),
    ...others.map(({ type, value }): NamePart => [type, value]),
    ...organizations.map((organization): NamePart => ['O', organization]),
    ...(commonName === undefined ? [] : [['CN', commonName] satisfies NamePart]),
  ]);
}

type NamePart = readonly [type: string, value: string];

/** Each value as it is: from a bare string the library takes quotes and escapes, and `#` for the start of encoded bytes. */
function nameOf(parts: readonly NamePart[]): x509.Name {
  return new x509.Name(parts.map(([type, value]) => ({ [type]: [{ utf8String: value }] })));
}

function generalName(name: string): { type: 'ip' | 'dns'; value: string } {
  return { type: /^[\d.]+$|:/.test(name) ? 'ip' : 'dns', value: name };
}

function validity(lifetimeMs: number, { clock }: PkiDeps): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(clock.now() - clockSkewMs), notAfter: new Date(clock.now() + lifetimeMs) };
}

/** 16 bytes, positive, never zero (RFC 5280, 4.1.2.2). */
function serialNumber({ random }: PkiDeps): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}
