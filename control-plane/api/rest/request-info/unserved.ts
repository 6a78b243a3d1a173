import type { Attributes } from '../../auth/identity.ts';
import { unescaped } from '../../auth/impersonation.ts';

/** The verbs of a method on one object, and on a collection. */
export const verbsOfMethods: Readonly<Record<string, readonly [object: string, collection: string] | undefined>> = {
  GET: ['get', 'list'],
  HEAD: ['get', 'list'],
  POST: ['create', 'create'],
  PUT: ['update', 'update'],
  PATCH: ['patch', 'patch'],
  DELETE: ['delete', 'deletecollection'],
};

/**
 * What a request for a resource that is not served asks for (apiserver, `RequestInfo`): only a user who would be allowed learns that
 * the resource does not exist.
 */
export function unservedAttributes(method: string, url: string): Attributes {
  const [path = '', query = ''] = url.split('?', 2);
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(unescaped);
  const [root, first = '', ...others] = parts;
  const core = root === 'api';
  const rest = core ? others : others.slice(1);
  if ((!core && root !== 'apis') || rest.length === 0) {
    return { verb: method.toLowerCase(), group: '', resource: '', path };
  }
  const watch = rest[0] === 'watch' && rest.length > 1;
  if (watch) rest.shift();
  const inNamespace = rest[0] === 'namespaces' && rest.length > 2;
  const [resource = '', name, ...subresource] = inNamespace ? rest.slice(2) : rest;
  // As in Kubernetes, other methods have no verb: only users with all rights may use them.
  const [onObject, onCollection] = verbsOfMethods[method] ?? ['', ''];
  const watches = onCollection === 'list' && /(^|&)watch=(1|true)(&|$)/.test(query);
  return {
    verb: watch ? 'watch' : name !== undefined ? onObject : watches ? 'watch' : onCollection,
    group: core ? '' : first,
    resource,
    ...(subresource.length > 0 ? { subresource: subresource.join('/') } : {}),
    ...(inNamespace ? { namespace: rest[1] } : {}),
    ...(name === undefined ? {} : { name }),
  };
}
