import { isDeepStrictEqual } from 'node:util';
import type { Pod, RuntimeClass, Toleration } from '../../../../shared/generated/types.ts';
import { forbidden } from '../../requests/refusals.ts';
import type { AdmissionPlugin } from '../plugin.ts';

/** Adds the overhead and the scheduling constraints of a pod's runtime class (Kubernetes' RuntimeClass). */
export const runtimeClass: AdmissionPlugin = {
  name: 'RuntimeClass',
  rules: [{ verbs: ['create'], kinds: ['Pod'] }],
  mutate({ entry, name }, object, _old, reader) {
    const pod = object as Pod;
    const wanted = pod.spec?.runtimeClassName;
    if (!pod.spec || (!wanted && !pod.spec.overhead)) return;
    const found = wanted ? reader.get('RuntimeClass', wanted) : undefined;
    const fault = wanted && !found ? `RuntimeClass ${JSON.stringify(wanted)} not found` : fillIn(pod, found);
    if (fault) throw forbidden(entry, name, `pod rejected: ${fault}`);
  },
};

/** Changes the pod. Returns a conflict, if any. */
function fillIn({ spec }: Pod, found: RuntimeClass | undefined): string | undefined {
  const overhead = found?.overhead?.podFixed;
  if (!overhead) {
    if (spec.overhead) return 'Pod Overhead set without corresponding RuntimeClass defined Overhead';
  } else {
    if (spec.overhead && !isDeepStrictEqual({ ...spec.overhead }, { ...overhead })) {
      return "Pod's Overhead doesn't match RuntimeClass's defined Overhead";
    }
    spec.overhead = { ...overhead };
  }
  const { nodeSelector = {}, tolerations = [] } = found?.scheduling ?? {};
  for (const [key, value] of Object.entries(nodeSelector)) {
    const selected = spec.nodeSelector?.[key];
    if (selected !== undefined && selected !== value) {
      return `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${selected}`;
    }
  }
  if (Object.keys(nodeSelector).length > 0) spec.nodeSelector = { ...spec.nodeSelector, ...nodeSelector };
  const present = new Set(spec.tolerations?.map(tolerationKey));
  const added = tolerations.filter((one) => !present.has(tolerationKey(one)));
  if (added.length > 0) spec.tolerations = [...(spec.tolerations ?? []), ...added];
  return undefined;
}

/** The same for equal tolerations. */
function tolerationKey({ key, operator, value, effect, tolerationSeconds }: Toleration): string {
  return JSON.stringify([key, operator, value, effect, tolerationSeconds]);
}
