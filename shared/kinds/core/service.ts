import type { LoadBalancerIngress, Service, ServicePort, ServiceSpec } from '../../generated/types.ts';
import { isDns1035Label } from '../../schema/formats.ts';
import { ageColumn, formatLabels, nameColumn, text, wide } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { validateBalancerStatus } from '../rules/addresses.ts';
import {
  isExternallyAccessible,
  isHeadless,
  wantsAddress,
  wantsHealthCheckPort,
  wantsNodePorts,
} from '../rules/service-needs.ts';
import { validateService, validateServiceUpdate } from '../rules/service-validation.ts';

/** The default timeout of session affinity, in seconds. */
const affinitySeconds = 10_800;
/** What kubectl shows of a load balancer's addresses. */
const shownLength = 16;

export const service: Behaviour<Service> = {
  nameFormat: isDns1035Label,
  columns: [
    nameColumn,
    text('Type', 'The type of the service.', ({ spec }) => spec.type ?? ''),
    text('Cluster-IP', 'The cluster IP addresses.', ({ spec }) => spec.clusterIPs?.[0] ?? '<none>'),
    text('External-IP', 'The external addresses.', externalAddresses),
    text('Port(s)', 'The ports of the service.', ({ spec }) => formatPorts(spec.ports ?? [])),
    ageColumn as Column<Service>,
    wide('Selector', 'The selector of the pods.', ({ spec }) => formatLabels(spec.selector)),
  ],
  strategy: {
    generation: 'none',
    deletion: { answer: 'object' },
    parts: {
      status: {
        validate({ spec, status }, _old, causes) {
          validateBalancerStatus(status?.loadBalancer?.ingress ?? [], 'status.loadBalancer', spec.type, causes);
        },
      },
    },
    default({ spec, status }) {
      if (spec) defaultSpec(spec);
      for (const ingress of status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP';
    },
    prepareCreate(object) {
      object.status = { loadBalancer: {} };
      const { spec } = object;
      if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
      settleFamilies(spec);
    },
    prepareUpdate({ spec }, { spec: old }) {
      normalizeAddresses(spec, old);
      keepAllocated(spec, old);
      dropWhatTheTypeLacks(spec, old);
      settleFamilies(spec);
    },
    validate: validateService,
    validateUpdate: validateServiceUpdate,
    warnings: serviceWarnings,
  },
};

function defaultSpec(spec: ServiceSpec): void {
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP' && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: affinitySeconds } };
  }
  for (const port of spec.ports ?? []) {
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') {
      if (port.port === undefined) delete port.targetPort;
      else port.targetPort = port.port;
    }
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= 'Cluster';
  if (wantsAddress(spec)) spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
}

/** The families of its addresses: there is only IPv4. What leads to nothing by itself may name addresses of either. */
function settleFamilies(spec: ServiceSpec): void {
  if (!wantsAddress(spec)) return;
  const open = isHeadless(spec) && Object.keys(spec.selector ?? {}).length === 0;
  spec.ipFamilyPolicy ??= open ? 'RequireDualStack' : 'SingleStack';
  if (!spec.ipFamilies?.length) {
    spec.ipFamilies = open && spec.ipFamilyPolicy !== 'SingleStack' ? ['IPv4', 'IPv6'] : ['IPv4'];
  }
}

/** Derives clusterIPs from clusterIP, for clients that set only that. */
function normalizeAddresses(spec: ServiceSpec, old: ServiceSpec): void {
  if (spec.clusterIP && !spec.clusterIPs?.length && !old.clusterIP) spec.clusterIPs = [spec.clusterIP];
  if (!sameList(spec.clusterIPs, old.clusterIPs)) return;
  if (!spec.clusterIP && old.clusterIP) delete spec.clusterIPs;
  else if (spec.clusterIP && spec.clusterIP !== old.clusterIP) spec.clusterIPs = [spec.clusterIP];
}

/** Allocated values stay when a client leaves them out. */
function keepAllocated(spec: ServiceSpec, old: ServiceSpec): void {
  if (wantsAddress(spec) && wantsAddress(old)) {
    if (!spec.clusterIP && old.clusterIP) spec.clusterIP = old.clusterIP;
    if (!spec.clusterIPs?.length && spec.clusterIP === old.clusterIP && old.clusterIPs) {
      spec.clusterIPs = old.clusterIPs;
    }
  }
  if (wantsNodePorts(spec) && wantsNodePorts(old)) keepNodePorts(spec.ports ?? [], old.ports ?? []);
  if (wantsHealthCheckPort(spec) && wantsHealthCheckPort(old) && !spec.healthCheckNodePort) {
    if (old.healthCheckNodePort) spec.healthCheckNodePort = old.healthCheckNodePort;
  }
}

