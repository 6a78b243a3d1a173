import type { Pod } from '../../../shared/generated/types.ts';
import type { AdmissionPlugin } from './plugin.ts';

/** As whom a pod's processes speak to the API. */
export const serviceAccount: AdmissionPlugin = {
  name: 'ServiceAccount',
  rules: [{ verbs: ['create'], kinds: ['Pod'] }],
  mutate(_request, object) {
    const { spec } = object as Pod;
    if (!spec || typeof spec !== 'object') return;
    spec.serviceAccountName ||= spec.serviceAccount || 'default';
    spec.serviceAccount = spec.serviceAccountName;
  },
};
