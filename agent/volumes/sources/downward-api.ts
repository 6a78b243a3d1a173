import type { DownwardAPIProjection, DownwardAPIVolumeSource } from '../../../shared/generated/types.ts';
import { fieldValue, type PodEnvironment, resourceValue } from '../../pod/inputs.ts';
import { defaultFileMode, type PayloadEntry, safePath } from '../payload.ts';
import { projectedSource } from '../projected-source.ts';
import type { VolumeSource } from '../source.ts';

export const downwardAPI: VolumeSource<DownwardAPIVolumeSource> = projectedSource({
  content: ({ defaultMode = defaultFileMode, ...source }, environment) =>
    new Map(downwardApiFiles(source, defaultMode, environment)),
});

/** Throws ConfigError for a field, container or resource that does not exist. */
export function downwardApiFiles(
  { items = [] }: DownwardAPIProjection,
  mode: number,
  { pod, facts }: PodEnvironment,
): PayloadEntry[] {
  return items.map((item) => {
    const { fieldRef, resourceFieldRef } = item;
    const value = fieldRef
      ? fieldValue(pod, fieldRef.fieldPath, facts)
      : resourceFieldRef
        ? resourceValue(pod, resourceFieldRef.containerName ?? '', resourceFieldRef, facts)
        : '';
    return [safePath(item.path), { data: Buffer.from(value), mode: item.mode ?? mode }];
  });
}
