import { ApiError } from '../../../shared/errors.ts';
import type { PersistentVolume, Pod } from '../../../shared/generated/types.ts';
import type { ObjectStore } from '../../../shared/informer.ts';
import { nodeNameOf } from './authentication.ts';
import { type Attributes, type Authorizer, type Decision, type Identity, isAboveRules } from './identity.ts';
import { decideForNode } from './node-rules.ts';
import { nodeRules } from './rbac/node-role.ts';
import type { RbacIndex } from './rbac/rbac-index.ts';

export interface AuthorizerDeps {
  /** All pods: a node may read what the pods that are bound to it refer to. */
  readonly pods: Pick<ObjectStore<Pod>, 'get' | 'by'>;
  /** All volumes: a node may read those of its pods. Absent: there are none. */
  readonly volumes?: Pick<ObjectStore<PersistentVolume>, 'get'>;
  readonly rbac: Pick<RbacIndex, 'authorize' | 'rulesOf'>;
}

const master: Decision = { allowed: true };

/**
 * Allows masters everything, nodes what their pods need, and all users what their roles grant. `forbiddenError` puts Kubernetes'
 * sentence before the reason of a denial.
 */
export function createAuthorizer({ pods, volumes, rbac }: AuthorizerDeps): Authorizer {
  return {
    authorize(identity, attributes) {
      if (isAboveRules(identity)) return master;
      const node = attributes.path === undefined ? nodeNameOf(identity) : undefined;
      const byNode =
        node === undefined ? undefined : decideForNode(node, attributes, { pods, volumes, rules: nodeRules });
      if (byNode?.allowed) return byNode;
      const byRoles = rbac.authorize(identity, attributes);
      if (byRoles.allowed) return byRoles;
      const reasons = [byNode?.reason, byRoles.reason].filter((reason) => reason);
      return { allowed: false, reason: reasons.join('\n') };
    },
    rulesOf(identity, namespace) {
      const { rules, errors } = rbac.rulesOf(identity, namespace);
      if (nodeNameOf(identity) === undefined) return { rules, errors };
      return { rules, errors: ['node authorizer does not support user rule resolution', ...errors] };
    },
  };
}

/** apiserver, `endpoints/handlers/responsewriters/errors.go`: forbiddenMessage. */
function forbiddenSentence({ user }: Identity, attributes: Attributes): string {
  const { verb, group, resource, subresource, namespace, path } = attributes;
  if (path !== undefined) return `User "${user}" cannot ${verb} path "${path}"`;
  const full = subresource ? `${resource}/${subresource}` : resource;
  const scope = namespace ? `in the namespace "${namespace}"` : 'at the cluster scope';
  return `User "${user}" cannot ${verb} resource "${full}" in API group "${group}" ${scope}`;
}

/** The error of a denied request, in the words of apimachinery's NewForbidden. `why`: the authorizer's reason. */
export function forbiddenError(identity: Identity, attributes: Attributes, why: string): ApiError {
  const { group, resource, name, path } = attributes;
  const reason = forbiddenSentence(identity, attributes) + (why ? `: ${why}` : '');
  if (path !== undefined) return new ApiError('Forbidden', `forbidden: ${reason}`);
  const what = `${group ? `${resource}.${group}` : resource}${name ? ` "${name}"` : ''}`;
  return new ApiError('Forbidden', `${what} is forbidden: ${reason}`, {
    kind: resource,
    ...(group ? { group } : {}),
    ...(name ? { name } : {}),
  });
}
