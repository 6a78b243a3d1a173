import { parseIpv4 } from '../../shared/net/ipv4.ts';
import { parseObjectUid, parsePort } from '../../shared/net/names.ts';
import type { HostPort } from '../runtime/runtime.ts';
import { NetworkError } from './error.ts';
import type { Attachment, PortMapping } from './network.ts';
import { netnsPath } from './script.ts';
import { sysctls } from './sysctl.ts';

/** A sandbox, as a runtime has it. */
export interface SandboxNetwork {
  readonly podUid: string;
  readonly netns: string;
  readonly address: string;
  readonly hostPorts: readonly HostPort[];
  readonly sysctls: Readonly<Record<string, string>>;
}

const protocols = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const;

/** Checks the values of a sandbox, which end in commands. Throws NetworkError `Address` that names the one that may not. */
export function attachmentOf(sandbox: SandboxNetwork): Attachment {
  return {
    podUid: checked(parseObjectUid, sandbox.podUid, 'the uid of a pod'),
    netns: netnsPath(sandbox.netns),
    address: checked(parseIpv4, sandbox.address, 'an IPv4 address'),
    hostPorts: sandbox.hostPorts.map(portMapping),
    sysctls: sysctls(sandbox.sysctls),
  };
}

/** Throws NetworkError `Address`. */
function portMapping({ hostIP, hostPort, containerPort, protocol }: HostPort): PortMapping {
  const transport = protocols[protocol];
  if (!transport) throw new NetworkError('Address', `${JSON.stringify(protocol)} is not a protocol of host ports`);
  return {
    ...(hostIP === '' || hostIP === '0.0.0.0' ? {} : { hostIP: checked(parseIpv4, hostIP, 'an IPv4 address') }),
    hostPort: checked(parsePort, hostPort, 'a port'),
    containerPort: checked(parsePort, containerPort, 'a port'),
    protocol: transport,
  };
}

function checked<T>(parse: (value: unknown) => T | undefined, value: unknown, what: string): T {
  const found = parse(value);
  if (found === undefined) throw new NetworkError('Address', `${JSON.stringify(value)} is not ${what}`);
  return found;
}
