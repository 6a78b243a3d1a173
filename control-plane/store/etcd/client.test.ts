import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prefixEnd } from './client.ts';
import { etcdTls } from './files.ts';

it('the range of a prefix ends before the first key without it', () => {
  expect(prefixEnd('/a/')).toEqual(Buffer.from('/a0'));
  expect(prefixEnd('a')).toEqual(Buffer.from('b'));
  expect(prefixEnd('aÿ')).toEqual(Buffer.from([0x61, 0xc3, 0xc0]));
  // etcd: a range that ends with a zero byte has no end.
  expect(prefixEnd('')).toEqual(Buffer.from([0]));
});

describe('the files of an etcd with TLS', () => {
  const within = (use: (paths: { ca: string; cert: string; key: string }) => void): void => {
    const dir = mkdtempSync(join(tmpdir(), 'coracle-tls-'));
    try {
      const path = (name: string): string => {
        writeFileSync(join(dir, name), `the ${name}`);
        return join(dir, name);
      };
      use({ ca: path('ca'), cert: path('cert'), key: path('key') });
    } finally {
      rmSync(dir, { recursive: true });
    }
  };
  const texts = ({ tls }: ReturnType<typeof etcdTls>) => [tls?.ca, tls?.cert, tls?.key].map((one) => one?.toString());

  it('are read: the CA alone, or with a certificate and its key', () => {
    within(({ ca, cert, key }) => {
      expect(texts(etcdTls({ etcdCa: ca }))).toEqual(['the ca', undefined, undefined]);
      expect(texts(etcdTls({ etcdCa: ca, etcdCert: cert, etcdKey: key }))).toEqual(['the ca', 'the cert', 'the key']);
    });
  });

  it('are optional, but a certificate needs a CA', () => {
    within(({ cert, key }) => {
      expect(etcdTls({})).toEqual({});
      expect(() => etcdTls({ etcdCert: cert })).toThrow('CA');
      expect(() => etcdTls({ etcdKey: key })).toThrow('CA');
    });
  });

  it('cause an error when they are missing', () => {
    expect(() => etcdTls({ etcdCa: '/nowhere/ca' })).toThrow('ENOENT');
  });
});
