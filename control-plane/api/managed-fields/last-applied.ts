import type { KubeObject } from '../../../shared/object.ts';
import { isRecord } from '../../../shared/records.ts';

/** The annotation with the last configuration of client-side apply. */
export const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

/** The most bytes of all annotations of an object. */
const annotationLimit = 256 * 1024;

/** The object with its last-applied annotation set to `config`, if it has one: a later client-side apply continues from there. */
export function withLastApplied(object: KubeObject, config: Readonly<Record<string, unknown>>): KubeObject {
  const { annotations } = object.metadata;
  if (!annotations?.[lastApplied]) return object;
  const noted: Record<string, string> = {
    ...annotations,
    [lastApplied]: `${JSON.stringify(ordered(withoutNote(config)))}\n`,
  };
  const size = Object.entries(noted).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  if (size > annotationLimit) delete noted[lastApplied];
  return { ...object, metadata: { ...object.metadata, annotations: noted } };
}

function withoutNote(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { metadata } = config;
  if (!isRecord(metadata) || !isRecord(metadata.annotations)) return config;
  const { [lastApplied]: _note, ...annotations } = metadata.annotations;
  return { ...config, metadata: { ...metadata, annotations } };
}

/** With members by name, as Go writes a map. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name, ordered(value[name])]),
  );
}
