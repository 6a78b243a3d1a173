import ipaddr from 'ipaddr.js';
import type { Endpoints, Pod, Service, ServicePort } from '../../../../shared/generated/types.ts';
import { isPodActive, isPodReady, isSidecar } from '../../../../shared/pod.ts';
import { badRequest } from '../../requests/refusals.ts';

/** What a proxy request names: `[SCHEME:]NAME[:PORT]`, whose port is a number or a service port's name. */
export interface ProxyName {
  readonly scheme: 'http' | 'https';
  readonly name: string;
  /** Empty: none. */
  readonly port: string;
}

/** A port of a pod. */
export interface PodPort {
  readonly pod: Pod;
  readonly address: string;
  readonly port: number;
}

/** apimachinery's `SplitSchemeNamePort`. `what`: pod, service or node. Throws BadRequest. */
export function parseProxyName(id: string, what: string): ProxyName {
  const parts = id.split(':');
  const [scheme, name = '', port = ''] = parts.length < 3 ? ['', ...parts] : parts;
  if (parts.length > 3 || name === '' || (scheme !== '' && scheme !== 'http' && scheme !== 'https')) {
    throw badRequest(`invalid ${what} request ${JSON.stringify(id)}`);
  }
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port };
}

/** The first port of a pod, the default of a request without a port. Undefined: the pod names none. */
export function firstPort({ spec }: Pod): number | undefined {
  return spec.containers.find(({ ports }) => ports?.length)?.ports?.[0]?.containerPort;
}

/** The pod's address. Throws BadRequest without one that may be connected to (Kubernetes' `IsProxyableIP`). */
export function proxyableAddress({ status }: Pod): string {
  const address = status?.podIPs?.find(({ ip }) => ip)?.ip ?? status?.podIP ?? '';
  const range = ipaddr.isValid(address) ? ipaddr.parse(address).range() : undefined;
  const closed = ['unspecified', 'broadcast', 'loopback', 'multicast', 'linkLocal'];
  if (range === undefined || closed.includes(range)) throw badRequest('address not allowed');
  return address;
}

/** The service's port that has this name; there is none when it is named by a number that no port has. */
export function portNumbered({ spec }: Service, number: number): ServicePort | undefined {
  return spec?.ports?.find(({ port }) => port === number);
}

/**
 * Where a service's port leads by its Endpoints: only addresses that are a pod's of the namespace count, as in Kubernetes. `podNamed`: the
 * namespace's pods.
 */
export function portsOfEndpoints(
  { metadata, subsets = [] }: Endpoints,
  portName: string,
  podNamed: (name: string) => Pod | undefined,
): PodPort[] {
  return subsets.flatMap(({ addresses = [], ports = [] }) => {
    const port = ports.find(({ name = '' }) => name === portName)?.port;
    if (port === undefined) return [];
    return addresses.flatMap(({ ip, targetRef }) => {
      if (targetRef?.kind !== 'Pod' || targetRef.namespace !== metadata.namespace) return [];
      const pod = podNamed(targetRef.name ?? '');
      const its = pod?.status?.podIPs?.some((one) => one.ip === ip) || pod?.status?.podIP === ip;
      return pod && its ? [{ pod, address: ip, port }] : [];
    });
  });
}

/** The pods that a service's port leads to by its selector: those that are ready. No controller writes Endpoints yet. */
export function portsOfPods({ spec }: Service, portName: string, selected: readonly Pod[]): PodPort[] {
  const servicePort = spec?.ports?.find(({ name = '' }) => name === portName);
  if (!servicePort) return [];
  return selected.flatMap((pod) => {
    const port = targetOf(servicePort, pod);
    const address = pod.status?.podIP;
    return port !== undefined && address ? [{ pod, address, port }] : [];
  });
}

/** Whether a pod is behind a service that selects it. */
export function serves({ spec }: Service, pod: Pod): boolean {
  return isPodActive(pod) && (isPodReady(pod) || spec?.publishNotReadyAddresses === true);
}

/** The pod's port that a service's port leads to: a number, or the container port of a name. */
function targetOf({ targetPort, port, protocol = 'TCP' }: ServicePort, { spec }: Pod): number | undefined {
  if (targetPort === undefined || targetPort === 0 || targetPort === '') return port;
  if (typeof targetPort === 'number') return targetPort;
  const containers = [...spec.containers, ...(spec.initContainers ?? []).filter(isSidecar)];
  const named = containers.flatMap(({ ports = [] }) => ports);
  return named.find((one) => one.name === targetPort && (one.protocol ?? 'TCP') === protocol)?.containerPort;
}
