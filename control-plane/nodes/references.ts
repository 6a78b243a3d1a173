import type { PodSpec } from '../../shared/generated/types.ts';

/** The ConfigMaps and Secrets that a pod's volumes, environment and pulls name: `ConfigMap|ns/name`, `Secret|ns/name`. */
export function podReferences(spec: PodSpec, namespace: string): Set<string> {
  const found = new Set<string>();
  const config = (name: string | undefined) => name && found.add(`ConfigMap|${namespace}/${name}`);
  const secret = (name: string | undefined) => name && found.add(`Secret|${namespace}/${name}`);

  for (const volume of spec.volumes ?? []) {
    config(volume.configMap?.name);
    secret(volume.secret?.secretName);
    for (const source of volume.projected?.sources ?? []) {
      config(source.configMap?.name);
      secret(source.secret?.name);
    }
  }
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    for (const source of container.envFrom ?? []) {
      config(source.configMapRef?.name);
      secret(source.secretRef?.name);
    }
    for (const variable of container.env ?? []) {
      config(variable.valueFrom?.configMapKeyRef?.name);
      secret(variable.valueFrom?.secretKeyRef?.name);
    }
  }
  for (const { name } of spec.imagePullSecrets ?? []) secret(name);
  return found;
}
