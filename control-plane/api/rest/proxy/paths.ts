import { posix } from 'node:path';
import type { ResourceRoute } from '../request-info/route.ts';

/** Escapes a decoded path as Go does: characters that are valid in a path stay as they are. */
export function escapedPath(path: string): string {
  return encodeURIComponent(path)
    .replace(/%(24|26|2B|2C|2F|3A|3B|3D|40)/g, (code) => decodeURIComponent(code))
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The path of a proxy: `/api/v1/namespaces/x/pods/y:80/proxy`. */
export function prefixOf({ def, namespace, name }: ResourceRoute): string {
  return escapedPath(`/api/v1/${namespace === undefined ? '' : `namespaces/${namespace}/`}${def.plural}/${name}/proxy`);
}

/** `X-Forwarded-Uri`: the path as the client sent it. */
export function forwardedUri(prefix: string, beyond: string): string {
  return posix.join(prefix, escapedPath(beyond));
}
