import type { Pod, PodSpec } from '../../shared/generated/types.ts';
import { appArmorProfiles } from '../pod/spec/confinement.ts';
import type { EngineSecurity } from '../runtime/runtime.ts';
import type { Refusal } from './refusal.ts';
import { sysctlFault } from './sysctls.ts';

/** The node's kernel, engine and configuration, as far as pods depend on them. */
export interface NodeFeatures {
  readonly kernelVersion: string;
  readonly security: EngineSecurity;
  /** As `parseSysctlPatterns` gives them. */
  readonly allowedUnsafeSysctls: readonly string[];
}

/** Why the pod can never run on this node, in the kubelet's words where it has them; undefined when it can. */
export function unsupported(pod: Pod, node: NodeFeatures): Refusal | undefined {
  return wrongSystem(pod.spec) ?? forbiddenSysctl(pod.spec, node) ?? missingAppArmor(pod, node) ?? missing(pod.spec);
}

export function wrongSystem({ os }: PodSpec): Refusal | undefined {
  if (!os || os.name === 'linux') return undefined;
  return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" };
}

function forbiddenSysctl(spec: PodSpec, node: NodeFeatures): Refusal | undefined {
  for (const { name } of spec.securityContext?.sysctls ?? []) {
    const message = sysctlFault(name, spec, node.allowedUnsafeSysctls, node.kernelVersion);
    if (message) return { reason: 'SysctlForbidden', message };
  }
  return undefined;
}

function missingAppArmor(pod: Pod, { security }: NodeFeatures): Refusal | undefined {
  if (security.appArmor || appArmorProfiles(pod).every(({ type }) => type === 'Unconfined')) return undefined;
  return { reason: 'AppArmor', message: 'Cannot enforce AppArmor: AppArmor is not enabled on the host' };
}

/** Features of pods that the agent does not implement. */
function missing({ hostUsers, runtimeClassName, resourceClaims, resources }: PodSpec): Refusal | undefined {
  const refuse = (reason: string, message: string): Refusal => ({ reason, message });
  if (hostUsers === false)
    return refuse('PodFeatureUnsupported', 'hostUsers: the node has no user namespaces for pods');
  if (runtimeClassName) {
    const why = `no runtime for RuntimeClass ${JSON.stringify(runtimeClassName)} is configured`;
    return refuse('PodFeatureUnsupported', `runtimeClassName: ${why}`);
  }
  if (resourceClaims?.length) return refuse('PodFeatureUnsupported', 'resourceClaims: the node allocates no devices');
  if (resources && Object.keys({ ...resources.limits, ...resources.requests }).length > 0) {
    return refuse('PodLevelResourcesNotSupported', 'resources: the node limits containers, not pods as a whole');
  }
  return undefined;
}
