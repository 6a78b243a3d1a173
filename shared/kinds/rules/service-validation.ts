import type { Service, ServicePort, ServiceSpec, StatusCause } from '../../generated/types.ts';
import { duplicate, forbidden, invalid, notSupported, required } from '../../schema/causes.ts';
import {
  isCidr,
  isDnsLabel,
  isDnsSubdomain,
  isIp,
  isPortName,
  isQualifiedName,
  rangeFault,
} from '../../schema/formats.ts';
import { specialFault } from '../discovery/endpoint-slice.ts';
import { validateLabels } from './metadata.ts';
import { isExternallyAccessible, isHeadless, wantsAddress, wantsHealthCheckPort } from './service-needs.ts';

const protocols = ['SCTP', 'TCP', 'UDP'];
const policies = ['Cluster', 'Local'];
const maxAffinitySeconds = 86_400;
/** The kubelet's port. */
const agentPort = 10_250;

/** The rules of a service, in the words of Kubernetes' core validation. */
export function validateService({ spec }: Service, causes: StatusCause[]): void {
  if (!spec) return;
  validateType(spec, causes);
  const names = new Set<string>();
  const several = (spec.ports?.length ?? 0) > 1;
  for (const [index, port] of (spec.ports ?? []).entries()) {
    validatePort(port, several, names, `spec.ports[${index}]`, causes);
  }
  validateLabels(spec.selector ?? {}, 'spec.selector', causes);
  validateAffinity(spec, causes);
  validateAddresses(spec, causes);
  for (const [index, address] of (spec.externalIPs ?? []).entries()) {
    const fault = isIp(address) ?? specialFault(address);
    if (fault) causes.push(invalid(`spec.externalIPs[${index}]`, address, fault));
  }
  validateNodePorts(spec, causes);
  validateDuplicatePorts(spec.ports ?? [], causes);
  validateBalancer(spec, causes);
  validatePolicies(spec, causes);
}

export function validateServiceUpdate({ spec }: Service, { spec: old }: Service, causes: StatusCause[]): void {
  // A service with an address may only keep it.
  if (wantsAddress(spec) && wantsAddress(old) && old.clusterIPs?.length) {
    const [now, before] = [spec.clusterIPs?.[0], old.clusterIPs[0]];
    if (now !== before) causes.push(invalid('spec.clusterIPs[0]', spec.clusterIPs ?? null, 'may not change once set'));
  }
  const both = spec.type === 'LoadBalancer' && old.type === 'LoadBalancer';
  if (both && spec.loadBalancerClass !== old.loadBalancerClass) {
    causes.push(invalid('spec.loadBalancerClass', spec.loadBalancerClass ?? null, 'may not change once set'));
  }
}

function validateType(spec: ServiceSpec, causes: StatusCause[]): void {
  const { type, ports = [], clusterIPs = [], externalName = '' } = spec;
  if (ports.length === 0 && !isHeadless(spec) && type !== 'ExternalName') causes.push(required('spec.ports'));
  if (type === 'LoadBalancer' || type === 'NodePort') {
    if (isHeadless(spec)) {
      causes.push(invalid('spec.clusterIPs[0]', clusterIPs[0], `may not be set to 'None' for ${type} services`));
    }
  }
  if (type === 'LoadBalancer') {
    for (const [index, { port }] of ports.entries()) {
      if (port !== agentPort) continue;
      const why = `may not expose port ${port} externally since it is used by kubelet`;
      causes.push(invalid(`spec.ports[${index}]`, port, why));
    }
  }
  if (type !== 'ExternalName') return;
  if (externalName === '') causes.push(required('spec.externalName'));
  const fault = externalName && isDnsSubdomain(externalName.replace(/\.$/, ''));
  if (fault) causes.push(invalid('spec.externalName', externalName, fault));
}

