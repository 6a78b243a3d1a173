import { kindTable } from '../../shared/kinds/table.ts';
import { objectKey } from '../store/keys.ts';

const entry = kindTable.find(({ kind }) => kind === 'Lease');

/** Where a Lease object is stored. From the table alone: the liveness thread loads no kind's rules. */
export function leaseKey(namespace: string, name: string): string {
  if (!entry) throw new Error('there is no kind Lease');
  return objectKey(entry, namespace, name);
}
