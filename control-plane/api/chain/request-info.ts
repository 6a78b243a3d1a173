import type { KindEntry } from '../../../shared/kinds/table.ts';

/** What a request asks for (apiserver, `request.RequestInfo`): a resource, or a non-resource path. */
export interface RequestInfo {
  /** get, list, watch, create, update, patch, delete or deletecollection; for a path its method in lower case. */
  readonly verb: string;
  readonly group?: string;
  readonly version?: string;
  /** The plural; absent for a path. */
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  /** Only of a non-resource request. */
  readonly path?: string;
}

/** The target of a call of the Api. */
interface Called {
  readonly entry: Pick<KindEntry, 'group' | 'version' | 'plural'>;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

/** The info of a call of the API. `object`: the one to create, which may hold its name. */
export function infoOfCall(verb: string, called: Called, object?: unknown): RequestInfo {
  const { entry, namespace, name, subresource } = called;
  const given = (object as { metadata?: { name?: unknown } } | undefined)?.metadata?.name;
  const { group, version, plural: resource } = entry;
  return {
    verb,
    group,
    version,
    resource,
    subresource,
    namespace,
    name: name ?? (typeof given === 'string' ? given : undefined),
  };
}

/** The REST path of a request that did not come by REST. */
export function restPath(info: RequestInfo): string {
  const { verb, group, version, resource, subresource, namespace, name } = info;
  if (info.path !== undefined) return info.path;
  const root = group ? `/apis/${group}/${version}` : `/api/${version}`;
  // The path of a create is the collection's.
  const named = verb === 'create' && !subresource ? undefined : name;
  return [root, namespace && `namespaces/${namespace}`, resource, named, subresource].filter(Boolean).join('/');
}
