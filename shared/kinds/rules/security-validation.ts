import type {
  AppArmorProfile,
  Container,
  EphemeralContainer,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  StatusCause,
  Sysctl,
} from '../../generated/types.ts';
import { duplicate, forbidden, invalid, required, tooLong } from '../../schema/causes.ts';
import { isLocalPath, rangeFault } from '../../schema/formats.ts';

/** The largest group id. */
const maxGroup = 2 ** 31 - 1;

/** The most characters of an AppArmor profile's name. */
const maxProfileName = 4095;

/** A kernel setting's name: its parts between dots or slashes. */
const sysctlPart = '[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?';
const sysctlName = new RegExp(`^(?:${sysctlPart}[./])*${sysctlPart}$`);
const sysctlShown = '^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';
const maxSysctlName = 253;

/** The rules of the security contexts of a pod and its containers, in the words of Kubernetes' core validation. `field`: the spec's path. */
export function validateSecurity(spec: PodSpec, field: string, causes: StatusCause[]): void {
  if (spec.securityContext) validatePodSecurity(spec.securityContext, spec, `${field}.securityContext`, causes);
  if (spec.hostUsers === false) {
    causes.push(forbidden(`${field}.hostUsers`, 'may not be false: nodes have no user namespaces for pods'));
  }
  const lists: Array<[string, ReadonlyArray<Container | EphemeralContainer>]> = [
    ['containers', spec.containers ?? []],
    ['initContainers', spec.initContainers ?? []],
    ['ephemeralContainers', spec.ephemeralContainers ?? []],
  ];
  for (const [name, containers] of lists) {
    for (const [index, { securityContext }] of containers.entries()) {
      const path = `${field}.${name}[${index}].securityContext`;
      validateSeccomp(securityContext?.seccompProfile, `${path}.seccompProfile`, causes);
      validateAppArmor(securityContext?.appArmorProfile, `${path}.appArmorProfile`, causes);
      if (securityContext?.procMount === 'Unmasked' && spec.hostUsers !== false) {
        causes.push(invalid(`${path}.procMount`, 'Unmasked', '`hostUsers` must be false to use `Unmasked`'));
      }
    }
  }
}

function validatePodSecurity(context: PodSecurityContext, spec: PodSpec, field: string, causes: StatusCause[]): void {
  const { supplementalGroups = [], sysctls = [], seccompProfile, appArmorProfile } = context;
  for (const [index, group] of supplementalGroups.entries()) {
    if (group >= 0 && group <= maxGroup) continue;
    causes.push(invalid(`${field}.supplementalGroups[${index}]`, group, rangeFault(0, maxGroup)));
  }
  validateSysctls(sysctls, spec, `${field}.sysctls`, causes);
  validateSeccomp(seccompProfile, `${field}.seccompProfile`, causes);
  validateAppArmor(appArmorProfile, `${field}.appArmorProfile`, causes);
}

/** The namespace of a pod that a sysctl belongs to; undefined for one of the host. `name`: with dots. */
export function sysctlNamespace(name: string): 'hostNetwork' | 'hostIPC' | undefined {
  if (name.startsWith('net.')) return 'hostNetwork';
  return /^kernel\.(sem$|shm|msg)|^fs\.mqueue\./.test(name) ? 'hostIPC' : undefined;
}

/** A sysctl's name with dots, from either spelling. */
function validateSysctls(sysctls: readonly Sysctl[], spec: PodSpec, field: string, causes: StatusCause[]): void {
  const seen = new Set<string>();
  for (const [index, { name }] of sysctls.entries()) {
    if (!name) continue;
    const path = `${field}[${index}].name`;
    const plain = name.replaceAll('/', '.');
    if (seen.has(plain)) causes.push(duplicate(path, name));
    else if (name.length > maxSysctlName || !sysctlName.test(name)) {
      causes.push(invalid(path, name, `must have at most ${maxSysctlName} characters and match regex ${sysctlShown}`));
    }
    seen.add(plain);
    for (const namespace of ['hostNetwork', 'hostIPC'] as const) {
      if (!spec[namespace] || sysctlNamespace(plain) !== namespace) continue;
      causes.push(invalid(path, name, `may not be specified when '${namespace}' is true`));
    }
  }
}

function validateSeccomp(profile: SeccompProfile | undefined, field: string, causes: StatusCause[]): void {
  if (!profile) return;
  const path = `${field}.localhostProfile`;
  const { type, localhostProfile: local } = profile;
  if (type === 'Localhost') {
    const fault = local === undefined ? undefined : isLocalPath(local);
    if (local === undefined) causes.push(required(path, 'must be set when seccomp type is Localhost'));
    else if (fault) causes.push(invalid(path, local, fault));
  } else if (local !== undefined) {
    causes.push(invalid(path, local, 'can only be set when seccomp type is Localhost'));
  }
}

function validateAppArmor(profile: AppArmorProfile | undefined, field: string, causes: StatusCause[]): void {
  if (!profile) return;
  const path = `${field}.localhostProfile`;
  const { type, localhostProfile: local } = profile;
  if (type !== 'Localhost') {
    if (local !== undefined) causes.push(invalid(path, local, 'can only be set when AppArmor type is Localhost'));
    return;
  }
  const name = local?.trim();
  if (!name) causes.push(required(path, 'must be set when AppArmor type is Localhost'));
  else if (name !== local) causes.push(invalid(path, local, 'must not be padded with whitespace'));
  if (local && local.length > maxProfileName) causes.push(tooLong(path, maxProfileName));
}
