import ipaddr from 'ipaddr.js';
import type { LoadBalancerIngress, Node, NodeAddress, Pod, PodStatus, StatusCause } from '../../generated/types.ts';
import { parseHostName } from '../../net/names.ts';
import { duplicate, forbidden, invalid, notSupported, tooMany } from '../../schema/causes.ts';
import { isCidr, isDnsSubdomain, isIp } from '../../schema/formats.ts';

// Addresses of nodes, pods and load balancers, in the words of Kubernetes' validation (`apis/core/validation`). A node's addresses are
// checked beyond that, because other nodes use them for routes.

/** The most addresses of one node: more than any machine has. */
const maxNodeAddresses = 64;
const oneOfEach = 'may specify no more than one IP for each IP family';
const modes = ['Proxy', 'VIP'];

export function validateNodeAddresses(addresses: readonly NodeAddress[], field: string, causes: StatusCause[]): void {
  if (addresses.length > maxNodeAddresses) causes.push(tooMany(field, addresses.length, maxNodeAddresses));
  const seen = new Set<string>();
  for (const [index, one] of addresses.slice(0, maxNodeAddresses).entries()) {
    const { type, address } = one;
    const key = JSON.stringify([type, address]);
    if (seen.has(key)) causes.push(duplicate(`${field}[${index}]`, one));
    seen.add(key);
    const isAddress = type === 'InternalIP' || type === 'ExternalIP';
    const fault = isAddress ? isIp(address) : hostFault(address);
    if (fault) causes.push(invalid(`${field}[${index}].address`, address, fault));
  }
}

function hostFault(address: string): string | undefined {
  return parseHostName(address) ? undefined : 'must be the name of a host, (e.g. node-1.example.com)';
}

/** The ranges of a node's pods. */
export function validatePodCIDRs({ spec }: Node, causes: StatusCause[]): void {
  const ranges = spec?.podCIDRs ?? [];
  // The field's format refuses a text that is no range.
  if (ranges.length < 2 || ranges.some((range) => isCidr(range))) return;
  const field = 'spec.podCIDRs';
  if (ranges.length > 2 || !differentFamilies(ranges.map((range) => range.split('/')[0] ?? ''))) {
    causes.push(invalid(field, ranges, 'may specify no more than one CIDR for each IP family'));
  }
  const seen = new Set<string>();
  for (const [index, range] of ranges.entries()) {
    if (seen.has(range)) causes.push(duplicate(`${field}[${index}]`, range));
    seen.add(range);
  }
}

/** `podIP` wins where it is not the first of `podIPs`, as in Kubernetes' conversion. Changes `status`. */
export function settlePodIPs(status: PodStatus): void {
  const { podIP, podIPs = [] } = status;
  if (podIP && podIPs[0]?.ip !== podIP) status.podIPs = [{ ip: podIP }];
  else if (!podIP && podIPs[0]?.ip) status.podIP = podIPs[0].ip;
}

/** The addresses that a node reports of a pod. */
export function validatePodAddresses({ status }: Pod, causes: StatusCause[]): void {
  const { podIPs = [], hostIP = '', hostIPs = [] } = status ?? {};
  if (hostIP && hostIPs.length === 0) checkIp(hostIP, 'status.hostIP', causes);
  if (hostIPs.length > 0 && hostIP !== hostIPs[0]?.ip) {
    causes.push(invalid('status.hostIPs', hostIPs, 'must be equal to `hostIP`'));
  }
  validateIps(podIPs, 'status.podIPs', causes);
  validateIps(hostIPs, 'status.hostIPs', causes);
}

function validateIps(ips: readonly { readonly ip?: string }[], field: string, causes: StatusCause[]): void {
  const texts = ips.slice(0, 3).map(({ ip = '' }) => ip);
  const before = causes.length;
  for (const [index, ip] of texts.entries()) checkIp(ip, `${field}[${index}]`, causes);
  if (ips.length < 2 || causes.length > before) return;
  if (ips.length > 2 || !differentFamilies(texts)) causes.push(invalid(field, ips.slice(0, 3), oneOfEach));
}

function checkIp(ip: string, field: string, causes: StatusCause[]): void {
  const fault = isIp(ip);
  if (fault) causes.push(invalid(field, ip, fault));
}

/** Each must be an address. */
function differentFamilies(addresses: readonly string[]): boolean {
  return new Set(addresses.map((one) => ipaddr.parse(one).kind())).size === addresses.length;
}

/** The ingress points of a load balancer, of a Service or an Ingress. `type`: of the service. */
export function validateBalancerStatus(
  ingress: readonly LoadBalancerIngress[],
  field: string,
  type: string | undefined,
  causes: StatusCause[],
): void {
  if (type !== undefined && type !== 'LoadBalancer' && ingress.length > 0) {
    causes.push(forbidden(`${field}.ingress`, 'may only be used when `spec.type` is "LoadBalancer"'));
  }
  for (const [index, { ip, hostname, ipMode }] of ingress.entries()) {
    const path = `${field}.ingress[${index}]`;
    if (ip) checkIp(ip, `${path}.ip`, causes);
    if (ipMode !== undefined && !ip) {
      causes.push(forbidden(`${path}.ipMode`, 'may not be specified when `ip` is not set'));
    } else if (ipMode !== undefined && !modes.includes(ipMode)) {
      causes.push(notSupported(`${path}.ipMode`, ipMode, modes));
    }
    if (!hostname) continue;
    const fault = isDnsSubdomain(hostname);
    if (fault) causes.push(invalid(`${path}.hostname`, hostname, fault));
    if (!isIp(hostname)) causes.push(invalid(`${path}.hostname`, hostname, 'must be a DNS name, not an IP address'));
  }
}
