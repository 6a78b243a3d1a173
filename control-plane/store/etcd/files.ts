import { readFileSync } from 'node:fs';
import type { EtcdTls } from './client.ts';

/** Paths of PEM files for an etcd with TLS. */
export interface EtcdFiles {
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
}

/** The content of the files; empty without a CA. */
export function etcdTls({ etcdCa, etcdCert, etcdKey }: EtcdFiles): { readonly tls?: EtcdTls } {
  const read = (path: string | undefined) => (path ? readFileSync(path) : undefined);
  const ca = read(etcdCa);
  if (!ca && (etcdCert || etcdKey)) throw new Error('an etcd certificate needs the etcd CA as well');
  return ca ? { tls: { ca, cert: read(etcdCert), key: read(etcdKey) } } : {};
}
