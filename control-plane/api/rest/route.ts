import { ApiError } from '../../../shared/errors.ts';
import { kindForResource } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { Subresource } from '../../../shared/kinds/table.ts';
import { addedKindsPath } from './discovery.ts';

/** The longest URL and the most parts of a path that are looked at. */
const maxUrl = 16 * 1024;
const maxParts = 16;

/** What a URL stands for. */
export type Route =
  | { readonly type: 'resource'; readonly resource: ResourceRoute; readonly query: URLSearchParams }
  /** Anything else: discovery, health, documents. `parts`: the path between the slashes. */
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
}

const noQuery = new URLSearchParams();

/** Throws NotFound for resources that are not served, BadRequest for URLs that can't be read. */
export function routeOf(url: string): Route {
  if (url.length > maxUrl) throw new ApiError('BadRequest', `the URL is longer than ${maxUrl} characters`);
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? noQuery : new URLSearchParams(url.slice(mark + 1));
  const parts = path.split('/').filter((part) => part !== '');
  if (parts.length > maxParts) throw notServed();
  for (const [index, part] of parts.entries()) if (part.includes('%')) parts[index] = decoded(part);
  const [root, first, second] = parts;
  if (root === 'api' && parts.length > 2 && first !== undefined) {
    return { type: 'resource', resource: resourceOf('', first, parts.slice(2)), query };
  }
  if (root === 'apis' && parts.length > 3 && first !== undefined && second !== undefined && path !== addedKindsPath) {
    return { type: 'resource', resource: resourceOf(first, second, parts.slice(3)), query };
  }
  return { type: 'path', path, parts, query };
}

/** `rest`: `PLURAL[/NAME[/SUB]]` or `namespaces/NS/PLURAL[/NAME[/SUB]]`. */
function resourceOf(group: string, version: string, rest: readonly string[]): ResourceRoute {
  const [first = '', second, third] = rest;
  if (first === 'namespaces' && third !== undefined && !(group === '' && isNamespaceSubresource(third, rest))) {
    return named(group, version, third, rest.slice(3), second);
  }
  return named(group, version, first, rest.slice(1), undefined);
}

function named(
  group: string,
  version: string,
  plural: string,
  rest: readonly string[],
  namespace: string | undefined,
): ResourceRoute {
  const def = kindForResource(group, version, plural);
  const [name, subresource] = rest;
  if (!def || rest.length > 2) throw notServed();
  if (namespace !== undefined && !def.namespaced) throw notServed();
  if (name !== undefined && def.namespaced && namespace === undefined) throw notServed();
  if (subresource !== undefined && !def.subresources.includes(subresource as Subresource)) throw notServed();
  return { def, namespace, name, subresource: subresource as Subresource | undefined };
}

/** `namespaces/NS/status` is a part of the namespace, `namespaces/NS/pods` what is in it. */
function isNamespaceSubresource(part: string, rest: readonly string[]): boolean {
  return rest.length === 3 && (part === 'status' || part === 'finalize');
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
