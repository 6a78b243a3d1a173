import { posix } from 'node:path';

/** Where a page was asked for, by the client and behind the proxy. */
export interface Place {
  /** The path under which the client sees what is behind the proxy: `/api/v1/namespaces/x/pods/y/proxy`. */
  readonly prefix: string;
  /** What is behind the proxy, as in a URL: `10.64.0.3:8080`. */
  readonly host: string;
  /** The host that the client asked for. */
  readonly clientHost: string;
}

/** RFC 3986, appendix B. */
const parts = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(.*)$/is;

/**
 * A link as the client has to follow it (apimachinery, `proxy.Transport`): one that leads to the same host, by a path from its root, leads
 * through the proxy. Links to elsewhere and relative ones stay as they are.
 */
export function throughProxy(link: string, { prefix, host, clientHost }: Place): string {
  const [, scheme, authority, path = '', rest = ''] = parts.exec(link) ?? [];
  if (!path.startsWith('/')) return link;
  // `mailto:/x` has a path that is nobody's.
  if (scheme !== undefined && authority === undefined) return link;
  if (authority && authority !== host && authority !== clientHost) return link;
  // The client knows itself by the name that it used.
  const home = authority && authority === clientHost ? `${scheme ? `${scheme}:` : ''}//${authority}` : '';
  if (path.startsWith(prefix)) return home + path + rest;
  return home + posix.normalize(prefix + path) + rest;
}
