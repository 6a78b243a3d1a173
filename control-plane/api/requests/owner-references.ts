import type { ObjectMeta } from '../../../shared/generated/types.ts';

/** Removes repeated owner references, with Kubernetes' warning, whose words differ between an object and the result of a patch. */
export function dropRepeatedOwners(meta: ObjectMeta, warnings: string[], written: 'object' | 'patch' = 'object'): void {
  const owners = meta.ownerReferences ?? [];
  if (owners.length < 2) return;
  const seen = new Set<string>();
  const kept: typeof owners = [];
  const repeated: string[] = [];
  for (const owner of owners) {
    const { apiVersion, kind, name, uid, controller, blockOwnerDeletion } = owner;
    const identity = JSON.stringify([apiVersion, kind, name, uid, controller ?? null, blockOwnerDeletion ?? null]);
    if (seen.has(identity)) repeated.push(uid);
    else kept.push(owner);
    seen.add(identity);
  }
  if (repeated.length === 0) return;
  meta.ownerReferences = kept;
  const when = written === 'patch' ? ' after mutating admission happens' : '';
  warnings.push(
    `.metadata.ownerReferences contains duplicate entries${when}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${repeated.join(', ')}`,
  );
}
