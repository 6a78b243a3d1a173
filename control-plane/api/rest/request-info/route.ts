import { posix } from 'node:path';
import { ApiError } from '../../../../shared/errors.ts';
import type { KindDef } from '../../../../shared/kinds/kind.ts';
import type { KindLookup } from '../../../../shared/kinds/registry.ts';
import { type Subresource, verbsOf } from '../../../../shared/kinds/table.ts';
import { badRequest, notAllowed } from '../../requests/refusals.ts';
import { addedKindsPath, subresourceInfo } from '../discovery/discovery.ts';
import { flag } from './parameters.ts';
import { verbsOfMethods } from './unserved.ts';

/** The most characters of a URL, and the most parts of its path. */
const maxUrl = 16 * 1024;
const maxParts = 16;
/** Methods that a proxy passes on. */
const proxied: ReadonlySet<string> = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']);

/** What a URL stands for. */
export type Route =
  | { readonly type: 'resource'; readonly resource: ResourceRoute; readonly query: URLSearchParams }
  /** A non-resource path: discovery, health, documents. `parts`: the decoded parts between the slashes; `path`: those joined. */
  | {
      readonly type: 'path';
      readonly path: string;
      readonly parts: readonly string[];
      readonly query: URLSearchParams;
    };

export interface ResourceRoute {
  readonly def: KindDef;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: Subresource;
  /** The path at the backend of a proxy: empty, or a decoded and normalized path that begins with a slash. */
  readonly beyond?: string;
}

const noQuery = new URLSearchParams();

/** Throws NotFound for a resource that is not served, MethodNotAllowed for a method that it does not have, BadRequest for a malformed URL. */
export function routeOf(url: string, method: string, kinds: KindLookup): Route {
  if (url.length > maxUrl) throw new ApiError('BadRequest', `the URL is longer than ${maxUrl} characters`);
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? noQuery : new URLSearchParams(url.slice(mark + 1));
  const parts = path.split('/').filter((part) => part !== '');
  // The path at the backend of a proxy has no limit of parts.
  if (parts.length > maxParts && !parts.slice(0, maxParts).includes('proxy')) throw notServed();
  for (const [index, part] of parts.entries()) if (part.includes('%')) parts[index] = decoded(part);
  const [root, first, second] = parts;
  if (root === 'api' && parts.length > 2 && first !== undefined) {
    return resourceRoute(method, { kinds, group: '', version: first, rest: parts.slice(2), path }, query);
  }
  if (root === 'apis' && parts.length > 3 && first !== undefined && second !== undefined && path !== addedKindsPath) {
    return resourceRoute(method, { kinds, group: first, version: second, rest: parts.slice(3), path }, query);
  }
  if (path === addedKindsPath && method !== 'GET' && method !== 'HEAD') throw noCustomResources();
  // The decoded path without double slashes is authorized and served.
  const ends = parts.length > 0 && path.endsWith('/') ? '/' : '';
  return { type: 'path', path: `/${parts.join('/')}${ends}`, parts, query };
}

function noCustomResources(): ApiError {
  return new ApiError(
    'MethodNotAllowed',
    'custom resources are not supported by this server, so the list of customresourcedefinitions is empty and cannot be changed',
  );
}

/** A path of a group's version. `rest`: its decoded parts after the version; `path`: all of it as it was sent. */
interface VersionedPath {
  readonly kinds: KindLookup;
  readonly group: string;
  readonly version: string;
  readonly rest: readonly string[];
  readonly path: string;
}

function resourceRoute(method: string, at: VersionedPath, query: URLSearchParams): Route {
  const { rest } = at;
  if (rest[0] === 'watch' && rest.length > 1) {
    return watchRoute(method, { ...at, rest: rest.slice(1), path: '' }, query);
  }
  const resource = resourceOf(at);
  if (!isAllowed(resource, method)) throw notAllowed();
  return { type: 'resource', resource, query };
}

/** `watch/PLURAL`, `watch/namespaces/NS/PLURAL[/NAME]`: the older form of `?watch=true`. */
function watchRoute(method: string, at: VersionedPath, given: URLSearchParams): Route {
  const { name, ...resource } = resourceOf(at);
  if (resource.subresource || !verbsOf(resource.def).includes('watch')) throw notServed();
  if (method !== 'GET') throw notAllowed();
  const query = new URLSearchParams(given);
  query.set('watch', 'true');
  if (name !== undefined) {
    const only = `metadata.name=${name}`;
    if ((query.get('fieldSelector') || only) !== only) {
      throw badRequest("fieldSelector metadata.name doesn't match requested name");
    }
    query.set('fieldSelector', only);
  }
  return { type: 'resource', resource, query };
}

