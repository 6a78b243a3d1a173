import { posix } from 'node:path';
import type { ResourceRoute } from '../request-info/route.ts';

/** A decoded path as Go escapes it in a URL: what may stand in a path stands there as it is. */
export function escapedPath(path: string): string {
  return encodeURIComponent(path)
    .replace(/%(24|26|2B|2C|2F|3A|3B|3D|40)/g, (code) => decodeURIComponent(code))
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The path under which the client sees what is behind a proxy: `/api/v1/namespaces/x/pods/y:80/proxy`. */
export function prefixOf({ def, namespace, name }: ResourceRoute): string {
  return escapedPath(`/api/v1/${namespace === undefined ? '' : `namespaces/${namespace}/`}${def.plural}/${name}/proxy`);
}

/** What is asked for behind the proxy, as the client knows it: `X-Forwarded-Uri`. */
export function forwardedUri(prefix: string, beyond: string): string {
  return posix.join(prefix, escapedPath(beyond));
}
