import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock as clock } from '../shared/clock.ts';
import { createLog, type Log } from '../shared/log.ts';
import { systemRandom as random } from '../shared/random.ts';
import { EncryptedStore, rootKeysIn, sealedPrefixes } from './store/encryption/index.ts';
import { EtcdStore } from './store/etcd/etcd-store.ts';
import { type EtcdFiles, etcdTls } from './store/etcd/files.ts';
import { ownEndpoint } from './store/etcd/process.ts';
import type { Store } from './store/store.ts';

export interface SecretsOptions extends EtcdFiles {
  readonly dataDir: string;
  /** Absent: the etcd that the server on this data directory runs. */
  readonly etcdEndpoints?: readonly string[];
}

/** The store with Secrets and join tokens encrypted; their root keys lie in the data directory. */
export function encrypted(store: Store, dataDir: string, log: Log): Promise<EncryptedStore> {
  const roots = rootKeysIn(join(dataDir, 'pki', 'encryption'), { clock, random });
  return EncryptedStore.open(store, { roots, prefixes: sealedPrefixes, random, log });
}

/** `coracle secrets rotate-key`, while servers may run. Resolves with the number of values that were encrypted again. */
export async function rotateSecretsKey(options: SecretsOptions, signal: AbortSignal): Promise<number> {
  const log = createLog('warn', { program: 'secrets' });
  const endpoints = options.etcdEndpoints?.length
    ? options.etcdEndpoints
    : [ownEndpoint(realpathSync(options.dataDir))];
  const etcd = new EtcdStore({ endpoints, clock, random, log, ...etcdTls(options) });
  try {
    return await (await encrypted(etcd, options.dataDir, log)).rotate(signal);
  } finally {
    await etcd.close();
  }
}
