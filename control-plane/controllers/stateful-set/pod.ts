import type { PodTemplateSpec, StatefulSet, Volume } from '../../../shared/generated/types.ts';
import { type PodDraft, podFromTemplate } from '../owned-pods/owned-pods.ts';
import { claimName } from './claims.ts';
import { identityLabels, podName, revisionLabel } from './identity.ts';
import type { NewPod } from './plan.ts';

/** The pod of an ordinal. Its name, hostname, subdomain and claims are the ordinal's, whatever the template says. */
export function statefulPod(set: StatefulSet, { ordinal, revision }: NewPod, template: PodTemplateSpec): PodDraft {
  const draft = podFromTemplate(set, template);
  const name = podName(set, ordinal);
  const labels = { ...draft.metadata.labels, ...identityLabels(set, ordinal), [revisionLabel]: revision };
  const volumes = volumesOf(set, ordinal, draft.spec.volumes);
  return {
    ...draft,
    metadata: { ...draft.metadata, name, labels },
    spec: {
      ...draft.spec,
      hostname: name,
      subdomain: set.spec.serviceName,
      ...(volumes.length > 0 ? { volumes } : {}),
    },
  } as PodDraft;
}

/** The volume of a claim template takes the place of the pod template's own volume of that name. */
function volumesOf(set: StatefulSet, ordinal: number, own: readonly Volume[] = []): Volume[] {
  const claims = (set.spec.volumeClaimTemplates ?? []).map(({ metadata: { name } }) => ({
    name,
    persistentVolumeClaim: { claimName: claimName(set, name, ordinal) },
  }));
  const names = new Set(claims.map(({ name }) => name));
  return [...claims, ...own.filter(({ name }) => !names.has(name))];
}
