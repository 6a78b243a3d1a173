import type { ControllerRevision, PodTemplateSpec, ReplicaSet } from '../../shared/generated/types.ts';
import { controllerOf, type KubeObject } from '../../shared/object.ts';
import { parseRevision, revisionAnnotation } from '../../shared/revision.ts';
import type { Cluster } from '../cluster.ts';
import type { RolledOut } from './rollout-status.ts';

const causeKey = 'kubernetes.io/change-cause';
const hashLabel = 'pod-template-hash';

/** A template that an object has, or once had. */
export interface Revision {
  readonly revision: bigint;
  readonly cause: string;
  readonly template: PodTemplateSpec | undefined;
}

/** The revisions of an object, the newest last: a Deployment's are ReplicaSets, those of the sets ControllerRevisions. */
export async function revisionsOf({ client, namespace }: Cluster, object: RolledOut): Promise<Revision[]> {
  const owned = (one: KubeObject): boolean => controllerOf(one)?.uid === object.metadata.uid;
  const revisions =
    object.kind === 'Deployment'
      ? (await client.list('ReplicaSet', { namespace })).items.filter(owned).map(ofReplicaSet)
      : (await client.list('ControllerRevision', { namespace })).items.filter(owned).map(ofControllerRevision);
  return revisions.sort((a, b) => (a.revision < b.revision ? -1 : a.revision > b.revision ? 1 : 0));
}

/** The revision that an object has now. A template that its controller has yet to record is newer than all. */
export function currentRevision(object: RolledOut, revisions: readonly Revision[]): bigint {
  const newest = revisions.at(-1)?.revision ?? 0n;
  if (object.kind === 'Deployment') {
    const recorded = object.metadata.annotations?.[revisionAnnotation];
    return recorded ? parseRevision(recorded) : newest;
  }
  const isRecorded = (object.status?.observedGeneration ?? 0) >= (object.metadata.generation ?? 0);
  return isRecorded ? newest : newest + 1n;
}

function ofReplicaSet({ metadata, spec }: ReplicaSet): Revision {
  const revision = parseRevision(metadata.annotations?.[revisionAnnotation]);
  return { revision, cause: causeOf(metadata), template: withoutHash(spec.template) };
}

function ofControllerRevision({ metadata, revision = 0, data }: ControllerRevision): Revision {
  const { spec } = data as { spec: { template: PodTemplateSpec & { $patch?: string } } };
  const { $patch: _patch, ...template } = spec.template;
  return { revision: BigInt(revision), cause: causeOf(metadata), template };
}

function causeOf({ annotations }: KubeObject['metadata']): string {
  return annotations?.[causeKey] ?? '<none>';
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  const { [hashLabel]: _hash, ...labels } = template?.metadata?.labels ?? {};
  return template && { ...template, metadata: { ...template.metadata, labels } as PodTemplateSpec['metadata'] };
}