function keepNodePorts(ports: readonly ServicePort[], old: readonly ServicePort[]): void {
  const id = ({ protocol, port }: ServicePort): string => `${protocol}/${port}`;
  const before = new Map(old.filter(({ nodePort }) => nodePort).map((port) => [id(port), port.nodePort]));
  const used = new Set(ports.map(({ nodePort, protocol }) => nodePort && `${protocol}/${nodePort}`));
  for (const port of ports) {
    const had = before.get(id(port));
    if (!port.nodePort && had && !used.has(`${port.protocol}/${had}`)) port.nodePort = had;
  }
}

/** A change of type clears the fields that only the old type has, unless the client changed them too. */
function dropWhatTheTypeLacks(spec: ServiceSpec, old: ServiceSpec): void {
  if (!wantsAddress(spec) && wantsAddress(old)) {
    if (spec.clusterIP === old.clusterIP) delete spec.clusterIP;
    if (sameList(spec.clusterIPs, old.clusterIPs)) delete spec.clusterIPs;
    if (sameList(spec.ipFamilies, old.ipFamilies)) delete spec.ipFamilies;
    if (spec.ipFamilyPolicy === old.ipFamilyPolicy) delete spec.ipFamilyPolicy;
    if (spec.internalTrafficPolicy === old.internalTrafficPolicy) delete spec.internalTrafficPolicy;
  }
  const may = (one: ServiceSpec): boolean => one.type === 'NodePort' || one.type === 'LoadBalancer';
  if (!may(spec) && may(old)) {
    const before = new Set((old.ports ?? []).map(({ nodePort }) => nodePort));
    if ((spec.ports ?? []).every(({ nodePort }) => !nodePort || before.has(nodePort))) {
      for (const port of spec.ports ?? []) delete port.nodePort;
    }
  }
  if (!wantsHealthCheckPort(spec) && wantsHealthCheckPort(old)) {
    if (spec.healthCheckNodePort === old.healthCheckNodePort) delete spec.healthCheckNodePort;
  }
  if (spec.type !== 'LoadBalancer' && old.type === 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === old.allocateLoadBalancerNodePorts) {
      delete spec.allocateLoadBalancerNodePorts;
    }
    if (spec.loadBalancerClass === old.loadBalancerClass) delete spec.loadBalancerClass;
  }
  if (!isExternallyAccessible(spec) && isExternallyAccessible(old)) {
    if (spec.externalTrafficPolicy === old.externalTrafficPolicy) delete spec.externalTrafficPolicy;
  }
}

function externalAddresses({ spec, status }: Service): string {
  const { type, externalIPs = [], externalName = '' } = spec;
  if (type === 'ExternalName') return externalName;
  if (type !== 'LoadBalancer') return externalIPs.join(',') || '<none>';
  const given = balancerAddresses(status?.loadBalancer?.ingress ?? []);
  const all = given ? [given, ...externalIPs] : externalIPs;
  return all.join(',') || '<pending>';
}

function balancerAddresses(ingress: readonly LoadBalancerIngress[]): string {
  const all = new Set(ingress.map(({ ip, hostname }) => ip || hostname).filter((one): one is string => !!one));
  const shown = [...all].sort().join(',');
  return shown.length > shownLength ? `${shown.slice(0, shownLength - 3)}...` : shown;
}

function formatPorts(ports: readonly ServicePort[]): string {
  const shown = ports.map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol}`);
  return shown.join(',') || '<none>';
}

function sameList(one: readonly string[] = [], other: readonly string[] = []): boolean {
  return one.length === other.length && one.every((item, index) => item === other[index]);
}

function serviceWarnings({ metadata, spec }: Service): string[] {
  const found: string[] = [];
  const hints = 'service.kubernetes.io/topology-aware-hints';
  if (metadata.annotations?.[hints] !== undefined) {
    found.push(`annotation ${hints} is deprecated, please use service.kubernetes.io/topology-mode instead`);
  }
  if (spec.type === 'ClusterIP' && spec.clusterIP === 'None') {
    const ignored = 'is ignored for headless services';
    if (spec.loadBalancerIP) found.push(`spec.loadBalancerIP ${ignored}`);
    if (spec.externalIPs?.length) found.push(`spec.externalIPs ${ignored}`);
    if (spec.sessionAffinity !== 'None') found.push(`spec.SessionAffinity ${ignored}`);
  }
  if (spec.type === 'ExternalName' && spec.externalIPs?.length) {
    found.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  }
  if (spec.type !== 'ExternalName' && spec.externalName) {
    found.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  }
  return found;
}
