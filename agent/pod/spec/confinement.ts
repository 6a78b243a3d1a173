import type { AppArmorProfile, Container, Pod, SELinuxOptions } from '../../../shared/generated/types.ts';
import type { Confinement, EngineSecurity } from '../../runtime/runtime.ts';
import { containersOf } from '../containers.ts';
import { ConfigError } from '../inputs.ts';

const appArmorAnnotation = 'container.apparmor.security.beta.kubernetes.io/';

/** What the node has to confine containers by. */
export interface Confiners {
  /** What the engine can use; undefined while that is not known. */
  security(): EngineSecurity | undefined;
  /** The text of a seccomp profile of the node, by its path below the node's directory of profiles. Throws ConfigError. */
  seccompProfile(name: string): Promise<string>;
}

/**
 * How the kernel is to confine a container besides what the engine does by itself. Throws ConfigError for what this node
 * cannot do: nothing that a pod asks for is left out.
 */
export async function confinementOf(pod: Pod, container: Container, node: Confiners): Promise<Confinement> {
  const own = container.securityContext ?? {};
  const whole = pod.spec.securityContext ?? {};
  const security = node.security();
  if (!security) throw new Error('what the engine confines containers by is not known yet');
  const notHere = (field: string, why: string): never => {
    throw new ConfigError(`${field}: ${why}`);
  };
  if (own.windowsOptions ?? whole.windowsOptions) notHere('windowsOptions', 'this node runs Linux');
  if (own.procMount === 'Unmasked') notHere('procMount', 'Unmasked is not supported by the runtime');

  const { type: seccomp, localhostProfile = '' } = own.seccompProfile ?? whole.seccompProfile ?? {};
  if (seccomp !== undefined && seccomp !== 'Unconfined' && !security.seccomp) {
    notHere('seccompProfile', `${seccomp} cannot be enforced: the engine runs containers without seccomp`);
  }
  const { type: appArmor, localhostProfile: armor = '' } = appArmorProfileOf(pod, container) ?? {};
  if (appArmor !== undefined && appArmor !== 'Unconfined' && !security.appArmor) {
    throw new ConfigError('Cannot enforce AppArmor: AppArmor is not enabled on the host');
  }
  // The engine takes this name for no confinement at all, which Pod Security forbids where it allows Localhost.
  if (appArmor === 'Localhost' && (armor === '' || armor === 'unconfined')) {
    notHere('appArmorProfile', `${JSON.stringify(armor)} is no profile of the node`);
  }
  const label = seLinuxLabel(own.seLinuxOptions ?? whole.seLinuxOptions ?? {});
  if (label.length > 0 && !security.seLinux) notHere('seLinuxOptions', 'SELinux is not enabled on the host');
  return {
    ...(seccomp === 'Unconfined' ? { seccomp: 'unconfined' } : {}),
    // As everywhere, a privileged container has no filter.
    ...(seccomp === 'Localhost' && !own.privileged ? { seccomp: await node.seccompProfile(localhostProfile) } : {}),
    ...(appArmor === 'Unconfined' && security.appArmor ? { appArmor: 'unconfined' } : {}),
    ...(appArmor === 'Localhost' ? { appArmor: armor } : {}),
    ...(label.length > 0 ? { seLinux: label } : {}),
  };
}

/** The profiles that the pod's containers ask for. */
export function appArmorProfiles(pod: Pod): AppArmorProfile[] {
  return containersOf(pod).flatMap(({ spec }) => appArmorProfileOf(pod, spec) ?? []);
}

/** The container's, the pod's, or that of the annotation that was before both. */
function appArmorProfileOf(pod: Pod, { name, securityContext }: Container): AppArmorProfile | undefined {
  const field = securityContext?.appArmorProfile ?? pod.spec.securityContext?.appArmorProfile;
  const annotation = pod.metadata.annotations?.[`${appArmorAnnotation}${name}`];
  if (field || !annotation) return field;
  if (annotation === 'unconfined') return { type: 'Unconfined' };
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' };
  return { type: 'Localhost', localhostProfile: annotation.replace(/^localhost\//, '') };
}

function seLinuxLabel(options: SELinuxOptions): string[] {
  const parts = ['user', 'role', 'type', 'level'] as const;
  return parts.flatMap((part) => (options[part] ? [`${part}:${options[part]}`] : []));
}
