import type { Container, ContainerPort, PodSpec } from '../generated/types.ts';

/** A port of the node that a pod uses. */
export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

interface PortsOfContainer extends Pick<Container, 'restartPolicy'> {
  readonly ports?: readonly ContainerPort[];
}

interface PortsOfPod extends Pick<PodSpec, 'hostNetwork'> {
  readonly containers: readonly PortsOfContainer[];
  readonly initContainers?: readonly PortsOfContainer[];
}

/** The ports of the node that the pod's containers and sidecars use. */
export function hostPorts(spec: PortsOfPod): HostPort[] {
  const containers = [
    ...spec.containers,
    ...(spec.initContainers ?? []).filter((one) => one.restartPolicy === 'Always'),
  ];
  return containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, containerPort, hostIP, protocol }) => {
      const port = hostPort || (spec.hostNetwork ? containerPort : 0);
      return port ? [{ ip: hostIP || '0.0.0.0', protocol: protocol ?? 'TCP', port }] : [];
    }),
  );
}

export function portsCollide(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return a.ip === b.ip || isAny(a.ip) || isAny(b.ip);
}

function isAny(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::';
}
