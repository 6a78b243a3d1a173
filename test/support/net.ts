import { attachmentOf, type SandboxNetwork } from '../../agent/network/attachment.ts';
import type { Attachment } from '../../agent/network/network.ts';
import { type Cidr, type Ipv4, parseCidr, parseIpv4 } from '../../shared/net/ipv4.ts';
import { type PortNumber, parsePort } from '../../shared/net/names.ts';

/** Values of the network for tests; throw when they are none. */
export const ipv4 = (text: string): Ipv4 => given(parseIpv4(text), text);
export const port = (number: number): PortNumber => given(parsePort(number), String(number));
export const cidr = (text: string): Cidr => given(parseCidr(text), text);

export function attachment(more: Partial<SandboxNetwork> = {}): Attachment {
  return attachmentOf({ podUid: 'a', netns: '/n', address: '10.1.0.2', hostPorts: [], sysctls: {}, ...more });
}

function given<T>(value: T | undefined, text: string): T {
  if (value === undefined) throw new Error(`${JSON.stringify(text)} is none`);
  return value;
}
