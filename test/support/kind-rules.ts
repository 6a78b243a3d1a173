import type { Kind, StatusCause } from '../../shared/generated/types.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import type { Subresource } from '../../shared/kinds/table.ts';
import type { KubeObject } from '../../shared/object.ts';

/** What the API makes of an object that a client sends. */
export function admitted(kind: Kind, body: object): KubeObject {
  const def = kindNamed(kind);
  const metadata = { name: 'a', ...(def.namespaced ? { namespace: 'default' } : {}) };
  const { object } = def.schema.decode({ metadata, ...body }, { validation: 'Strict' });
  def.schema.applyDefaults(object);
  def.strategy.default?.(object);
  def.strategy.prepareCreate?.(object);
  return object;
}

/** What the API finds wrong with it, as text. */
export function faults(kind: Kind, body: object): string[] {
  const def = kindNamed(kind);
  const object = admitted(kind, body);
  const causes = def.schema.validate(object);
  def.strategy.validate?.(object, causes);
  return texts(causes);
}

/** What the API finds wrong with changing one object into another. */
export function updateFaults(kind: Kind, before: object, after: object): string[] {
  const def = kindNamed(kind);
  const [old, next] = [admitted(kind, before), admitted(kind, after)];
  def.strategy.prepareUpdate?.(next, old);
  const causes = def.schema.validateImmutable(next, old);
  def.strategy.validateUpdate?.(next, old, causes);
  return texts(causes);
}

/** What becomes of an object when a part of it is written, and what is wrong with that. `old` and `next`: whole objects. */
export function writtenPart<T extends KubeObject>(
  part: Subresource,
  old: T,
  next: T,
  now: number,
): { object: T; faults: string[] } {
  const strategy = kindNamed(old.kind as Kind).strategy.parts?.[part];
  if (!strategy) throw new Error(`${old.kind} has no part ${part}`);
  const object = structuredClone(next);
  strategy.prepare?.(object, old, now);
  const causes: StatusCause[] = [];
  strategy.validate?.(object, old, causes);
  return { object, faults: texts(causes) };
}

function texts(causes: readonly StatusCause[]): string[] {
  return causes.map(({ field, message }) => (field ? `${field}: ${message}` : (message ?? '')));
}
