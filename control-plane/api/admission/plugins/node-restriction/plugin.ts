import { isDeepStrictEqual } from 'node:util';
import type { Node, PersistentVolume, Pod } from '../../../../../shared/generated/types.ts';
import { mirrorAnnotation } from '../../../../../shared/kinds/rules/pod-annotations.ts';
import { forbiddenNodeLabels } from '../../../../../shared/node-labels.ts';
import type { KubeObject } from '../../../../../shared/object.ts';
import { podReferences } from '../../../../../shared/pod-references.ts';
import { localVolumeFinalizer } from '../../../../../shared/storage/local.ts';
import { deletedVolumeOf } from '../../../../../shared/storage/node-volumes.ts';
import { nodeLeaseNamespace } from '../../../../../shared/well-known.ts';
import { nodeNameOf } from '../../../auth/authentication.ts';
import { forbidden, notFound } from '../../../requests/refusals.ts';
import type { AdmissionPlugin, AdmissionRequest, Reader } from '../../plugin.ts';
import { nodeReportFault, podReportFault } from './reports.ts';

const kinds = ['Pod', 'Node', 'PersistentVolumeClaim', 'PersistentVolume', 'Lease', 'CSINode'];

/**
 * Restricts what a node writes (Kubernetes' NodeRestriction): its own Node, without taints, owners and most cluster labels; mirror pods;
 * the status and the deletion of its pods. The same over REST, gRPC and the node's session. Beyond Kubernetes, a node may set neither
 * its pod ranges nor a finalizer on its Node.
 */
export const nodeRestriction: AdmissionPlugin = {
  name: 'NodeRestriction',
  rules: [
    { verbs: ['create', 'update', 'delete'], kinds },
    { verbs: ['update'], kinds: ['Pod', 'Node', 'PersistentVolumeClaim'], subresources: ['status'] },
    { verbs: ['create'], kinds: ['Pod'], subresources: ['eviction'] },
  ],
  /** A node creates mirror pods as soon as it has created its Node. */
  reads(request) {
    const node = request.entry.kind === 'Pod' ? restricted(request) : undefined;
    return node === undefined ? [] : [{ kind: 'Node', name: node }];
  },
  // Runs before ServiceAccount sets the account, which no mirror pod may name.
  mutate(request, object, _old, reader) {
    const node = restricted(request);
    if (node !== undefined) refuse(request, faultOfCreate(request, node, object, reader));
  },
  validate(request, object, old, reader) {
    if (request.verb === 'create' && request.subresource === undefined) return;
    const node = restricted(request);
    if (node !== undefined) refuse(request, faultOfChange(request, node, object, old, reader));
  },
};

function restricted({ identity }: AdmissionRequest): string | undefined {
  return identity.inProcess ? undefined : nodeNameOf(identity);
}

function refuse({ entry, name }: AdmissionRequest, fault: string | undefined): void {
  if (fault !== undefined) throw forbidden(entry, name, fault);
}

function faultOfCreate(
  request: AdmissionRequest,
  node: string,
  object: KubeObject,
  reader: Reader,
): string | undefined {
  const { entry, namespace } = request;
  const { name } = object.metadata;
  switch (entry.kind) {
    case 'Pod':
      return mirrorFault(node, object as Pod, reader);
    case 'Node': {
      if (name !== node) return `node "${node}" is not allowed to modify node "${name}"`;
      const labels = forbiddenNodeLabels(object.metadata.labels, undefined);
      if (labels) return `node "${node}" is not allowed to set the following labels: ${labels}`;
      return controlPlaneFault(node, object as Node, undefined) ?? nodeReportFault(node, object as Node);
    }
    case 'PersistentVolumeClaim':
      return 'may only update PVC status';
    case 'PersistentVolume':
      return `node "${node}" can only remove its finalizer of persistent volumes`;
    case 'Lease':
      return leaseFault(node, namespace, name);
    default:
      return csiFault(node, name);
  }
}

function faultOfChange(
  request: AdmissionRequest,
  node: string,
  object: KubeObject | undefined,
  old: KubeObject | undefined,
  reader: Reader,
): string | undefined {
  const { entry, namespace, name } = request;
  switch (entry.kind) {
    case 'Pod':
      return old && podFault(request, node, object, old, reader);
    case 'Node':
      return nodeFault(node, name, object as Node | undefined, old as Node | undefined);
    case 'PersistentVolumeClaim':
      return claimFault(request, node, object, old);
    case 'PersistentVolume':
      return volumeFault(request, node, object as PersistentVolume, old as PersistentVolume | undefined);
    case 'Lease':
      return leaseFault(node, namespace, name);
    default:
      return csiFault(node, name);
  }
}

function mirrorFault(node: string, pod: Pod, reader: Reader): string | undefined {
  const { metadata, spec } = pod;
  const { annotations = {}, ownerReferences: owners = [] } = metadata;
  const only = (what: string): string => `node "${node}" can only create pods with ${what}`;
  if (annotations[mirrorAnnotation] === undefined) {
    return `pod does not have "${mirrorAnnotation}" annotation, node "${node}" can only create mirror pods`;
  }
  if (spec?.nodeName !== node) return only('spec.nodeName set to itself');
  if (owners.length > 1) return only('a single owner reference set to itself');
  const [owner] = owners;
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) {
    return only('an owner reference set to itself');
  }
  if (!owner.controller) return only('a controller owner reference set to itself');
  if (owner.blockOwnerDeletion) return `node "${node}" must not set blockOwnerDeletion on an owner reference`;
  const stored = reader.get('Node', node);
  if (!stored) throw notFound({ plural: 'nodes', group: '' }, node);
  if (owner.uid !== stored.metadata.uid) {
    return `node ${node} UID mismatch: expected ${owner.uid} got ${stored.metadata.uid}`;
  }
  const naming = (what: string): string => `node "${node}" can not create pods that reference ${what}`;
  if (spec.serviceAccountName) return naming('a service account');
  const { secrets, configMaps } = podReferences(pod);
  if (secrets.size > 0) return naming('secrets');
  if (configMaps.size > 0) return naming('configmaps');
  if (spec.volumes?.some((volume) => volume.persistentVolumeClaim)) return naming('persistentvolumeclaims');
  return undefined;
}

