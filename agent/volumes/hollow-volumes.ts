import type { Pod } from '../../shared/generated/types.ts';
import type { PodFacts, PodInputs } from '../pod/inputs.ts';
import { type PodVolumes, setUpEach, type VolumeFailure } from './pod-volumes.ts';
import { contentOf, findSource } from './sources.ts';

/** For hollow nodes: checks what the pod refers to, and keeps no files. */
export const hollowVolumes: PodVolumes = {
  prepare: check,
  refresh: check,
  mounts: async () => [],
  terminationMessage: async () => undefined,
  usage: async () => new Map(),
  remove: async () => undefined,
  list: async () => [],
};

function check(pod: Pod, inputs: PodInputs, facts: PodFacts): Promise<VolumeFailure[]> {
  return setUpEach(
    { pod, inputs, facts },
    async (volume, environment) => {
      const found = findSource(volume);
      found?.kind.check?.(found.source, { ...environment, name: volume.name });
      contentOf(volume, environment);
    },
    async () => false,
  );
}
