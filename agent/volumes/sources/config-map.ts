import type { ConfigMapProjection, ConfigMapVolumeSource } from '../../../shared/generated/types.ts';
import { ConfigError, type PodEnvironment } from '../../pod/inputs.ts';
import { defaultFileMode, keyFiles, type PayloadEntry } from '../payload.ts';
import { projectedSource } from '../projected-source.ts';
import type { VolumeSource } from '../source.ts';

export const configMap: VolumeSource<ConfigMapVolumeSource> = projectedSource({
  content: ({ defaultMode = defaultFileMode, ...source }, environment) =>
    new Map(configMapFiles(source, defaultMode, environment)),
  ephemeralStorage: () => ({ onDisk: true }),
});

/** Throws ConfigError when the ConfigMap or a key is missing and not optional. */
export function configMapFiles(
  { name = '', items, optional }: ConfigMapProjection,
  mode: number,
  { pod, inputs }: PodEnvironment,
): PayloadEntry[] {
  const found = inputs.configMap(pod.metadata.namespace ?? '', name);
  if (!found && !optional) throw new ConfigError(`configmap "${name}" not found`);
  const texts = Object.entries(found?.data ?? {}).map(([key, text]) => [key, Buffer.from(text)] as const);
  const bytes = Object.entries(found?.binaryData ?? {}).map(
    ([key, text]) => [key, Buffer.from(text, 'base64')] as const,
  );
  return keyFiles(new Map([...texts, ...bytes]), { items, optional, mode });
}
