import type { Pod } from '../../../shared/generated/types.ts';
import { allContainers } from '../../../shared/pod.ts';
import type { HostPort, SandboxSpec } from '../../runtime/runtime.ts';
import { podRef } from '../pod-ref.ts';
import { fullHostname, hostnameOf } from './hostname.ts';

/** The runtime's spec of the pod's sandbox. Throws ConfigError. */
export function sandboxSpec(
  pod: Pod,
  attempt: number,
  address: string | undefined,
  dns: SandboxSpec['dns'],
): SandboxSpec {
  const { spec } = pod;
  return {
    pod: podRef(pod),
    hostname: spec.setHostnameAsFQDN && !spec.hostNetwork ? fullHostname(pod) : hostnameOf(pod),
    hostNetwork: spec.hostNetwork ?? false,
    hostPID: spec.hostPID ?? false,
    hostIPC: spec.hostIPC ?? false,
    shareProcessNamespace: spec.shareProcessNamespace ?? false,
    ...(address && !spec.hostNetwork ? { address } : {}),
    hostPorts: spec.hostNetwork ? [] : hostPorts(pod),
    dns,
    sysctls: Object.fromEntries((spec.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value])),
    attempt,
  };
}

function hostPorts(pod: Pod): HostPort[] {
  return allContainers(pod.spec).flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort, hostIP, containerPort, protocol }) =>
      hostPort
        ? [{ hostIP: hostIP ?? '', hostPort, containerPort, protocol: (protocol ?? 'TCP') as HostPort['protocol'] }]
        : [],
    ),
  );
}
