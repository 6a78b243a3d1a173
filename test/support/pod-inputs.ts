import type { PodFacts, PodInputs } from '../../agent/pod/inputs.ts';
import type { ConfigMap, Secret } from '../../shared/generated/types.ts';

/** What a pod may know of its node, in tests that care for none of it. */
export const podFacts: PodFacts = {
  nodeName: 'node-1',
  hostIP: '192.0.2.1',
  podIP: '10.64.3.9',
  allocatable: { cpuMillis: 4000, memoryBytes: 8 * 2 ** 30, ephemeralBytes: 2 ** 30 },
};

export function configMap(name: string, data: Record<string, string>, namespace = 'default'): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata(name, namespace), data };
}

/** `data` as text. */
export function secret(name: string, data: Record<string, string>, namespace = 'default'): Secret {
  const encoded = Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]);
  return { apiVersion: 'v1', kind: 'Secret', metadata: metadata(name, namespace), data: Object.fromEntries(encoded) };
}

/** A node that has these objects and no others. */
export function podInputs(...objects: ReadonlyArray<ConfigMap | Secret>): PodInputs {
  const find = (kind: string, namespace: string, name: string) =>
    objects.find((each) => each.kind === kind && each.metadata.namespace === namespace && each.metadata.name === name);
  return {
    configMap: (namespace, name) => find('ConfigMap', namespace, name) as ConfigMap | undefined,
    secret: (namespace, name) => find('Secret', namespace, name) as Secret | undefined,
  };
}

function metadata(name: string, namespace: string): ConfigMap['metadata'] {
  return { name, namespace, uid: `uid-${name}`, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' };
}
