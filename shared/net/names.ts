import type { Brand } from './brand.ts';

/** The name of a network interface, as the kernel takes it and scripts can hold it: 1 to 15 characters. */
export type IfName = Brand<string, 'IfName'>;

/** A port, 1 to 65535. */
export type PortNumber = Brand<number, 'PortNumber'>;

/** The uid of an object, which also names files, interfaces and rules: 1 to 63 letters, digits, `-`, `_` or `.`. */
export type ObjectUid = Brand<string, 'ObjectUid'>;

/** A host's or a domain's name: labels of letters, digits, `-` and `_`, 253 characters at most; one dot may end it. */
export type HostName = Brand<string, 'HostName'>;

export function parseIfName(value: unknown): IfName | undefined {
  return matching(value, /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/) as IfName | undefined;
}

export function parsePort(value: unknown): PortNumber | undefined {
  const isPort = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
  return isPort ? (value as PortNumber) : undefined;
}

export function parseObjectUid(value: unknown): ObjectUid | undefined {
  return matching(value, /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/) as ObjectUid | undefined;
}

export function parseHostName(value: unknown): HostName | undefined {
  const label = '[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?';
  const found = matching(value, new RegExp(`^${label}(\\.${label})*\\.?$`));
  return found !== undefined && found.length <= 254 ? (found as HostName) : undefined;
}

function matching(value: unknown, pattern: RegExp): string | undefined {
  return typeof value === 'string' && pattern.test(value) ? value : undefined;
}