/** Whether discovery lists the method's verb for the resource or subresource. A collection of all namespaces can only be read. */
function isAllowed({ def, namespace, name, subresource }: ResourceRoute, method: string): boolean {
  if (subresource === 'proxy') return proxied.has(method);
  const [onObject, onCollection] = verbsOfMethods[method] ?? [];
  const verbs: readonly string[] = subresource ? subresourceInfo(def, subresource).verbs : verbsOf(def);
  const verb = name === undefined ? onCollection : onObject;
  if (verb === undefined || method === 'HEAD' || !verbs.includes(verb)) return false;
  if (name === undefined) return namespace !== undefined || !def.namespaced || verb === 'list';
  // An object itself has no POST; its subresources may have one.
  return verb !== 'create' || subresource !== undefined;
}

/** The verb of a request: RBAC's for a resource, the method in lower case for a non-resource path. */
export function verbOf(method: string, route: Route): string {
  if (route.type === 'path') return method.toLowerCase();
  const [onObject, onCollection] = verbsOfMethods[method] ?? ['', ''];
  if (route.resource.name !== undefined) return onObject;
  return onCollection === 'list' && flag(route.query, 'watch') ? 'watch' : onCollection;
}

/** Exec, attach and port-forward take the connection over. */
export function isStream(subresource: Subresource | undefined): boolean {
  return subresource === 'exec' || subresource === 'attach' || subresource === 'portforward';
}

/** Whether the answer is a stream (apiserver, `BasicLongRunningRequestCheck`): no deadline, and no seat while it lasts. */
export function isLongRunning({ name, subresource }: ResourceRoute, query: URLSearchParams): boolean {
  if (subresource === 'log' || subresource === 'proxy' || isStream(subresource)) return true;
  return name === undefined && flag(query, 'watch');
}

/** Whether the resource has a Table: kinds that are only posted have none, as in Kubernetes. */
export function hasTable({ def, subresource }: ResourceRoute): boolean {
  if (subresource !== undefined) return !postedOnly.has(subresource);
  return verbsOf(def).some((verb) => verb === 'get' || verb === 'list');
}

const postedOnly: ReadonlySet<Subresource> = new Set(['token', 'binding', 'eviction']);

/** `rest`: `PLURAL[/NAME[/SUB]]` or `namespaces/NS/PLURAL[/NAME[/SUB]]`. */
function resourceOf(at: VersionedPath): ResourceRoute {
  const [first = '', second, third] = at.rest;
  const isNamespaced = first === 'namespaces' && third !== undefined;
  if (isNamespaced && !(at.group === '' && isNamespaceSubresource(third, at.rest))) {
    return resourceAt(at, third, at.rest.slice(3), second);
  }
  return resourceAt(at, first, at.rest.slice(1));
}

/** `rest`: `[NAME[/SUBRESOURCE]]` */
function resourceAt(
  { kinds, group, version, path }: VersionedPath,
  plural: string,
  rest: readonly string[],
  namespace?: string,
): ResourceRoute {
  const def = kinds.ofResource(group, version, plural);
  const [name, subresource, ...more] = rest;
  if (!def || (more.length > 0 && subresource !== 'proxy')) {
    throw kinds.hasGroup(group) ? notServed() : new PageNotFound();
  }
  if (namespace !== undefined && !def.namespaced) throw notServed();
  if (name !== undefined && def.namespaced && namespace === undefined) throw notServed();
  if (subresource !== undefined && !def.subresources.includes(subresource as Subresource)) throw notServed();
  const beyond = subresource === 'proxy' ? { beyond: beyondProxy(more, path) } : {};
  return { def, namespace, name, subresource: subresource as Subresource | undefined, ...beyond };
}

function beyondProxy(more: readonly string[], path: string): string {
  const cleaned = more.length > 0 ? posix.normalize(`/${more.join('/')}`) : '';
  return /(\/|%2f)$/i.test(path) && !cleaned.endsWith('/') ? `${cleaned}/` : cleaned;
}

/** `namespaces/NS/status` is a subresource of the namespace, `namespaces/NS/pods` a collection in it. */
function isNamespaceSubresource(part: string, rest: readonly string[]): boolean {
  return rest.length === 3 && (part === 'status' || part === 'finalize');
}

/** The path does not belong to the API: answered in plain text. */
export class PageNotFound extends ApiError {
  constructor() {
    super('NotFound', '404 page not found');
  }
}

export function notServed(): ApiError {
  return new ApiError('NotFound', 'the server could not find the requested resource');
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    throw new ApiError('BadRequest', 'the URL has a malformed escape', {}, { cause: error });
  }
}
