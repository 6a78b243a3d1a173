import type { Pod } from '../../../shared/generated/types.ts';
import type { ObjectStore } from '../../../shared/informer.ts';
import { keyOf } from '../../../shared/object.ts';
import { podReferences } from '../../../shared/pod-references.ts';
import { nodeLeaseNamespace } from '../../../shared/well-known.ts';
import type { Attributes, Decision } from '../identity.ts';

const allowed: Decision = { allowed: true };

/**
 * The node authorizer (Kubernetes' "Using Node Authorization", narrowed): a node reads its own Node and lease, the pods
 * bound to it, and the ConfigMaps and Secrets that these name; it gets tokens of the accounts that they run as; it reports the status of its Node and its pods, and
 * removes pods that are being deleted. Its Node is made by its session, so no node gives itself taints or addresses.
 */
export function decideForNode(
  node: string,
  attributes: Attributes,
  pods: Pick<ObjectStore<Pod>, 'get' | 'by'>,
): Decision {
  const { group, resource } = attributes;
  if (group === '' && resource === 'nodes') return decideNode(node, attributes);
  if (group === '' && resource === 'pods') return decidePod(node, attributes, pods);
  if (group === '' && (resource === 'configmaps' || resource === 'secrets')) {
    return decideReference(node, attributes, pods);
  }
  if (group === '' && resource === 'serviceaccounts') return decideToken(node, attributes, pods);
  if (group === 'coordination.k8s.io' && resource === 'leases') return decideLease(node, attributes);
  return refuse('');
}

function decideNode(node: string, { verb, subresource, name }: Attributes): Decision {
  const verbs = subresource === 'status' ? ['update', 'patch'] : subresource ? [] : ['get'];
  if (!verbs.includes(verb)) return refuse('');
  if (name === node) return allowed;
  return refuse(`node '${node}' is not allowed to touch other nodes`);
}

function decidePod(
  node: string,
  { verb, subresource, name, namespace }: Attributes,
  pods: Pick<ObjectStore<Pod>, 'get'>,
): Decision {
  const verbs = subresource === 'status' ? ['update', 'patch'] : subresource ? [] : ['get', 'delete'];
  if (!verbs.includes(verb) || !name) return refuse('');
  const pod = pods.get(keyOf({ metadata: { name, namespace: namespace ?? '' } }));
  if (pod?.spec?.nodeName !== node) return unrelated(node);
  if (verb === 'delete' && !pod.metadata.deletionTimestamp) {
    return refuse(`node '${node}' may remove only pods that are being deleted`);
  }
  return allowed;
}

function decideReference(
  node: string,
  { verb, resource, subresource, name, namespace }: Attributes,
  pods: Pick<ObjectStore<Pod>, 'by'>,
): Decision {
  if (verb !== 'get' || subresource || !name) return refuse('');
  for (const pod of pods.by('node', node)) {
    if (pod.metadata.namespace !== namespace) continue;
    const { configMaps, secrets } = podReferences(pod);
    if ((resource === 'secrets' ? secrets : configMaps).has(name)) return allowed;
  }
  return unrelated(node);
}

/** That the token is for one of these pods, the request itself is looked at for. */
function decideToken(
  node: string,
  { verb, subresource, name, namespace }: Attributes,
  pods: Pick<ObjectStore<Pod>, 'by'>,
): Decision {
  if (verb !== 'create' || subresource !== 'token' || !name) return refuse('');
  for (const pod of pods.by('node', node)) {
    if (pod.metadata.namespace === namespace && pod.spec.serviceAccountName === name) return allowed;
  }
  return unrelated(node);
}

function decideLease(node: string, { verb, name, namespace }: Attributes): Decision {
  if (verb !== 'get' || namespace !== nodeLeaseNamespace) return refuse('');
  return name === node ? allowed : refuse(`node '${node}' is not allowed to touch other leases`);
}

function unrelated(node: string): Decision {
  return refuse(`no relationship found between node '${node}' and this object`);
}

function refuse(reason: string): Decision {
  return { allowed: false, reason };
}
