import type { ResourceQuota } from '../../../../shared/generated/types.ts';
import { checkQuota, covers } from '../../../../shared/quota/check.ts';
import { uncounted } from '../../../../shared/quota/usage.ts';
import type { Guard, Write } from '../../../store/store.ts';
import { encodeObject } from '../../requests/codec.ts';
import { forbidden } from '../../requests/refusals.ts';
import type { AdmissionPlugin } from '../plugin.ts';

/**
 * Limits what all objects of a namespace take together (Kubernetes' ResourceQuota). The new usage is written in the object's own
 * transaction, on the version of the quota that allowed it, so that no two creates, on any servers, both take the last of it. The
 * quota controller lowers the usage when objects are deleted.
 */
export const resourceQuota: AdmissionPlugin = {
  name: 'ResourceQuota',
  rules: [
    { verbs: ['create'] },
    { verbs: ['update'], kinds: ['Service', 'PersistentVolumeClaim'] },
    { verbs: ['update'], kinds: ['Pod'], subresources: ['resize'] },
  ],
  queue({ entry, namespace }, reader) {
    if (!namespace || reader.count('ResourceQuota', namespace) === 0) return undefined;
    return reader.list('ResourceQuota', namespace).some((quota) => covers(quota, entry)) ? namespace : undefined;
  },
  contribute({ entry, name, namespace, now }, object, old, states) {
    if (!namespace || uncounted.has(entry.kind)) return undefined;
    const quotas = states.list('ResourceQuota', namespace);
    if (quotas.length === 0) return undefined;
    const guards: Guard[] = [];
    const writes: Write[] = [];
    for (const state of quotas) {
      const quota = state.object as ResourceQuota;
      const verdict = checkQuota(quota, entry, object, old, now);
      if (verdict.type === 'refused') throw forbidden(entry, name, verdict.why);
      if (verdict.type === 'unmatched') continue;
      const key = states.key('ResourceQuota', quota.metadata.name, namespace);
      const next: ResourceQuota = { ...quota, status: { ...quota.status, used: { ...verdict.used } } };
      guards.push({ key, revision: state.revision });
      writes.push({ type: 'put', key, value: encodeObject(next) });
    }
    return { guards, writes };
  },
};
