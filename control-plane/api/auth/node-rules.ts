import type { Pod } from '../../../shared/generated/types.ts';
import type { ObjectStore } from '../../../shared/informer.ts';
import { keyOf } from '../../../shared/object.ts';
import { podReferences } from '../../../shared/pod-references.ts';
import type { Attributes, Decision } from '../identity.ts';

/** Where a node's lease lives, as in Kubernetes. */
const leaseNamespace = 'kube-node-lease';

const allowed: Decision = { allowed: true };

/**
 * The node authorizer (Kubernetes' "Using Node Authorization", narrowed to what our agents do): its own Node and
 * lease; the pods bound to it: read, report their status, remove them once they are being deleted; the ConfigMaps and
 * Secrets that these pods name; events. Nothing else.
 */
export function decideForNode(
  node: string,
  attributes: Attributes,
  object: unknown,
  pods: Pick<ObjectStore<Pod>, 'get' | 'by'>,
): Decision {
  const { group, resource } = attributes;
  if (group === '' && resource === 'nodes') return decideNode(node, attributes, object);
  if (group === '' && resource === 'pods') return decidePod(node, attributes, pods);
  if (group === '' && (resource === 'configmaps' || resource === 'secrets')) {
    return decideReference(node, attributes, pods);
  }
  if (group === '' && resource === 'events') return attributes.verb === 'create' ? allowed : refuse('');
  if (group === 'coordination.k8s.io' && resource === 'leases') return decideLease(node, attributes, object);
  return refuse('');
}

function decideNode(node: string, { verb, subresource, name }: Attributes, object: unknown): Decision {
  const verbs = subresource === 'status' ? ['update', 'patch'] : subresource ? [] : ['get', 'create', 'patch'];
  if (!verbs.includes(verb)) return refuse('');
  if ((name ?? nameIn(object)) === node) return allowed;
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

function decideLease(node: string, { verb, name, namespace }: Attributes, object: unknown): Decision {
  if (!['get', 'create', 'update', 'patch'].includes(verb) || namespace !== leaseNamespace) return refuse('');
  return (name ?? nameIn(object)) === node ? allowed : refuse(`node '${node}' is not allowed to touch other leases`);
}

function unrelated(node: string): Decision {
  return refuse(`no relationship found between node '${node}' and this object`);
}

function refuse(reason: string): Decision {
  return { allowed: false, reason };
}

function nameIn(object: unknown): string | undefined {
  const { metadata } = (object ?? {}) as { metadata?: { name?: unknown } };
  return typeof metadata?.name === 'string' ? metadata.name : undefined;
}
