import type { Pod } from '../../../../shared/generated/types.ts';
import {
  addResources,
  isPodTerminal,
  noResources,
  podRequests,
  type Resources,
  resourcesOf,
} from '../../../../shared/pod.ts';
import { encodeObject } from '../../requests/codec.ts';
import { forbidden } from '../../requests/refusals.ts';
import type { AdmissionPlugin, Reader } from '../plugin.ts';

/**
 * A pod that is given more takes it from its node, like a binding: the transaction compares the node's guard with the one that belongs to
 * the pods that were counted, and bumps it. What does not fit is refused, so that no room of a node is promised twice.
 */
export const podResize: AdmissionPlugin = {
  name: 'PodResize',
  rules: [{ verbs: ['update'], kinds: ['Pod'], subresources: ['resize'] }],
  contribute({ entry, name }, object, old, states, reader) {
    const [pod, before] = [object as Pod, old as Pod];
    const { nodeName } = before.spec;
    const wanted = podRequests(pod.spec);
    const added = podRequests(pod.spec);
    addResources(added, podRequests(before.spec), -1);
    if (!nodeName || isPodTerminal(before) || !takesMore(added)) return undefined;
    // Guard and pods from the cache, as of one revision: a guard that is known to be newer would vouch for pods that are not counted.
    const guard = reader.get('NodeGuard', nodeName);
    const node = reader.get('Node', nodeName);
    const key = states.key('NodeGuard', nodeName);
    const revision = Number(guard?.metadata.resourceVersion ?? 0);
    // No such node is known, so nothing can be counted: none must have come. A guard of a node that is gone may have been left behind.
    if (!guard || !node) return { guards: [{ key, revision }], writes: [] };
    const used = usedOn(nodeName, before.metadata.uid, reader);
    const fault = shortage(resourcesOf(node.status?.allocatable), used, wanted, added);
    if (fault) throw forbidden(entry, name, fault);
    return { guards: [{ key, revision }], writes: [{ type: 'put', key, value: encodeObject(guard) }] };
  },
};

const amounts = { cpu: 'cpuMillis', memory: 'memoryBytes' } as const;

function takesMore(added: Resources): boolean {
  return added.cpuMillis > 0 || added.memoryBytes > 0;
}

/** What the node's other pods ask for. */
function usedOn(node: string, but: string, reader: Reader): Resources {
  const used = noResources();
  for (const pod of reader.list('Pod')) {
    if (pod.spec.nodeName !== node || pod.metadata.uid === but || isPodTerminal(pod)) continue;
    addResources(used, podRequests(pod.spec));
  }
  return used;
}

/** In the kubelet's words; only what the pod is to get more of is looked at. */
function shortage(capacity: Resources, used: Resources, wanted: Resources, added: Resources): string | undefined {
  for (const name of ['cpu', 'memory'] as const) {
    const of = amounts[name];
    if (added[of] <= 0 || used[of] + wanted[of] <= capacity[of]) continue;
    const numbers = `requested: ${wanted[of]}, used: ${used[of]}, capacity: ${capacity[of]}`;
    return `Node didn't have enough resource: ${name}, ${numbers}`;
  }
  return undefined;
}
