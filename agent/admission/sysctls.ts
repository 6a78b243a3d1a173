import { sysctlNamespace } from '../../shared/kinds/rules/security-validation.ts';

/** The safe sysctls, with the first kernel that has each per network namespace (kubelet, `safe_sysctls.go`). */
const safe: ReadonlyMap<string, readonly [major: number, minor: number]> = new Map([
  ['kernel.shm_rmid_forced', [0, 0]],
  ['net.ipv4.ip_local_port_range', [0, 0]],
  ['net.ipv4.tcp_syncookies', [0, 0]],
  ['net.ipv4.ping_group_range', [0, 0]],
  ['net.ipv4.ip_unprivileged_port_start', [0, 0]],
  ['net.ipv4.ip_local_reserved_ports', [3, 16]],
  ['net.ipv4.tcp_keepalive_time', [4, 5]],
  ['net.ipv4.tcp_fin_timeout', [4, 6]],
  ['net.ipv4.tcp_keepalive_intvl', [4, 5]],
  ['net.ipv4.tcp_keepalive_probes', [4, 5]],
  ['net.ipv4.tcp_rmem', [4, 15]],
  ['net.ipv4.tcp_wmem', [4, 15]],
]);

/** The name with dots between its parts: slashes are another way to write it. */
export function sysctlName(name: string): string {
  return name.replaceAll('/', '.');
}

/**
 * The patterns of `--allowed-unsafe-sysctls`: names, or prefixes that end in `*`. Throws for a sysctl that is not namespaced.
 */
export function parseSysctlPatterns(patterns: readonly string[]): string[] {
  return patterns.map((text) => {
    const pattern = sysctlName(text.trim());
    if (!/^[a-z0-9][-_.a-z0-9]*\*?$/.test(pattern)) throw new Error(`${JSON.stringify(text)} is not a sysctl pattern`);
    const known = pattern.endsWith('*') ? pattern.slice(0, -1) : pattern;
    if (sysctlNamespace(known) === undefined) {
      throw new Error(`the sysctls ${JSON.stringify(pattern)} are not known to be namespaced`);
    }
    return pattern;
  });
}

/**
 * Why a pod may not set the sysctl, in the kubelet's words; undefined when it may. `allowed`: from parseSysctlPatterns. `shares`: the
 * host's namespaces that the pod uses.
 */
export function sysctlFault(
  name: string,
  shares: { readonly hostNetwork?: boolean; readonly hostIPC?: boolean },
  allowed: readonly string[],
  kernelVersion: string,
): string | undefined {
  const plain = sysctlName(name);
  const quoted = JSON.stringify(plain);
  if (!isSafe(plain, kernelVersion) && !allowed.some((pattern) => matches(pattern, plain))) {
    return `forbidden sysctl: ${quoted} not allowlisted`;
  }
  const namespace = sysctlNamespace(plain);
  if (namespace === undefined || !shares[namespace]) return undefined;
  return `forbidden sysctl: ${quoted} not allowed with host ${namespace === 'hostIPC' ? 'ipc' : 'net'} enabled`;
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

function isSafe(name: string, kernelVersion: string): boolean {
  const since = safe.get(name);
  if (!since) return false;
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(kernelVersion) ?? [];
  return Number(major) > since[0] || (Number(major) === since[0] && Number(minor) >= since[1]);
}
