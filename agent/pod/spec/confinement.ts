import type { AppArmorProfile, Container, Pod, SELinuxOptions } from '../../../shared/generated/types.ts';
import type { Confinement, EngineSecurity } from '../../runtime/runtime.ts';
import { containersOf } from '../containers.ts';
import { ConfigError } from '../inputs.ts';

const appArmorAnnotation = 'container.apparmor.security.beta.kubernetes.io/';

/** What the node can confine containers with. */
export interface Confiners {
  /** The engine's security features; undefined before the first answer of the engine. */
  security(): EngineSecurity | undefined;
  /** The text of a seccomp profile of the node, by its path below the node's directory of profiles. Throws ConfigError. */
  seccompProfile(name: string): Promise<string>;
}

/**
 * The confinement of a container, where it differs from the engine's default. Throws ConfigError for a field that this node cannot honour.
 */
export async function confinementOf(pod: Pod, container: Container, node: Confiners): Promise<Confinement> {
  const ofContainer = container.securityContext ?? {};
  const ofPod = pod.spec.securityContext ?? {};
  const security = node.security();
  if (!security) throw new Error('what the engine confines containers with is not known yet');
  const refuse = (field: string, why: string): never => {
    throw new ConfigError(`${field}: ${why}`);
  };
  if (ofContainer.windowsOptions ?? ofPod.windowsOptions) refuse('windowsOptions', 'this node runs Linux');
  if (ofContainer.procMount === 'Unmasked') refuse('procMount', 'Unmasked is not supported by the runtime');

  const { type: seccomp, localhostProfile = '' } = ofContainer.seccompProfile ?? ofPod.seccompProfile ?? {};
  if (seccomp !== undefined && seccomp !== 'Unconfined' && !security.seccomp) {
    refuse('seccompProfile', `${seccomp} cannot be enforced: the engine runs containers without seccomp`);
  }
  const { type: appArmor, localhostProfile: armor = '' } = appArmorProfileOf(pod, container) ?? {};
  if (appArmor !== undefined && appArmor !== 'Unconfined' && !security.appArmor) {
    throw new ConfigError('Cannot enforce AppArmor: AppArmor is not enabled on the host');
  }
  // The engine takes this name as no confinement, which Pod Security forbids where it allows Localhost.
  if (appArmor === 'Localhost' && (armor === '' || armor === 'unconfined')) {
    refuse('appArmorProfile', `${JSON.stringify(armor)} is no profile of the node`);
  }
  const label = seLinuxLabel(ofContainer.seLinuxOptions ?? ofPod.seLinuxOptions ?? {});
  if (label.length > 0 && !security.seLinux) refuse('seLinuxOptions', 'SELinux is not enabled on the host');
  return {
    ...(seccomp === 'Unconfined' ? { seccomp: 'unconfined' } : {}),
    // Privileged containers have no filter, as in Kubernetes.
    ...(seccomp === 'Localhost' && !ofContainer.privileged
      ? { seccomp: await node.seccompProfile(localhostProfile) }
      : {}),
    ...(appArmor === 'Unconfined' && security.appArmor ? { appArmor: 'unconfined' } : {}),
    ...(appArmor === 'Localhost' ? { appArmor: armor } : {}),
    ...(label.length > 0 ? { seLinux: label } : {}),
  };
}

/** The AppArmor profiles of the pod's containers. */
export function appArmorProfiles(pod: Pod): AppArmorProfile[] {
  return containersOf(pod).flatMap(({ spec }) => appArmorProfileOf(pod, spec) ?? []);
}

/** Of the container, of the pod, or of the deprecated annotation. */
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
