import type { Container, Pod } from '../../shared/generated/types.ts';
import type { Mount } from '../runtime/runtime.ts';
import type { PodFacts, PodInputs } from './inputs.ts';
import { volumePayloads } from './projection.ts';

/** The files of pods on the node. All operations are idempotent. */
export interface PodVolumes {
  /**
   * Makes the pod's volumes, and brings those that show ConfigMaps, Secrets and fields up to date. Throws ConfigError
   * when something that is not optional is missing, and what the file system throws.
   */
  prepare(pod: Pod, inputs: PodInputs, facts: PodFacts): Promise<void>;
  /** What one attempt of a container gets mounted: its volumes, hosts and resolver files, its termination message. */
  mounts(pod: Pod, container: Container, attempt: number, inputs: PodInputs, facts: PodFacts): Promise<Mount[]>;
  /** What the container left at its terminationMessagePath; undefined when it is empty. */
  terminationMessage(uid: string, container: string, attempt: number): Promise<string | undefined>;
  /** Removes all files of the pod. */
  remove(uid: string): Promise<void>;
  /** The uids of the pods that have files. */
  list(): Promise<string[]>;
}

/** For hollow nodes: checks what the pod refers to, and keeps no files. */
export const noVolumes: PodVolumes = {
  async prepare(pod, inputs, facts) {
    volumePayloads(pod, inputs, facts);
  },
  mounts: async () => [],
  terminationMessage: async () => undefined,
  remove: async () => undefined,
  list: async () => [],
};
