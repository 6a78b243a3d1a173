import { kindTable } from '../../shared/kinds/table.ts';
import { objectKey } from '../store/keys.ts';
import type { Store } from '../store/store.ts';

/** What leases need of a store. */
export type LeaseStore = Pick<Store, 'get' | 'txn' | 'grantLease' | 'keepAlive' | 'revokeLease'>;

const entry = kindTable.find(({ kind }) => kind === 'Lease');

/** The key of a Lease object. Only the table of kinds is needed: the liveness thread does not load the rules of kinds. */
export function leaseKey(namespace: string, name: string): string {
  if (!entry) throw new Error('there is no kind Lease');
  return objectKey(entry, namespace, name);
}
