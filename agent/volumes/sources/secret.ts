import type { SecretProjection, SecretVolumeSource } from '../../../shared/generated/types.ts';
import { ConfigError, type PodEnvironment } from '../../pod/inputs.ts';
import { defaultFileMode, keyFiles, type PayloadEntry } from '../payload.ts';
import { projectedSource } from '../projected-source.ts';
import type { VolumeSource } from '../source.ts';

export const secret: VolumeSource<SecretVolumeSource> = projectedSource({
  inMemory: true,
  content: ({ secretName, defaultMode = defaultFileMode, ...source }, environment) =>
    new Map(secretFiles({ ...source, name: secretName }, defaultMode, environment)),
});

/** Throws ConfigError when the Secret or a key is missing and not optional. */
export function secretFiles(
  { name = '', items, optional }: SecretProjection,
  mode: number,
  { pod, inputs }: PodEnvironment,
): PayloadEntry[] {
  const found = inputs.secret(pod.metadata.namespace ?? '', name);
  if (!found && !optional) throw new ConfigError(`secret "${name}" not found`);
  const data = Object.entries(found?.data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64')] as const);
  return keyFiles(new Map(data), { items, optional, mode });
}
