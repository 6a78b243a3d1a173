import type { Lease } from '../../../shared/generated/types.ts';
import { parseIpv4 } from '../../../shared/net/ipv4.ts';
import { parsePort } from '../../../shared/net/names.ts';
import type { ApiServer } from '../../../shared/session.ts';
import { serverLeaseNamespace, serverOf } from '../../liveness/server-lease.ts';
import type { AssignedKind } from './assigned-kind.ts';

/** The servers of the API, which pods reach by the service default/kubernetes. */
export const apiServers: AssignedKind<'Lease', ApiServer> = {
  kind: 'ApiServer',
  source: 'Lease',
  candidates: (leases) => leases.by('namespace', serverLeaseNamespace),
  wantedBy: (_node, lease) => apiServerOf(lease),
};

/** Undefined for the lease of something else, and for a server without an IPv4 address. */
function apiServerOf(lease: Lease): ApiServer | undefined {
  const { id, rest } = serverOf(lease) ?? {};
  const found = /^([\d.]+):(\d+)$/.exec(rest ?? '');
  const [address, port] = [parseIpv4(found?.[1]), parsePort(Number(found?.[2]))];
  return id !== undefined && address && port ? { name: id, address, port } : undefined;
}
