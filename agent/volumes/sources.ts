import type { ServiceAccountTokenProjection, Volume } from '../../shared/generated/types.ts';
import { ConfigError, type PodEnvironment } from '../pod/inputs.ts';
import type { Payload } from './payload.ts';
import type { EphemeralStorage, VolumeSource } from './source.ts';
import { configMap } from './sources/config-map.ts';
import { downwardAPI } from './sources/downward-api.ts';
import { emptyDir } from './sources/empty-dir.ts';
import { ephemeral } from './sources/ephemeral.ts';
import { hostPath } from './sources/host-path.ts';
import { nfs } from './sources/nfs.ts';
import { persistentVolumeClaim } from './sources/persistent-volume-claim.ts';
import { projected } from './sources/projected.ts';
import { secret } from './sources/secret.ts';

type SourceName =
  | 'configMap'
  | 'downwardAPI'
  | 'emptyDir'
  | 'ephemeral'
  | 'hostPath'
  | 'nfs'
  | 'persistentVolumeClaim'
  | 'projected'
  | 'secret';

/** The supported sources. */
const volumeSources: { readonly [N in SourceName]: VolumeSource<NonNullable<Volume[N]>> } = {
  configMap,
  downwardAPI,
  emptyDir,
  ephemeral,
  hostPath,
  nfs,
  persistentVolumeClaim,
  projected,
  secret,
};

const names = Object.keys(volumeSources) as SourceName[];

/** A volume's source with its entry of the table. */
export interface FoundSource {
  readonly kind: VolumeSource<unknown>;
  readonly source: unknown;
}

/** Throws ConfigError, with the name of the source, when it is not supported. */
export function sourceOf(volume: Volume): FoundSource {
  const found = findSource(volume);
  if (found) return found;
  const name = Object.keys(volume).find((field) => field !== 'name') ?? 'none';
  throw new ConfigError(`this kind of volume is not supported: ${name}`);
}

/** Undefined when the source is not supported. */
export function findSource(volume: Volume): FoundSource | undefined {
  for (const name of names) {
    const source = volume[name];
    if (source) return { kind: volumeSources[name] as VolumeSource<unknown>, source };
  }
  return undefined;
}

/** The files of a projected volume; undefined for other volumes. Throws ConfigError. */
export function contentOf(volume: Volume, environment: PodEnvironment): Payload | undefined {
  const found = findSource(volume);
  return found?.kind.content?.(found.source, environment);
}

/** The service account tokens of a volume. */
export function tokensOf(volume: Volume): ServiceAccountTokenProjection[] {
  const found = findSource(volume);
  return found?.kind.tokens?.(found.source) ?? [];
}

/** How a volume counts as `ephemeral-storage`; undefined: it does not. */
export function ephemeralStorageOf(volume: Volume): EphemeralStorage | undefined {
  const found = findSource(volume);
  return found?.kind.ephemeralStorage?.(found.source);
}
