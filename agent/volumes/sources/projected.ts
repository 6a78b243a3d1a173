import type {
  Pod,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../../../shared/generated/types.ts';
import { containersOf } from '../../pod/containers.ts';
import { ConfigError, type PodEnvironment } from '../../pod/inputs.ts';
import { defaultFileMode, type PayloadEntry, safePath } from '../payload.ts';
import { projectedSource } from '../projected-source.ts';
import type { VolumeSource } from '../source.ts';
import { configMapFiles } from './config-map.ts';
import { downwardApiFiles } from './downward-api.ts';
import { secretFiles } from './secret.ts';

export const projected: VolumeSource<ProjectedVolumeSource> = projectedSource({
  inMemory: true,
  content: ({ sources = [], defaultMode = defaultFileMode }, environment) =>
    new Map(sources.flatMap((source) => filesOf(source, defaultMode, environment))),
  tokens: ({ sources = [] }) => sources.flatMap(({ serviceAccountToken }) => serviceAccountToken ?? []),
});

function filesOf(
  { configMap, secret, serviceAccountToken, downwardAPI }: VolumeProjection,
  mode: number,
  environment: PodEnvironment,
): PayloadEntry[] {
  return [
    ...(configMap ? configMapFiles(configMap, mode, environment) : []),
    ...(secret ? secretFiles(secret, mode, environment) : []),
    ...(serviceAccountToken ? tokenFile(serviceAccountToken, mode, environment) : []),
    ...(downwardAPI ? downwardApiFiles(downwardAPI, mode, environment) : []),
  ];
}

/** Empty when the pod starts without its token. Throws TokenError, and ConfigError on a node that has no tokens for pods. */
function tokenFile(
  projection: ServiceAccountTokenProjection,
  mode: number,
  { pod, inputs }: PodEnvironment,
): PayloadEntry[] {
  if (!inputs.token) throw new ConfigError('failed to fetch token: this node has none for the pod');
  const token = inputs.token(projection);
  if (token === undefined) return [];
  return [[safePath(projection.path), { data: Buffer.from(token), ...tokenAccess(pod, mode) }]];
}

/** As with the kubelet, a token is readable only by the user that all containers run as, or by the pod's group. */
function tokenAccess(pod: Pod, mode: number): { mode: number; owner?: number | undefined } {
  const ofPod = pod.spec.securityContext ?? {};
  const users = containersOf(pod).map(({ spec }) => spec.securityContext?.runAsUser ?? ofPod.runAsUser);
  const [owner] = users;
  const isShared = owner !== undefined && users.every((user) => user === owner);
  if (!isShared && ofPod.fsGroup === undefined) return { mode };
  return { mode: 0o600, ...(isShared ? { owner } : {}) };
}
