import type { Namespace, Node, Pod } from '../../shared/generated/types.ts';
import { isPodActive } from '../../shared/pod.ts';
import { explain, type NodeExplanation } from '../../shared/scheduling/explain.ts';
import { NodeIndex } from '../../shared/scheduling/node-index.ts';
import { defaultPlugins } from '../../shared/scheduling/plugins/index.ts';

export interface ClusterView {
  readonly nodes: readonly Node[];
  /** Absent: the user may not list them. */
  readonly pods?: readonly Pod[];
  readonly namespaces?: readonly Namespace[];
}

/** The scheduler's verdict on each node, by name. Without the pods, rules that look beyond one node are left out. */
export function nodeVerdicts(pod: Pod, { nodes, pods, namespaces = [] }: ClusterView): readonly NodeExplanation[] {
  const index = new NodeIndex();
  for (const namespace of namespaces) index.setNamespace(namespace);
  for (const node of nodes) index.setNode(node);
  for (const other of pods ?? []) {
    if (other.metadata.uid === pod.metadata.uid) continue;
    const info = index.setPod(other);
    const nominated = other.status?.nominatedNodeName;
    if (info && !info.node && nominated && isPodActive(other)) index.nominateByName(info, nominated);
  }
  return explain(pod, index, pods ? defaultPlugins : defaultPlugins.filter(({ scope }) => scope !== 'cluster')).nodes;
}
