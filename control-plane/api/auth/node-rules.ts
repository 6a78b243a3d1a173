import type { PersistentVolume, Pod, PolicyRule } from '../../../shared/generated/types.ts';
import type { ObjectStore } from '../../../shared/informer.ts';
import { keyOf } from '../../../shared/object.ts';
import { podReferences } from '../../../shared/pod-references.ts';
import { deletedVolumeOf } from '../../../shared/storage/node-volumes.ts';
import { nodeLeaseNamespace } from '../../../shared/well-known.ts';
import type { Attributes, Decision } from './identity.ts';
import { ruleAllows } from './rbac/rules.ts';

export interface NodeRulesDeps {
  readonly pods: Pick<ObjectStore<Pod>, 'get' | 'by'>;
  /** Absent: none is related to a node. */
  readonly volumes?: Pick<ObjectStore<PersistentVolume>, 'get'> | undefined;
  /** What every node may do, besides the rules below. */
  readonly rules: readonly PolicyRule[];
}

const allowed: Decision = { allowed: true };

/**
 * The node authorizer (Kubernetes, "Using Node Authorization", `plugin/pkg/auth/authorizer/node`): a node may read the objects that its
 * pods refer to. That it writes only its own Node and pods is checked by `admission/plugins/node-restriction/plugin.ts`.
 */
export function decideForNode(node: string, attributes: Attributes, deps: NodeRulesDeps): Decision {
  const { pods, rules } = deps;
  const { group, resource } = attributes;
  switch (group ? `${group}/${resource}` : resource) {
    case 'secrets':
      return decideRead(node, attributes, (pod, name) => podReferences(pod).secrets.has(name), pods);
    case 'configmaps':
      return decideRead(node, attributes, (pod, name) => podReferences(pod).configMaps.has(name), pods);
    case 'persistentvolumeclaims':
      return attributes.subresource === 'status'
        ? decideClaimStatus(node, attributes, pods)
        : decideGet(attributes, () => relatedBy(node, attributes, claims, pods));
    case 'persistentvolumes':
      return decideVolume(node, attributes, deps);
    case 'storage.k8s.io/volumeattachments':
      // Nothing attaches volumes, so none is related to a node.
      return decideGet(attributes, () => unrelated(node));
    case 'serviceaccounts':
      return decideToken(node, attributes, pods);
    case 'coordination.k8s.io/leases':
      return decideLease(node, attributes);
    case 'storage.k8s.io/csinodes':
      return decideCsiNode(node, attributes);
    case 'nodes':
      return decideNode(node, attributes);
    case 'pods':
      return decidePod(node, attributes, pods);
    default:
      return rules.some((rule) => ruleAllows(rule, attributes)) ? allowed : refuse('');
  }
}

type Pods = NodeRulesDeps['pods'];
/** Whether a pod refers to the object of that name. */
type Names = (pod: Pod, name: string) => boolean;

function decideNode(node: string, { verb, subresource, name }: Attributes): Decision {
  if (subresource === 'status') return ['update', 'patch'].includes(verb) ? allowed : refuse('');
  if (subresource) return refuse('');
  if (['create', 'update', 'patch'].includes(verb)) return allowed;
  if (!['get', 'list', 'watch'].includes(verb)) return refuse('');
  if (name === node) return allowed;
  if (!name) return refuse(`node '${node}' cannot read all nodes, only its own Node object`);
  return refuse(`node '${node}' cannot read '${name}', only its own Node object`);
}

function decidePod(node: string, attributes: Attributes, pods: Pods): Decision {
  const { verb, subresource, name, fields = [] } = attributes;
  if (subresource === 'status') return ['update', 'patch'].includes(verb) ? allowed : refuse('');
  if (subresource === 'eviction') return verb === 'create' ? allowed : refuse('');
  if (subresource) return refuse('');
  if (verb === 'get') return decideGet(attributes, () => isOwnPod(node, attributes, pods));
  if (verb === 'create' || verb === 'delete') return allowed;
  if (verb !== 'list' && verb !== 'watch') return refuse('');
  if (fields.some(({ path, equal, value }) => path === 'spec.nodeName' && equal && value === node)) return allowed;
  if (name) return isOwnPod(node, attributes, pods);
  return refuse('can only list/watch pods with spec.nodeName field selector');
}