function podFault(
  { verb, subresource }: AdmissionRequest,
  node: string,
  object: KubeObject | undefined,
  old: KubeObject,
  reader: Reader,
): string | undefined {
  const isOwn = (old as Pod).spec.nodeName === node;
  if (verb === 'update') {
    if (subresource !== 'status') {
      return `unexpected operation "UPDATE", node "${node}" can only create and delete mirror pods`;
    }
    if (!isOwn) {
      return `node "${node}" can only update pod status for pods with spec.nodeName set to itself`;
    }
    const same = isDeepStrictEqual(old.metadata.labels ?? {}, object?.metadata.labels ?? {});
    if (!same) return `node "${node}" cannot update labels through pod status`;
    return podReportFault(node, object as Pod, old as Pod, reader);
  }
  if (isOwn) return undefined;
  if (subresource === 'eviction') return `node ${node} can only evict pods with spec.nodeName set to itself`;
  return `node "${node}" can only delete pods with spec.nodeName set to itself`;
}

function nodeFault(node: string, name: string, next: Node | undefined, old: Node | undefined): string | undefined {
  if (name !== node) return `node "${node}" is not allowed to modify node "${name}"`;
  if (!next || !old) return undefined;
  if (!isDeepStrictEqual(next.spec?.taints ?? [], old.spec?.taints ?? [])) {
    return `node "${node}" is not allowed to modify taints`;
  }
  const labels = forbiddenNodeLabels(next.metadata.labels, old.metadata.labels);
  if (labels) return `is not allowed to modify labels: ${labels}`;
  return controlPlaneFault(node, next, old) ?? nodeReportFault(node, next);
}

/**
 * Fields that only the control plane sets. By owner references a node could have its Node garbage-collected and register again without
 * taints (CVE-2025-5187); by pod ranges it could attract the traffic of other nodes.
 */
function controlPlaneFault(node: string, next: Node, old: Node | undefined): string | undefined {
  const { configSource } = next.spec ?? {};
  if (configSource && !isDeepStrictEqual(configSource, old?.spec?.configSource)) {
    return old
      ? `node "${node}" is not allowed to update configSource to a new non-nil configSource`
      : `node "${node}" is not allowed to create pods with a non-nil configSource`;
  }
  const differs = (a: readonly unknown[] = [], b: readonly unknown[] = []): boolean => !isDeepStrictEqual(a, b);
  const refused = (what: string): string => `node "${node}" is not allowed to modify ${what}`;
  if (differs(next.metadata.ownerReferences, old?.metadata.ownerReferences)) return refused('ownerReferences');
  if (differs(next.metadata.finalizers, old?.metadata.finalizers)) return refused('finalizers');
  const ranged = next.spec?.podCIDR !== old?.spec?.podCIDR || differs(next.spec?.podCIDRs, old?.spec?.podCIDRs);
  return ranged ? refused('podCIDR') : undefined;
}

function claimFault(
  { verb, subresource }: AdmissionRequest,
  node: string,
  object: KubeObject | undefined,
  old: KubeObject | undefined,
): string | undefined {
  if (verb !== 'update' || subresource !== 'status') return 'may only update PVC status';
  if (isDeepStrictEqual(withoutSizes(object), withoutSizes(old))) return undefined;
  return `node "${node}" is not allowed to update fields other than status.capacity and status.conditions`;
}

function withoutSizes(object: KubeObject | undefined): object {
  const { metadata, status, ...rest } = { ...object } as KubeObject & { status?: Record<string, unknown> };
  const { capacity, conditions, allocatedResources, allocatedResourceStatuses, ...kept } = status ?? {};
  const { resourceVersion, managedFields, ...named } = (metadata ?? {}) as unknown as Record<string, unknown>;
  return { ...rest, metadata: named, status: kept };
}

/** A node removes one finalizer, of a volume whose data it was to delete. */
function volumeFault(
  { verb }: AdmissionRequest,
  node: string,
  object: PersistentVolume,
  old: PersistentVolume | undefined,
): string | undefined {
  const finalizers = old?.metadata.finalizers?.filter((one) => one !== localVolumeFinalizer);
  const bare = ({ metadata, ...rest }: PersistentVolume, kept: readonly string[] = []): object => {
    const { resourceVersion: _version, managedFields: _managers, finalizers: _finalizers, ...named } = metadata;
    return { ...rest, metadata: named, kept };
  };
  const allowed =
    verb === 'update' &&
    old !== undefined &&
    deletedVolumeOf(node, old) !== undefined &&
    isDeepStrictEqual(bare(object, object.metadata.finalizers), bare(old, finalizers));
  return allowed ? undefined : `node "${node}" can only remove its finalizer of persistent volumes`;
}

function leaseFault(node: string, namespace: string | undefined, name: string): string | undefined {
  if (namespace !== nodeLeaseNamespace) return `can only access leases in the "${nodeLeaseNamespace}" system namespace`;
  return name === node ? undefined : 'can only access node lease with the same name as the requesting node';
}

function csiFault(node: string, name: string): string | undefined {
  return name === node ? undefined : 'can only access CSINode with the same name as the requesting node';
}
