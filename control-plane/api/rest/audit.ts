import type { IncomingMessage } from 'node:http';
import type { Auditor } from '../chain/audit/auditor.ts';
import type { AuditTrail } from '../chain/audit/trail.ts';
import { type Route, verbOf } from './request-info/route.ts';
import { unservedAttributes } from './request-info/unserved.ts';
import type { RestContext } from './rest-context.ts';

/** The longest URL that is written. */
const maxUri = 4096;

/** Begins the trail of a request that is known to come from somebody (or from nobody). */
export function beginTrail(
  auditor: Auditor,
  request: IncomingMessage,
  context: RestContext,
  route: Route | undefined,
  auditID: string,
): AuditTrail | undefined | Promise<AuditTrail> {
  const { identity, impersonator, userAgent } = context;
  const url = request.url ?? '/';
  const method = request.method ?? 'GET';
  const common = {
    ...{ impersonator, userAgent, auditID },
    uri: url.slice(0, maxUri),
    sourceIPs: request.socket.remoteAddress ? [request.socket.remoteAddress.replace(/^::ffff:/, '')] : [],
  };
  if (!route) {
    const asked = unservedAttributes(method, url);
    const { path, verb } = asked;
    return auditor.begin({ ...common, request: { identity, ...(path === undefined ? asked : { verb, path }) } });
  }
  // Of the route that is served: of the URL as it was sent, a policy could be led past its rules.
  const verb = verbOf(method, route);
  if (route.type === 'path') return auditor.begin({ ...common, request: { identity, verb, path: route.path } });
  const { def, namespace, name, subresource } = route.resource;
  return auditor.begin({
    ...common,
    version: def.version,
    request: { identity, verb, group: def.group, resource: def.plural, namespace, name, subresource },
  });
}
