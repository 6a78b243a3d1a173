import { isDeepStrictEqual } from 'node:util';
import type { ObjectMeta } from '../../shared/generated/types.ts';

/** Takes out owners that stand twice in an object's metadata, with Kubernetes' warning. A patch is told of them as of what its object became. */
export function dropRepeatedOwners(meta: ObjectMeta, warnings: string[], written: 'object' | 'patch' = 'object'): void {
  const owners = meta.ownerReferences ?? [];
  if (owners.length < 2) return;
  const kept: typeof owners = [];
  const repeated: string[] = [];
  for (const owner of owners) {
    if (kept.some((other) => isDeepStrictEqual(other, owner))) repeated.push(owner.uid);
    else kept.push(owner);
  }
  if (repeated.length === 0) return;
  meta.ownerReferences = kept;
  const when = written === 'patch' ? ' after mutating admission happens' : '';
  warnings.push(
    `.metadata.ownerReferences contains duplicate entries${when}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${repeated.join(', ')}`,
  );
}
