import { generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import 'reflect-metadata';
import { CertificationRequest, CertificationRequestInfo } from '@peculiar/asn1-csr';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  Attribute,
  AttributeTypeAndValue,
  AttributeValue,
  Extension,
  Extensions,
  GeneralName,
  Name,
  OtherName,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectPublicKeyInfo,
} from '@peculiar/asn1-x509';
import { beforeAll, describe, expect, test } from 'vitest';
import { systemRandom } from '../random.ts';
import { VirtualClock } from '../virtual-clock.ts';
import { type Authority, createAuthority, loadAuthority } from './certificates.ts';
import { readSigningRequest } from './signing-request.ts';

const deps = { clock: new VirtualClock(Date.UTC(2026, 10, 22)), random: systemRandom };
const cn = '2.5.4.3';
const o = '2.5.4.10';
let authority: Authority;
beforeAll(async () => {
  authority = await loadAuthority(await createAuthority('test-ca', deps), deps);
});

type Value = string | Partial<AttributeValue>;

/** A request that its own key signed, of parts as an attacker chooses them. */
function request(subject: readonly (readonly [string, Value])[], alternatives: readonly Partial<GeneralName>[][] = []) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const extensions = alternatives.map((names) => {
    const value = AsnConvert.serialize(new SubjectAlternativeName(names.map((name) => new GeneralName(name))));
    return new Extension({ extnID: '2.5.29.17', extnValue: new OctetString(value) });
  });
  const info = new CertificationRequestInfo({
    subject: new Name(
      subject.map(([type, value]) => {
        const text = new AttributeValue(typeof value === 'string' ? { utf8String: value } : value);
        return new RelativeDistinguishedName([new AttributeTypeAndValue({ type, value: text })]);
      }),
    ),
    subjectPKInfo: AsnConvert.parse(publicKey.export({ type: 'spki', format: 'der' }), SubjectPublicKeyInfo),
  });
  if (extensions.length > 0) {
    const value = AsnConvert.serialize(new Extensions(extensions));
    info.attributes.push(new Attribute({ type: '1.2.840.113549.1.9.14', values: [value] }));
  }
  const whole = new CertificationRequest({
    certificationRequestInfo: info,
    signatureAlgorithm: new AlgorithmIdentifier({ algorithm: '1.2.840.10045.4.3.2' }),
    signature: bytes(sign('sha256', Buffer.from(AsnConvert.serialize(info)), privateKey)),
  });
  return pem(Buffer.from(AsnConvert.serialize(whole)));
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n').trim();
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines}\n-----END CERTIFICATE REQUEST-----\n`;
}

function bytes(buffer: Buffer): ArrayBuffer {
  return new Uint8Array(buffer).buffer;
}

/** DER of a string of that tag. */
function tagged(tag: number, text: string): ArrayBuffer {
  return bytes(Buffer.concat([Buffer.from([tag, text.length]), Buffer.from(text, 'latin1')]));
}

function fault(csr: string): string | undefined {
  try {
    readSigningRequest(csr);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return undefined;
}

async function signed(csr: string): Promise<X509Certificate> {
  return new X509Certificate(await authority.signRequest(readSigningRequest(csr), ['client auth'], 60_000));
}

describe('the subject of a signing request', () => {
  const masters = 'system:masters';
  test.each<[string, Value]>([
    ['NumericString', { anyValue: tagged(0x12, masters) }],
    ['VisibleString', { anyValue: tagged(0x1a, masters) }],
    ['GeneralString', { anyValue: tagged(0x1b, masters) }],
    ['OCTET STRING', { anyValue: tagged(0x04, masters) }],
    ['IA5String', { ia5String: masters }],
    ['BMPString', { bmpString: masters }],
    ['UniversalString', { universalString: masters }],
    ['TeletexString', { teletexString: masters }],
  ])('holds no %s, which others may read as another name', (_type, value) => {
    expect(
      fault(
        request([
          [o, value],
          [cn, 'ann'],
        ]),
      ),
    ).toBe(`the subject attribute ${o} must be a UTF8String or a PrintableString`);
  });

  test.each<[string, (readonly [string, Value])[], string]>([
    [
      'two common names',
      [
        [cn, 'ann'],
        [cn, 'root'],
      ],
      'the subject has more than one common name',
    ],
    [
      'a line break',
      [[cn, 'ann\nO=system:masters']],
      `the subject attribute ${cn} must hold text without control characters`,
    ],
    ['a NUL', [[cn, 'root\0ann']], `the subject attribute ${cn} must hold text without control characters`],
    ['an empty name', [[cn, '']], `the subject attribute ${cn} must hold text without control characters`],
    [
      'a user id',
      [
        ['1.3.6.1.4.1.57683.2', 'x'],
        [cn, 'ann'],
      ],
      'the subject attribute 1.3.6.1.4.1.57683.2 is not supported',
    ],
  ])('with %s is refused', (_case, subject, why) => {
    expect(fault(request(subject))).toBe(why);
  });

  test('is in the certificate as it was read, whatever its letters mean elsewhere', async () => {
    // To the library that writes certificates, a `#` begins encoded bytes, and quotes and backslashes are syntax.
    const encoded = `#130e${Buffer.from(masters).toString('hex')}`;
    const csr = request([
      ['2.5.4.11', 'unit'],
      [o, encoded],
      [o, { printableString: 'devs' }],
      [cn, '"root\\61"x'],
    ]);
    const { subject } = readSigningRequest(csr);
    expect(subject).toMatchObject({ organizations: [encoded, 'devs'], commonName: '"root\\61"x' });
    const { subject: written } = (await signed(csr)).toLegacyObject();
    expect(written).toEqual({ OU: 'unit', O: [encoded, 'devs'], CN: '"root\\61"x' });
    const own = await authority.issueClient({ user: encoded, groups: [encoded] });
    const { CN, O } = new X509Certificate(own.certificate).toLegacyObject().subject;
    expect([CN, O]).toEqual([encoded, encoded]);
  });
});

