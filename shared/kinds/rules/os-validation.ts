import type { Container, EphemeralContainer, PodSpec, StatusCause } from '../../generated/types.ts';
import { forbidden } from '../../schema/causes.ts';

/** Fields that a Windows pod cannot have (Kubernetes, `validateWindows`). */
const ofLinux = {
  pod: ['hostPID', 'hostIPC', 'hostUsers', 'shareProcessNamespace'],
  podContext: [
    'appArmorProfile',
    'seLinuxOptions',
    'seccompProfile',
    'fsGroup',
    'fsGroupChangePolicy',
    'seLinuxChangePolicy',
    'sysctls',
    'runAsUser',
    'runAsGroup',
    'supplementalGroups',
    'supplementalGroupsPolicy',
  ],
  containerContext: [
    'appArmorProfile',
    'seLinuxOptions',
    'seccompProfile',
    'capabilities',
    'readOnlyRootFilesystem',
    'privileged',
    'allowPrivilegeEscalation',
    'procMount',
    'runAsUser',
    'runAsGroup',
  ],
} as const;

/**
 * A pod with `os` has no fields of the other system: Pod Security's rules for Linux do not apply to Windows pods. `field`: the path of
 * the pod's spec.
 */
export function validateOs(spec: PodSpec, field: string, causes: StatusCause[]): void {
  if (spec.os?.name !== 'linux' && spec.os?.name !== 'windows') return;
  const isLinux = spec.os.name === 'linux';
  const forbid = (object: object | undefined, names: readonly string[], path: string): void => {
    const fault = isLinux ? 'windows options cannot be set for a linux pod' : 'cannot be set for a windows pod';
    const fields = (object ?? {}) as Readonly<Record<string, unknown>>;
    for (const name of names) if (isSet(fields[name])) causes.push(forbidden(`${path}.${name}`, fault));
  };
  const ofWindows = ['windowsOptions'];
  if (!isLinux)
    forbid({ ...spec, hostPID: spec.hostPID || undefined, hostIPC: spec.hostIPC || undefined }, ofLinux.pod, field);
  forbid(spec.securityContext, isLinux ? ofWindows : ofLinux.podContext, `${field}.securityContext`);
  const lists: Array<[string, ReadonlyArray<Container | EphemeralContainer>]> = [
    ['initContainers', spec.initContainers ?? []],
    ['containers', spec.containers ?? []],
    ['ephemeralContainers', spec.ephemeralContainers ?? []],
  ];
  for (const [name, containers] of lists) {
    for (const [index, { securityContext }] of containers.entries()) {
      const path = `${field}.${name}[${index}].securityContext`;
      forbid(securityContext, isLinux ? ofWindows : ofLinux.containerContext, path);
    }
  }
}

function isSet(value: unknown): boolean {
  return value !== undefined && !(Array.isArray(value) && value.length === 0);
}
