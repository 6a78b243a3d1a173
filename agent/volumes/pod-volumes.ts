import { messageOf } from '../../shared/errors.ts';
import type { Container, Pod, Volume } from '../../shared/generated/types.ts';
import { type PodEnvironment, type PodFacts, type PodInputs, TokenError } from '../pod/inputs.ts';
import type { Mount } from '../runtime/runtime.ts';

/** A volume that does not show what the pod's inputs are now. */
export interface VolumeFailure {
  /** In the kubelet's words. */
  readonly message: string;
  /** It has content, of older inputs, and keeps it. */
  readonly mounted: boolean;
}

/** The files of pods on the node. All operations are idempotent. */
export interface PodVolumes {
  /** Makes the pod's volumes, each by itself. Returns those that failed: something is missing, or the file system refuses. */
  prepare(pod: Pod, inputs: PodInputs, facts: PodFacts): Promise<VolumeFailure[]>;
  /** Brings the volumes that show ConfigMaps, Secrets, tokens and fields up to date. All of them have content before. */
  refresh(pod: Pod, inputs: PodInputs, facts: PodFacts): Promise<VolumeFailure[]>;
  /** What one attempt of a container gets mounted: its volumes, hosts and resolver files, its termination message. */
  mounts(pod: Pod, container: Container, attempt: number, inputs: PodInputs, facts: PodFacts): Promise<Mount[]>;
  /** What the container left at its terminationMessagePath; undefined when it is empty. */
  terminationMessage(uid: string, container: string, attempt: number): Promise<string | undefined>;
  /** The bytes that each of these volumes takes; what is not there is left out. */
  usage(uid: string, volumes: readonly string[], signal: AbortSignal): Promise<Map<string, number>>;
  /** Unmounts and removes all files of the pod. */
  remove(uid: string): Promise<void>;
  /** The uids of the pods that have files. */
  list(): Promise<string[]>;
}

/** Runs `setUp` for each volume of the pod; `isPrepared` says of one that failed whether it has content all the same. */
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
        const message = `MountVolume.SetUp failed for volume "${volume.name}" : ${messageOf(error)}`;
        failures.push({ message, mounted });
      }
    };
    await attempt(environment.inputs);
  }
  return failures;
}
