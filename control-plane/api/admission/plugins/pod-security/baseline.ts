import type { PodSecurityContext, SecurityContext, Volume } from '../../../../../shared/generated/types.ts';
import { type Check, containersOf, type Subject, type Violation } from './check.ts';
import { distinct, named, plural, quoted } from './words.ts';

/** The level `baseline`: prevents known privilege escalations. Sorted by id, which is the order of the messages. */
export const baselineChecks: readonly Check[] = [
  { id: 'appArmorProfile', since: 0, find: appArmorProfile },
  { id: 'capabilities_baseline', since: 0, find: capabilities },
  { id: 'hostNamespaces', since: 0, find: hostNamespaces },
  { id: 'hostPathVolumes', since: 0, find: hostPathVolumes },
  { id: 'hostPorts', since: 0, find: hostPorts },
  { id: 'privileged', since: 0, find: privileged },
  { id: 'procMount', since: 0, find: procMount },
  { id: 'seLinuxOptions', since: 0, find: seLinuxOptions },
  { id: 'seccompProfile_baseline', since: 0, until: 19, find: seccompAnnotations },
  { id: 'seccompProfile_baseline', since: 19, find: seccompProfile },
  { id: 'sysctls', since: 0, find: sysctls },
  { id: 'windowsHostProcess', since: 0, find: windowsHostProcess },
];

const appArmorAnnotation = 'container.apparmor.security.beta.kubernetes.io/';
const seccompPodAnnotation = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompContainerAnnotation = 'container.seccomp.security.alpha.kubernetes.io/';

const defaultCapabilities: ReadonlySet<string> = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

/** Kernel parameters of the pod alone, and the minor version that allowed each. */
const safeSysctls: ReadonlyMap<string, number> = new Map([
  ['kernel.shm_rmid_forced', 0],
  ['net.ipv4.ip_local_port_range', 0],
  ['net.ipv4.tcp_syncookies', 0],
  ['net.ipv4.ping_group_range', 0],
  ['net.ipv4.ip_unprivileged_port_start', 0],
  ['net.ipv4.ip_local_reserved_ports', 27],
  ['net.ipv4.tcp_keepalive_time', 29],
  ['net.ipv4.tcp_fin_timeout', 29],
  ['net.ipv4.tcp_keepalive_intvl', 29],
  ['net.ipv4.tcp_keepalive_probes', 29],
  ['net.ipv4.tcp_rmem', 32],
  ['net.ipv4.tcp_wmem', 32],
]);

type Context = PodSecurityContext | SecurityContext;

/** The security contexts, of the pod and its containers, that are bad, as text. */
export function settersOf({ spec }: Subject, isBad: (context: Context) => boolean): string[] {
  const setters: string[] = [];
  if (spec.securityContext && isBad(spec.securityContext)) setters.push('pod');
  const containers = containersOf(spec)
    .filter(({ securityContext }) => securityContext && isBad(securityContext))
    .map(({ name }) => name);
  if (containers.length > 0) setters.push(named('container', containers));
  return setters;
}

function appArmorProfile(subject: Subject): Violation | undefined {
  const values = new Set<string>();
  const setters = settersOf(subject, ({ appArmorProfile: profile }) => {
    if (!profile || profile.type === 'RuntimeDefault' || profile.type === 'Localhost') return false;
    values.add(profile.type);
    return true;
  });
  const annotations = Object.entries(subject.metadata.annotations ?? {})
    .filter(([name, value]) => name.startsWith(appArmorAnnotation) && !isAllowedProfile(value))
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .sort();
  const bad = [...distinct(values), ...annotations];
  if (annotations.length > 0) setters.push(plural('annotation', annotations.length));
  if (setters.length === 0) return undefined;
  return {
    reason: plural('forbidden AppArmor profile', bad.length),
    detail: `${setters.join(' and ')} must not set AppArmor profile type to ${quoted(bad)}`,
  };
}

function isAllowedProfile(value: string): boolean {
  return value === '' || value === 'runtime/default' || value.startsWith('localhost/');
}

function capabilities({ spec }: Subject): Violation | undefined {
  const bad = new Set<string>();
  const containers = containersOf(spec).filter(({ securityContext }) => {
    const added = securityContext?.capabilities?.add?.filter((one) => !defaultCapabilities.has(one)) ?? [];
    for (const one of added) bad.add(one);
    return added.length > 0;
  });
  if (containers.length === 0) return undefined;
  const setters = named('container', namesOf(containers));
  const detail = `${setters} must not include ${quoted(distinct(bad))} in securityContext.capabilities.add`;
  return { reason: 'non-default capabilities', detail };
}

function hostNamespaces({ spec }: Subject): Violation | undefined {
  const shared = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec[name]);
  if (shared.length === 0) return undefined;
  return { reason: 'host namespaces', detail: shared.map((name) => `${name}=true`).join(', ') };
}

function hostPathVolumes({ spec }: Subject): Violation | undefined {
  const volumes = (spec.volumes ?? []).filter((volume: Volume) => volume.hostPath).map(({ name }) => name);
  return volumes.length > 0 ? { reason: 'hostPath volumes', detail: named('volume', volumes) } : undefined;
}

