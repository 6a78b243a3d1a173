import { messageOf } from '../../shared/errors.ts';
import type { Container, Pod, Volume } from '../../shared/generated/types.ts';
import { type PodFacts, type PodInputs, TokenError } from '../pod/inputs.ts';
import type { Mount } from '../runtime/runtime.ts';
import { payloadOf } from './projection.ts';

/** A volume that does not show what the pod's inputs say now. */
export interface VolumeFailure {
  /** The kubelet's words. */
  readonly message: string;
  /** It has content, of older inputs, and keeps it. */
  readonly mounted: boolean;
}

/** The files of pods on the node. All operations are idempotent. */
export interface PodVolumes {
  /**
   * Makes the pod's volumes, and brings those that show ConfigMaps, Secrets and fields up to date, each by itself. Answers
   * with those that failed: something that is not optional is missing, or the file system refuses.
   */
  prepare(pod: Pod, inputs: PodInputs, facts: PodFacts): Promise<VolumeFailure[]>;
  /** What one attempt of a container gets mounted: its volumes, hosts and resolver files, its termination message. */
  mounts(pod: Pod, container: Container, attempt: number, inputs: PodInputs, facts: PodFacts): Promise<Mount[]>;
  /** What the container left at its terminationMessagePath; undefined when it is empty. */
  terminationMessage(uid: string, container: string, attempt: number): Promise<string | undefined>;
  /** The bytes that each of these volumes takes; what is not there is left out. */
  usage(uid: string, volumes: readonly string[], signal: AbortSignal): Promise<Map<string, number>>;
  /** Removes all files of the pod. */
  remove(uid: string): Promise<void>;
  /** The uids of the pods that have files. */
  list(): Promise<string[]>;
}

/** Runs `setUp` for each volume of the pod; `isMounted` tells of one that failed whether it has content all the same. */
export async function setUpEach(
  pod: Pod,
  inputs: PodInputs,
  setUp: (volume: Volume, inputs: PodInputs) => Promise<void>,
  isMounted: (volume: Volume) => Promise<boolean>,
): Promise<VolumeFailure[]> {
  const failures: VolumeFailure[] = [];
  for (const volume of pod.spec.volumes ?? []) {
    const attempt = async (from: PodInputs): Promise<void> => {
      try {
        await setUp(volume, from);
      } catch (error) {
        const mounted = await isMounted(volume);
        if (error instanceof TokenError && from.withoutTokens && !mounted) return attempt(from.withoutTokens);
        failures.push({
          message: `MountVolume.SetUp failed for volume "${volume.name}" : ${messageOf(error)}`,
          mounted,
        });
      }
    };
    await attempt(inputs);
  }
  return failures;
}

/** For hollow nodes: checks what the pod refers to, and keeps no files. */
export const noVolumes: PodVolumes = {
  prepare: (pod, inputs, facts) =>
    setUpEach(
      pod,
      inputs,
      async (volume, from) => void payloadOf(pod, volume, from, facts),
      async () => false,
    ),
  mounts: async () => [],
  terminationMessage: async () => undefined,
  usage: async () => new Map(),
  remove: async () => undefined,
  list: async () => [],
};
