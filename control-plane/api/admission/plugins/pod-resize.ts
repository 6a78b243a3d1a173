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
 * A pod whose requests grow takes resources of its node, as a binding does: the transaction compares the node's guard with the revision
 * at which the node's pods were counted, and writes it. A request that does not fit is refused, so that no node is overcommitted.
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
    // The guard comes from the cache like the pods: a newer guard would include pods that are not counted.
    const guard = reader.get('NodeGuard', nodeName);
    const node = reader.get('Node', nodeName);
    const key = states.key('NodeGuard', nodeName);
    const revision = Number(guard?.metadata.resourceVersion ?? 0);
    // The cache shows no such node, or only the guard of a deleted one: the transaction checks that none was created.
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

/** The requests of the node's other pods. */
function usedOn(node: string, but: string, reader: Reader): Resources {
  const used = noResources();
  for (const pod of reader.list('Pod')) {
    if (pod.spec.nodeName !== node || pod.metadata.uid === but || isPodTerminal(pod)) continue;
    addResources(used, podRequests(pod.spec));
  }
  return used;
}

/** In the kubelet's words. Only resources whose request grows are checked. */
function shortage(capacity: Resources, used: Resources, wanted: Resources, added: Resources): string | undefined {
  for (const name of ['cpu', 'memory'] as const) {
    const of = amounts[name];
    if (added[of] <= 0 || used[of] + wanted[of] <= capacity[of]) continue;
    const numbers = `requested: ${wanted[of]}, used: ${used[of]}, capacity: ${capacity[of]}`;
    return `Node didn't have enough resource: ${name}, ${numbers}`;
  }
  return undefined;
}
