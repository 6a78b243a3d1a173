import { posix } from 'node:path';

/** The URLs of a page, for the client and at the backend. */
export interface Place {
  /** The path of the proxy: `/api/v1/namespaces/x/pods/y/proxy`. */
  readonly prefix: string;
  /** The backend's host, as in a URL: `10.64.0.3:8080`. */
  readonly host: string;
  /** The host of the client's request. */
  readonly clientHost: string;
}

/** RFC 3986, appendix B. */
const parts = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(.*)$/is;

/**
 * A link for the client (apimachinery, `proxy.Transport`): an absolute path, or a URL of the same host, leads through the proxy. Links
 * to other hosts and relative ones stay as they are.
 */
export function throughProxy(link: string, { prefix, host, clientHost }: Place): string {
  const [, scheme, authority, path = '', rest = ''] = parts.exec(link) ?? [];
  if (!path.startsWith('/')) return link;
  // The path of `mailto:/x` is on no host.
  if (scheme !== undefined && authority === undefined) return link;
  if (authority && authority !== host && authority !== clientHost) return link;
  // The client reaches this server by the host that it used.
  const home = authority && authority === clientHost ? `${scheme ? `${scheme}:` : ''}//${authority}` : '';
  if (path.startsWith(prefix)) return home + path + rest;
  return home + posix.normalize(prefix + path) + rest;
}
