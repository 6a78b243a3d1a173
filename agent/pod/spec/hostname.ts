import type { Pod } from '../../../shared/generated/types.ts';
import { clusterDomain } from '../../../shared/well-known.ts';
import { ConfigError } from '../inputs.ts';

/** Most characters of the kernel's host name. */
const maxFullName = 64;

/** A host name has at most 63 characters, and does not end in a hyphen or dot. */
export function hostnameOf(pod: Pod): string {
  return (pod.spec.hostname || pod.metadata.name).slice(0, 63).replace(/[-.]+$/, '');
}

/** The host name with the domain that its subdomain gives it; undefined without one. */
export function fullNameOf(pod: Pod): string | undefined {
  const { subdomain } = pod.spec;
  return subdomain ? `${hostnameOf(pod)}.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : undefined;
}

/** The full name, or the host name without a subdomain. Throws ConfigError when it is too long for the kernel. */
export function fullHostname(pod: Pod): string {
  const name = fullNameOf(pod) ?? hostnameOf(pod);
  if (name.length <= maxFullName) return name;
  const bounds = `${maxFullName} characters is the max, ${name.length} characters requested`;
  throw new ConfigError(
    `Failed to construct FQDN from Pod hostname and cluster domain, FQDN ${name} is too long (${bounds})`,
  );
}
