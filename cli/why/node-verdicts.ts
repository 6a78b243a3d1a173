import type {
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
} from '../../shared/generated/types.ts';
import { keyOf } from '../../shared/object.ts';
import { isPodActive } from '../../shared/pod.ts';
import { explain, type NodeExplanation } from '../../shared/scheduling/explain.ts';
import { NodeIndex } from '../../shared/scheduling/node-index.ts';
import { defaultPlugins } from '../../shared/scheduling/plugins/index.ts';

export interface ClusterView {
  readonly nodes: readonly Node[];
  /** Absent: the user may not list them. */
  readonly pods?: readonly Pod[];
  readonly namespaces?: readonly Namespace[];
  /** Absent: rules about the pod's volumes are left out. */
  readonly storage?: Storage | undefined;
}

export interface Storage {
  readonly claims: readonly PersistentVolumeClaim[];
  readonly volumes: readonly PersistentVolume[];
  readonly classes: readonly StorageClass[];
}

/** The scheduler's verdict on each node, by name. Without the pods, rules that look beyond one node are left out. */
export function nodeVerdicts(pod: Pod, view: ClusterView): readonly NodeExplanation[] {
  const { nodes, pods, namespaces = [], storage } = view;
  const index = new NodeIndex();
  for (const claim of storage?.claims ?? []) index.volumes.setClaim(keyOf(claim), claim);
  for (const volume of storage?.volumes ?? []) index.volumes.setVolume(volume.metadata.name, volume);
  for (const one of storage?.classes ?? []) index.volumes.setStorageClass(one.metadata.name, one);
  for (const namespace of namespaces) index.setNamespace(namespace);
  for (const node of nodes) index.setNode(node);
  for (const other of pods ?? []) {
    if (other.metadata.uid === pod.metadata.uid) continue;
    const info = index.setPod(other);
    const nominated = other.status?.nominatedNodeName;
    if (info && !info.node && nominated && isPodActive(other)) index.nominateByName(info, nominated);
  }
  const known = storage ? pod : { ...pod, spec: { ...pod.spec, volumes: [] } };
  return explain(known, index, pods ? defaultPlugins : defaultPlugins.filter(({ scope }) => scope !== 'cluster')).nodes;
}
