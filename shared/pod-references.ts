import type { Container, Pod, Volume } from './generated/types.ts';

/** The ConfigMaps, Secrets and claims of its own namespace that a pod names: what its node must be given to run it. */
export interface PodReferences {
  readonly configMaps: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
  readonly claims: ReadonlySet<string>;
}

/** The claim that a volume of the pod stands for; undefined: none. */
export function claimOfVolume(pod: Pod, volume: Volume): string | undefined {
  return volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral ? ephemeralClaimOf(pod, volume.name) : undefined);
}

/** The claim of a generic ephemeral volume. */
export function ephemeralClaimOf({ metadata }: Pod, volumeName: string): string {
  return `${metadata.name}-${volumeName}`;
}

/** The claims that the pod mounts, each once; undefined: none. */
export function claimNamesOf(pod: Pod): string[] | undefined {
  let names: string[] | undefined;
  for (const volume of pod.spec.volumes ?? []) {
    const claim = claimOfVolume(pod, volume);
    if (claim === undefined) continue;
    names ??= [];
    if (!names.includes(claim)) names.push(claim);
  }
  return names;
}

export function podReferences(pod: Pod): PodReferences {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  const claims = new Set<string>();
  const configMap = (name?: string): void => void (name && configMaps.add(name));
  const secret = (name?: string): void => void (name && secrets.add(name));

  const visitContainer = ({ env = [], envFrom = [] }: Pick<Container, 'env' | 'envFrom'>): void => {
    for (const { valueFrom } of env) {
      configMap(valueFrom?.configMapKeyRef?.name);
      secret(valueFrom?.secretKeyRef?.name);
    }
    for (const source of envFrom) {
      configMap(source.configMapRef?.name);
      secret(source.secretRef?.name);
    }
  };
  const visitVolume = (volume: Volume): void => {
    const claim = claimOfVolume(pod, volume);
    if (claim) claims.add(claim);
    configMap(volume.configMap?.name);
    secret(volume.secret?.secretName);
    secret(volume.csi?.nodePublishSecretRef?.name);
    for (const source of volume.projected?.sources ?? []) {
      configMap(source.configMap?.name);
      secret(source.secret?.name);
    }
  };

  const { spec } = pod;
  for (const { name } of spec?.imagePullSecrets ?? []) secret(name);
  for (const container of spec?.initContainers ?? []) visitContainer(container);
  for (const container of spec?.containers ?? []) visitContainer(container);
  for (const container of spec?.ephemeralContainers ?? []) visitContainer(container);
  for (const volume of spec?.volumes ?? []) visitVolume(volume);
  return { configMaps, secrets, claims };
}