describe('the other names of a signing request', () => {
  const ann = [[cn, 'ann']] as const;

  test('are in the certificate as they were read', async () => {
    const names = [{ dNSName: 'a.example' }, { iPAddress: '10.0.0.1' }, { uniformResourceIdentifier: 'https://x/y' }];
    const csr = request(ann, [names]);
    expect(readSigningRequest(csr).subject.names).toEqual({
      dns: ['a.example'],
      ip: ['10.0.0.1'],
      email: [],
      url: ['https://x/y'],
    });
    expect((await signed(csr)).subjectAltName).toBe('DNS:a.example, IP Address:10.0.0.1, URI:https://x/y');
  });

  test('are refused in a second extension, and when they are of an unchecked type', () => {
    expect(fault(request(ann, [[{ dNSName: 'a' }], [{ dNSName: 'coracle' }]]))).toBe(
      'the request has more than one subjectAltName extension',
    );
    const other = new OtherName({ typeId: '1.2.3', value: tagged(0x0c, 'x') });
    for (const name of [{ otherName: other }, { registeredID: '1.2.3' }]) {
      expect(fault(request(ann, [[name]]))).toBe('only DNS, IP, email and URI subjectAltNames are supported');
    }
    expect(fault(request(ann, [[{ dNSName: 'a, DNS:coracle' }]]))).toBe('"a, DNS:coracle" is not a subjectAltName');
  });
});

test('a request is one block of PEM, and its signature covers the parsed content', () => {
  const [one, two] = [request([[cn, 'ann']]), request([[cn, 'root']])];
  expect(fault(one + two)).toBe('there must be one PEM block');
  expect(fault(one.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'))).toBe(
    'PEM block type must be CERTIFICATE REQUEST',
  );
  const der = Buffer.from(one.replace(/-----.*-----|\s/g, ''), 'base64');
  der.write('bob', der.indexOf('ann'));
  expect(fault(pem(der))).toBe('the request is not signed by its own key');
});
