import { ApiError } from '../../../shared/errors.ts';
import type { Pod } from '../../../shared/generated/types.ts';
import type { ObjectStore } from '../../../shared/informer.ts';
import { type Attributes, type Authorizer, type Decision, groups, type Identity } from '../identity.ts';
import { nodeNameOf } from './authentication.ts';
import { decideForNode } from './node-rules.ts';

export interface AuthorizerDeps {
  /** The pods that there are: what a node may see depends on which of them are bound to it. */
  readonly pods: Pick<ObjectStore<Pod>, 'get' | 'by'>;
}

/** Paths that everyone may read (Kubernetes' system:public-info-viewer). */
const publicPaths = ['/healthz', '/livez', '/readyz', '/version'];

/** Paths that everyone with a name may read (Kubernetes' system:discovery). */
const discoveryPaths = [...publicPaths, '/api', '/apis', '/openapi'];

/**
 * Masters may do everything, nodes what their own pods need, everybody with a name may read what kinds there are;
 * nobody else may do anything. A refusal's reason is Kubernetes' sentence: `User "x" cannot list resource "pods" …`.
 */
export function createAuthorizer(deps: AuthorizerDeps): Authorizer {
  return {
    authorize(identity, attributes) {
      if (identity.groups.includes(groups.masters)) return { allowed: true };
      if (attributes.path !== undefined) return decideForPath(identity, attributes);
      const node = nodeNameOf(identity);
      if (node === undefined) return refuse(identity, attributes);
      const decision = decideForNode(node, attributes, deps.pods);
      return decision.allowed ? decision : refuse(identity, attributes, decision.reason);
    },
  };
}

function decideForPath(identity: Identity, attributes: Attributes): Decision {
  const { verb, path = '' } = attributes;
  const known = identity.groups.includes(groups.authenticated);
  const readable = (known ? discoveryPaths : publicPaths).some((root) => path === root || path.startsWith(`${root}/`));
  return readable && (verb === 'get' || verb === 'head') ? { allowed: true } : refuse(identity, attributes);
}

function refuse(identity: Identity, attributes: Attributes, why = ''): Decision {
  return { allowed: false, reason: forbiddenSentence(identity, attributes) + (why ? `: ${why}` : '') };
}

/** apiserver, `endpoints/handlers/responsewriters/errors.go`: forbiddenMessage. */
function forbiddenSentence({ user }: Identity, attributes: Attributes): string {
  const { verb, group, resource, subresource, namespace, path } = attributes;
  if (path !== undefined) return `User "${user}" cannot ${verb} path "${path}"`;
  const full = subresource ? `${resource}/${subresource}` : resource;
  const scope = namespace ? `in the namespace "${namespace}"` : 'at the cluster scope';
  return `User "${user}" cannot ${verb} resource "${full}" in API group "${group}" ${scope}`;
}

/** The error of a refusal, as apimachinery's NewForbidden words it. */
export function forbiddenError(attributes: Attributes, reason: string): ApiError {
  const { group, resource, name, path } = attributes;
  if (path !== undefined) return new ApiError('Forbidden', `forbidden: ${reason}`);
  const what = `${group ? `${resource}.${group}` : resource}${name ? ` "${name}"` : ''}`;
  return new ApiError('Forbidden', `${what} is forbidden: ${reason}`, {
    kind: resource,
    ...(group ? { group } : {}),
    ...(name ? { name } : {}),
  });
}