function hostPorts({ spec }: Subject): Violation | undefined {
  const used = new Set<string>();
  const containers = containersOf(spec).filter(({ ports = [] }) => {
    const taken = ports.filter(({ hostPort }) => hostPort);
    for (const { hostPort } of taken) used.add(String(hostPort));
    return taken.length > 0;
  });
  if (containers.length === 0) return undefined;
  const verb = containers.length === 1 ? 'uses' : 'use';
  const ports = `${plural('hostPort', used.size)} ${distinct(used).join(', ')}`;
  return { reason: 'hostPort', detail: `${named('container', namesOf(containers))} ${verb} ${ports}` };
}

function privileged({ spec }: Subject): Violation | undefined {
  const containers = containersOf(spec).filter(({ securityContext }) => securityContext?.privileged);
  if (containers.length === 0) return undefined;
  const detail = `${named('container', namesOf(containers))} must not set securityContext.privileged=true`;
  return { reason: 'privileged', detail };
}

function procMount({ spec }: Subject): Violation | undefined {
  const values = new Set<string>();
  const containers = containersOf(spec).filter(({ securityContext }) => {
    const value = securityContext?.procMount;
    if (!value || value === 'Default') return false;
    values.add(value);
    return true;
  });
  if (containers.length === 0) return undefined;
  const setters = named('container', namesOf(containers));
  return {
    reason: 'procMount',
    detail: `${setters} must not set securityContext.procMount to ${quoted(distinct(values))}`,
  };
}

function seLinuxOptions(subject: Subject, minor: number): Violation | undefined {
  const allowed = ['', 'container_t', 'container_init_t', 'container_kvm_t'];
  if (minor >= 31) allowed.push('container_engine_t');
  const types = new Set<string>();
  let setsUser = false;
  let setsRole = false;
  const setters = settersOf(subject, ({ seLinuxOptions: options }) => {
    if (!options) return false;
    const { type = '', user, role } = options;
    const badType = !allowed.includes(type);
    if (badType) types.add(type);
    if (user) setsUser = true;
    if (role) setsRole = true;
    return badType || Boolean(user) || Boolean(role);
  });
  if (setters.length === 0) return undefined;
  const what = types.size > 0 ? [named('type', distinct(types))] : [];
  if (setsUser) what.push('user may not be set');
  if (setsRole) what.push('role may not be set');
  const detail = `${setters.join(' and ')} set forbidden securityContext.seLinuxOptions: ${what.join('; ')}`;
  return { reason: 'seLinuxOptions', detail };
}

function seccompAnnotations({ metadata, spec }: Subject): Violation | undefined {
  const keys = [seccompPodAnnotation, ...containersOf(spec).map(({ name }) => seccompContainerAnnotation + name)];
  const bad = keys
    .map((key) => [key, metadata.annotations?.[key]] as const)
    .filter(([, value]) => value !== undefined && !isAllowedSeccomp(value))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  if (bad.length === 0) return undefined;
  const all = distinct(bad);
  return { reason: 'seccompProfile', detail: `forbidden ${plural('annotation', all.length)} ${all.join(', ')}` };
}

function isAllowedSeccomp(value: string): boolean {
  return value === 'runtime/default' || value === 'docker/default' || value.startsWith('localhost/');
}

/** A seccomp profile that both levels allow. */
export function isSafeSeccomp(type: string): boolean {
  return type === 'RuntimeDefault' || type === 'Localhost';
}

export function seccompProfile(subject: Subject): Violation | undefined {
  const values = new Set<string>();
  const setters = settersOf(subject, ({ seccompProfile: profile }) => {
    if (!profile || isSafeSeccomp(profile.type)) return false;
    values.add(profile.type);
    return true;
  });
  if (setters.length === 0) return undefined;
  const detail = `${setters.join(' and ')} must not set securityContext.seccompProfile.type to ${quoted(distinct(values))}`;
  return { reason: 'seccompProfile', detail };
}

function sysctls({ spec }: Subject, minor: number): Violation | undefined {
  const bad = (spec.securityContext?.sysctls ?? [])
    .map(({ name }) => name)
    .filter((name) => (safeSysctls.get(name) ?? Number.POSITIVE_INFINITY) > minor);
  return bad.length > 0 ? { reason: 'forbidden sysctls', detail: bad.join(', ') } : undefined;
}

function windowsHostProcess(subject: Subject): Violation | undefined {
  const setters = settersOf(subject, (context) => {
    const { windowsOptions } = context as { windowsOptions?: { hostProcess?: boolean } };
    return windowsOptions?.hostProcess === true;
  });
  if (setters.length === 0) return undefined;
  const detail = `${setters.join(' and ')} must not set securityContext.windowsOptions.hostProcess=true`;
  return { reason: 'hostProcess', detail };
}

function namesOf(containers: readonly { readonly name: string }[]): string[] {
  return containers.map(({ name }) => name);
}