function isOwnPod(node: string, { name = '', namespace = '' }: Attributes, pods: Pods): Decision {
  return pods.get(keyOf({ metadata: { name, namespace } }))?.spec?.nodeName === node ? allowed : unrelated(node);
}

/** A read of a single object: a get, or a list or watch whose selector names it. */
function decideRead(node: string, attributes: Attributes, names: Names, pods: Pods): Decision {
  const { verb, subresource, namespace } = attributes;
  if (!['get', 'list', 'watch'].includes(verb)) return refuse('can only read resources of this type');
  if (subresource) return refuse('cannot read subresource');
  if (!namespace) return refuse('can only read namespaced object of this type');
  return relatedBy(node, attributes, names, pods);
}

function decideGet({ verb, subresource }: Attributes, related: () => Decision): Decision {
  if (verb !== 'get') return refuse('can only get individual resources of this type');
  return subresource ? refuse('cannot get subresource') : related();
}

function decideClaimStatus(node: string, attributes: Attributes, pods: Pods): Decision {
  if (!['update', 'patch'].includes(attributes.verb)) return refuse('can only get/update/patch this type');
  return relatedBy(node, attributes, claims, pods);
}

/** A node gets the volumes of its pods, and those whose data it is to delete: of these it removes its finalizer. */
function decideVolume(node: string, attributes: Attributes, { pods, volumes }: NodeRulesDeps): Decision {
  const { verb, subresource, name } = attributes;
  const volume = name === undefined ? undefined : volumes?.get(name);
  const deleted = volume && deletedVolumeOf(node, volume);
  if (verb === 'patch' && !subresource && deleted) return allowed;
  return decideGet(attributes, () => {
    const claim = volume?.spec.claimRef;
    return deleted ? allowed : relatedBy(node, { ...attributes, ...claim, name: claim?.name }, claims, pods);
  });
}

function claims(pod: Pod, name: string): boolean {
  return podReferences(pod).claims.has(name);
}

/** The handler of the subresource checks that the token is bound to one of these pods. */
function decideToken(node: string, attributes: Attributes, pods: Pods): Decision {
  const { verb, subresource, name } = attributes;
  if (verb !== 'create' || !name) return refuse('can only create tokens for individual service accounts');
  if (subresource !== 'token') return refuse('can only create token subresource of serviceaccount');
  return relatedBy(node, attributes, ({ spec }, account) => spec.serviceAccountName === account, pods);
}

function decideLease(node: string, { verb, name, namespace }: Attributes): Decision {
  if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb)) {
    return refuse('can only get, create, update, patch, or delete a node lease');
  }
  if (namespace !== nodeLeaseNamespace) {
    return refuse(`can only access leases in the "${nodeLeaseNamespace}" system namespace`);
  }
  if (verb === 'create' || name === node) return allowed;
  return refuse('can only access node lease with the same name as the requesting node');
}

function decideCsiNode(node: string, { verb, subresource, name }: Attributes): Decision {
  if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb)) {
    return refuse('can only get, create, update, patch, or delete a CSINode');
  }
  if (subresource) return refuse('cannot authorize CSINode subresources');
  if (verb === 'create' || name === node) return allowed;
  return refuse('can only access CSINode with the same name as the requesting node');
}

function relatedBy(node: string, { name, namespace }: Attributes, names: Names, pods: Pods): Decision {
  if (!name) return refuse('No Object name found');
  for (const pod of pods.by('node', node)) {
    if (pod.metadata.namespace === namespace && names(pod, name)) return allowed;
  }
  return unrelated(node);
}

function unrelated(node: string): Decision {
  return refuse(`no relationship found between node '${node}' and this object`);
}

function refuse(reason: string): Decision {
  return { allowed: false, reason };
}
