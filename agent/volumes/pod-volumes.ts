import { messageOf } from '../../shared/errors.ts';
import type { Container, Pod, Volume } from '../../shared/generated/types.ts';
import { ClaimError, type PodEnvironment, type PodFacts, type PodInputs, TokenError } from '../pod/inputs.ts';
import type { Mount } from '../runtime/runtime.ts';

/** A volume that could not be prepared or refreshed. */
export interface VolumeFailure {
  /** In the kubelet's words. */
  readonly message: string;
  /** It keeps its content of older inputs. */
  readonly mounted: boolean;
}

/** The files of pods on the node. All operations are idempotent. */
export interface PodVolumes {
  /** Makes the pod's volumes and returns those that failed; a failure does not hold up the others. */
  prepare(pod: Pod, inputs: PodInputs, facts: PodFacts): Promise<VolumeFailure[]>;
  /** Updates volumes that depend on the pod's inputs, after all were prepared. Returns those that failed. */
  refresh(pod: Pod, inputs: PodInputs, facts: PodFacts): Promise<VolumeFailure[]>;
  /** The mounts of one attempt of a container: its volumes, hosts and resolver files, its termination message. */
  mounts(pod: Pod, container: Container, attempt: number, inputs: PodInputs, facts: PodFacts): Promise<Mount[]>;
  /** What the container wrote to its terminationMessagePath; undefined when it is empty. */
  terminationMessage(uid: string, container: string, attempt: number): Promise<string | undefined>;
  /** The bytes on disk of these volumes, without those that do not exist. */
  usage(uid: string, volumes: readonly string[], signal: AbortSignal): Promise<Map<string, number>>;
  /** Unmounts and removes all files of the pod. */
  remove(uid: string): Promise<void>;
  /** The uids of the pods that have files. */
  list(): Promise<string[]>;
}

/** Runs `setUp` for each volume of the pod. `isPrepared`: whether a volume that failed has content of older inputs. */
export async function setUpEach(
  environment: PodEnvironment,
  setUp: (volume: Volume, environment: PodEnvironment) => Promise<void>,
  isPrepared: (volume: Volume) => Promise<boolean>,
): Promise<VolumeFailure[]> {
  const failures: VolumeFailure[] = [];
  for (const volume of environment.pod.spec.volumes ?? []) {
    const attempt = async (inputs: PodInputs): Promise<void> => {
      try {
        await setUp(volume, { ...environment, inputs });
      } catch (error) {
        const mounted = await isPrepared(volume);
        if (error instanceof TokenError && inputs.withoutTokens && !mounted) return attempt(inputs.withoutTokens);
        const message = failureMessage(volume.name, error);
        failures.push({ message, mounted });
      }
    };
    await attempt(environment.inputs);
  }
  return failures;
}

/** In the kubelet's words. */
function failureMessage(name: string, error: unknown): string {
  if (!(error instanceof ClaimError)) return `MountVolume.SetUp failed for volume "${name}" : ${messageOf(error)}`;
  const failed = `Unable to attach or mount volumes: unmounted volumes=[${name}], unattached volumes=[]`;
  return `${failed}, failed to process volumes=[${name}]: ${error.message}`;
}