function validatePort(
  { name = '', protocol, port, targetPort, appProtocol }: ServicePort,
  named: boolean,
  names: Set<string>,
  field: string,
  causes: StatusCause[],
): void {
  if (name === '' && named) causes.push(required(`${field}.name`));
  if (name !== '') {
    const fault = isDnsLabel(name);
    if (fault) causes.push(invalid(`${field}.name`, name, fault));
    if (names.has(name)) causes.push(duplicate(`${field}.name`, name));
    names.add(name);
  }
  if (!isPort(port)) causes.push(invalid(`${field}.port`, port ?? 0, rangeFault(1, 65_535)));
  if (protocol !== undefined && !protocols.includes(protocol)) {
    causes.push(notSupported(`${field}.protocol`, protocol, protocols));
  }
  if (typeof targetPort === 'number' && !isPort(targetPort)) {
    causes.push(invalid(`${field}.targetPort`, targetPort, rangeFault(1, 65_535)));
  }
  if (typeof targetPort === 'string') {
    const fault = isPortName(targetPort);
    if (fault) causes.push(invalid(`${field}.targetPort`, targetPort, fault));
  }
  const fault = appProtocol && isQualifiedName(appProtocol);
  if (fault) causes.push(invalid(`${field}.appProtocol`, appProtocol, fault));
}

function validateAffinity({ sessionAffinity, sessionAffinityConfig }: ServiceSpec, causes: StatusCause[]): void {
  const field = 'spec.sessionAffinityConfig';
  if (sessionAffinity === 'None' && sessionAffinityConfig) {
    causes.push(forbidden(field, 'must not be set when session affinity is None'));
  }
  if (sessionAffinity !== 'ClientIP') return;
  const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds;
  const path = `${field}.clientIP.timeoutSeconds`;
  if (seconds === undefined) causes.push(required(path, 'when session affinity type is ClientIP'));
  else if (seconds <= 0 || seconds > maxAffinitySeconds) {
    causes.push(invalid(path, seconds, `must be greater than 0 and less than ${maxAffinitySeconds}`));
  }
}

function validateAddresses(spec: ServiceSpec, causes: StatusCause[]): void {
  const { clusterIP, clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  if (!wantsAddress(spec)) {
    const why = 'may not be set for ExternalName services';
    if (clusterIPs.length > 0 || clusterIP) causes.push(forbidden('spec.clusterIPs', why));
    if (ipFamilies.length > 0) causes.push(forbidden('spec.ipFamilies', why));
    if (ipFamilyPolicy !== undefined) causes.push(forbidden('spec.ipFamilyPolicy', why));
    return;
  }
  const supported = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];
  if (ipFamilyPolicy !== undefined && !supported.includes(ipFamilyPolicy)) {
    causes.push(notSupported('spec.ipFamilyPolicy', ipFamilyPolicy, supported));
  }
  const seen = new Set<string>();
  for (const [index, family] of ipFamilies.entries()) {
    const field = `spec.ipFamilies[${index}]`;
    if (family !== 'IPv4' && family !== 'IPv6') causes.push(notSupported(field, family, ['IPv4', 'IPv6']));
    if (seen.has(family)) causes.push(duplicate(field, family));
    seen.add(family);
  }
  if (!isHeadless(spec) && seen.has('IPv6')) {
    causes.push(invalid(`spec.ipFamilies[${ipFamilies.indexOf('IPv6')}]`, 'IPv6', 'not configured on this cluster'));
  }
  if (ipFamilyPolicy === 'RequireDualStack' && !isHeadless(spec)) {
    causes.push(
      invalid('spec.ipFamilyPolicy', ipFamilyPolicy, 'this cluster is not configured for dual-stack services'),
    );
  }
  if (clusterIPs.length > 0 && !clusterIP) {
    causes.push(required('spec.clusterIP', 'must be set when `clusterIPs` is specified'));
  } else if (clusterIP && clusterIPs[0] !== clusterIP) {
    causes.push(invalid('spec.clusterIPs', clusterIPs, 'first value must match `clusterIP`'));
  }
  for (const [index, address] of clusterIPs.entries()) {
    const field = `spec.clusterIPs[${index}]`;
    if (address === 'None') {
      if (clusterIPs.length > 1) causes.push(invalid(field, clusterIPs, "'None' must be the first and only value"));
    } else if (isIp(address)) {
      causes.push(invalid(field, address, "must be empty, 'None', or a valid IP address"));
    }
  }
  if (clusterIPs.length > 2) {
    causes.push(invalid('spec.clusterIPs', clusterIPs, 'may only hold up to 2 values'));
  }
}

