import type { KeyToPath, Pod, Volume, VolumeProjection } from '../../shared/generated/types.ts';
import { ConfigError, fieldValue, type PodFacts, type PodInputs, resourceValue } from '../pod/inputs.ts';

/** One file of a projected volume. */
export interface ProjectedFile {
  readonly data: Buffer;
  readonly mode: number;
  /** Whose it is: a uid. Absent: root's. */
  readonly owner?: number | undefined;
}

/** Files by their path in the volume. */
export type Payload = ReadonlyMap<string, ProjectedFile>;

const defaultFileMode = 0o644;

/** Whether the volume may hold secrets or tokens, and so belongs into memory, as in the kubelet. */
export function isSecret(volume: Volume): boolean {
  return volume.secret !== undefined || volume.projected !== undefined;
}

/** The content of a volume that shows objects or fields; undefined for one that shows none. Throws ConfigError. */
export function payloadOf(pod: Pod, volume: Volume, inputs: PodInputs, facts: PodFacts): Payload | undefined {
  const files = new Map<string, ProjectedFile>();
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap) addSource(files, pod, { configMap }, configMap.defaultMode, inputs, facts);
  else if (secret) {
    const { secretName: name, ...rest } = secret;
    addSource(files, pod, { secret: { name, ...rest } }, secret.defaultMode, inputs, facts);
  } else if (downwardAPI) addSource(files, pod, { downwardAPI }, downwardAPI.defaultMode, inputs, facts);
  else if (projected) {
    for (const source of projected.sources ?? []) addSource(files, pod, source, projected.defaultMode, inputs, facts);
  } else return undefined;
  return files;
}

function addSource(
  files: Map<string, ProjectedFile>,
  pod: Pod,
  source: VolumeProjection,
  mode: number = defaultFileMode,
  inputs: PodInputs,
  facts: PodFacts,
): void {
  const namespace = pod.metadata.namespace ?? '';
  if (source.configMap) {
    const { name = '', items, optional } = source.configMap;
    const map = inputs.configMap(namespace, name);
    if (!map && !optional) throw new ConfigError(`configmap "${name}" not found`);
    const all = [
      ...Object.entries(map?.data ?? {}).map(([key, text]): [string, Buffer] => [key, Buffer.from(text)]),
      ...Object.entries(map?.binaryData ?? {}).map(([key, text]): [string, Buffer] => [
        key,
        Buffer.from(text, 'base64'),
      ]),
    ];
    addItems(files, new Map(all), items, mode, optional);
  }
  if (source.secret) {
    const { name = '', items, optional } = source.secret;
    const secret = inputs.secret(namespace, name);
    if (!secret && !optional) throw new ConfigError(`secret "${name}" not found`);
    const all = Object.entries(secret?.data ?? {}).map(([key, text]): [string, Buffer] => [
      key,
      Buffer.from(text, 'base64'),
    ]);
    addItems(files, new Map(all), items, mode, optional);
  }
  if (source.serviceAccountToken) {
    const { path } = source.serviceAccountToken;
    if (!inputs.token) throw new ConfigError('failed to fetch token: this node has none for the pod');
    const token = inputs.token(source.serviceAccountToken);
    if (token !== undefined) files.set(safePath(path), { data: Buffer.from(token), ...tokenAccess(pod, mode) });
  }
  for (const item of source.downwardAPI?.items ?? []) {
    const { fieldRef, resourceFieldRef } = item;
    const value = fieldRef
      ? fieldValue(pod, fieldRef.fieldPath, facts)
      : resourceFieldRef
        ? resourceValue(pod, resourceFieldRef.containerName ?? '', resourceFieldRef, facts)
        : '';
    files.set(safePath(item.path), { data: Buffer.from(value), mode: item.mode ?? mode });
  }
}

/** As in the kubelet: nobody else may read a token where it is known who has to. */
function tokenAccess({ spec }: Pod, mode: number): { mode: number; owner?: number | undefined } {
  const users = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])].map(
    ({ securityContext }) => securityContext?.runAsUser ?? spec.securityContext?.runAsUser,
  );
  const [owner] = users;
  const one = owner !== undefined && users.every((user) => user === owner);
  if (!one && spec.securityContext?.fsGroup === undefined) return { mode };
  return { mode: 0o600, ...(one ? { owner } : {}) };
}

function addItems(
  files: Map<string, ProjectedFile>,
  data: ReadonlyMap<string, Buffer>,
  items: readonly KeyToPath[] | undefined,
  mode: number,
  optional: boolean | undefined,
): void {
  if (!items?.length) {
    for (const [key, value] of data) files.set(safePath(key), { data: value, mode });
    return;
  }
  for (const item of items) {
    const value = data.get(item.key);
    if (value === undefined && optional) continue;
    if (value === undefined) throw new ConfigError(`references non-existent config key: ${item.key}`);
    files.set(safePath(item.path), { data: value, mode: item.mode ?? mode });
  }
}

/** Relative, without `..`, and not one of the names the volume itself uses. */
function safePath(path: string): string {
  if (path.split('/').some((part) => part === '' || part === '..' || part === '.')) {
    throw new ConfigError(`invalid path "${path}"`);
  }
  if (path.startsWith('..')) throw new ConfigError(`invalid path "${path}": must not start with ".."`);
  return path;
}