function validateNodePorts({ type, ports = [] }: ServiceSpec, causes: StatusCause[]): void {
  const used = new Set<string>();
  for (const [index, { nodePort, protocol }] of ports.entries()) {
    if (!nodePort) continue;
    const field = `spec.ports[${index}].nodePort`;
    if (type === 'ClusterIP' || type === 'ExternalName') {
      causes.push(forbidden(field, `may not be used when \`type\` is '${type}'`));
      continue;
    }
    const id = `${protocol}/${nodePort}`;
    if (used.has(id)) causes.push(duplicate(field, nodePort));
    used.add(id);
  }
}

function validateDuplicatePorts(ports: readonly ServicePort[], causes: StatusCause[]): void {
  const seen = new Set<string>();
  for (const [index, { protocol, port }] of ports.entries()) {
    const id = `${protocol}/${port}`;
    if (seen.has(id)) causes.push(duplicate(`spec.ports[${index}]`, { protocol, port }));
    seen.add(id);
  }
}

function validateBalancer(spec: ServiceSpec, causes: StatusCause[]): void {
  const { type, loadBalancerSourceRanges = [], allocateLoadBalancerNodePorts, loadBalancerClass } = spec;
  const only = "may only be used when `type` is 'LoadBalancer'";
  const is = type === 'LoadBalancer';
  if (loadBalancerSourceRanges.length > 0 && !is) causes.push(forbidden('spec.loadBalancerSourceRanges', only));
  for (const [index, range] of loadBalancerSourceRanges.entries()) {
    const fault = isCidr(range.trim());
    if (fault) causes.push(invalid(`spec.loadBalancerSourceRanges[${index}]`, range, fault));
  }
  if (!is && allocateLoadBalancerNodePorts !== undefined) {
    causes.push(forbidden('spec.allocateLoadBalancerNodePorts', only));
  }
  if (!is && loadBalancerClass !== undefined) causes.push(forbidden('spec.loadBalancerClass', only));
  const fault = loadBalancerClass !== undefined && isQualifiedName(loadBalancerClass);
  if (fault) causes.push(invalid('spec.loadBalancerClass', loadBalancerClass, fault));
}

function validatePolicies(spec: ServiceSpec, causes: StatusCause[]): void {
  const { externalTrafficPolicy, internalTrafficPolicy, trafficDistribution, healthCheckNodePort = 0 } = spec;
  if (!isExternallyAccessible(spec)) {
    if (externalTrafficPolicy) {
      const why = 'may only be set for externally-accessible services';
      causes.push(invalid('spec.externalTrafficPolicy', externalTrafficPolicy, why));
    }
  } else if (externalTrafficPolicy && !policies.includes(externalTrafficPolicy)) {
    causes.push(notSupported('spec.externalTrafficPolicy', externalTrafficPolicy, policies));
  }
  if (healthCheckNodePort !== 0 && !wantsHealthCheckPort(spec)) {
    const why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    causes.push(invalid('spec.healthCheckNodePort', healthCheckNodePort, why));
  }
  if (internalTrafficPolicy !== undefined && !policies.includes(internalTrafficPolicy)) {
    causes.push(notSupported('spec.internalTrafficPolicy', internalTrafficPolicy, policies));
  }
  if (trafficDistribution !== undefined && trafficDistribution !== 'PreferClose') {
    causes.push(notSupported('spec.trafficDistribution', trafficDistribution, ['PreferClose']));
  }
}

function isPort(value: number | undefined): boolean {
  return value !== undefined && value >= 1 && value <= 65_535;
}
