import type { ObjectMeta, StatusCause } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { Subresource } from '../../../shared/kinds/table.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { collectCauses, forbidden, invalidError } from '../../../shared/schema/causes.ts';
import type { MutateOptions } from '../api.ts';

/**
 * A client's body as an object of the kind in its stored version: a copy with checked types and with defaults. Throws BadRequest,
 * also for unknown fields when validation is Strict, else `warnings` names them; and RequestEntityTooLarge for more values than an
 * object may have, or than `present` has, which it replaces.
 */
export function decodeBody(
  def: KindDef,
  body: unknown,
  options: MutateOptions,
  warnings: string[],
  present?: KubeObject,
): KubeObject {
  const { fieldValidation: validation, duplicates } = options;
  const decoded = def.schema.decode(body, { validation, duplicates, present });
  warnings.push(...decoded.warnings);
  def.schema.applyDefaults(decoded.object);
  const object = storedAs(def, decoded.object);
  if (def.conversion) def.stored.schema.applyDefaults(object);
  def.strategy.default?.(object);
  return object;
}

/** An object of the version that is served in the version that is stored. */
export function storedAs(def: KindDef, object: KubeObject): KubeObject {
  return def.conversion ? def.conversion.toStored(object) : object;
}

/** A stored object as it looks in the version that is served. */
export function servedAs(def: KindDef, object: KubeObject): KubeObject {
  return def.conversion ? def.conversion.fromStored(object) : object;
}

/** Throws Invalid with its causes. */
export function checkCreate(def: KindDef, object: KubeObject): void {
  const causes = collectCauses((found) => {
    found.push(...def.stored.schema.validate(object));
    def.strategy.validate?.(object, found);
    def.conversion?.validateCreate?.(object, found);
  });
  refuse(def.stored, object, causes);
}

/** Throws Invalid with its causes. */
export function checkUpdate(def: KindDef, object: KubeObject, old: KubeObject): void {
  const causes = collectCauses((found) => {
    found.push(...def.stored.schema.validate(object));
    checkFinalizers(old.metadata, object.metadata, found);
    def.strategy.validate?.(object, found);
    def.strategy.validateUpdate?.(object, old, found);
    found.push(...def.stored.schema.validateImmutable(object, old));
    def.conversion?.validateUpdate?.(object, old, found);
  });
  refuse(def.stored, object, causes);
}

/** No finalizer may be added to an object that is being deleted. */
function checkFinalizers(current: ObjectMeta, next: ObjectMeta, causes: StatusCause[]): void {
  if (!current.deletionTimestamp) return;
  const there = new Set(current.finalizers);
  const added = (next.finalizers ?? []).filter((one) => !there.has(one));
  if (added.length === 0) return;
  const names = [...new Set(added)].sort().map((one) => JSON.stringify(one));
  const why = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${names.join(', ')}}`;
  causes.push(forbidden('metadata.finalizers', why));
}

/** Of a status update only the status and the metadata are checked, not the spec again. Throws Invalid. */
export function checkStatus(def: KindDef, object: KubeObject, old: KubeObject): void {
  const causes = collectCauses((found) => {
    found.push(...def.stored.schema.validate(object).filter(({ field = '' }) => /^(status|metadata)\b/.test(field)));
    def.stored.strategy.parts?.status?.validate?.(object, old, found);
  });
  refuse(def, object, causes);
}

/** Another part of the object, by the rules of its kind. Throws Invalid. */
export function checkPart(def: KindDef, part: Subresource, object: KubeObject, old: KubeObject): void {
  const causes = collectCauses((found) => {
    found.push(...def.stored.schema.validate(object));
    def.stored.strategy.parts?.[part]?.validate?.(object, old, found);
  });
  refuse(def, object, causes);
}

function refuse(def: KindDef, object: KubeObject, causes: StatusCause[]): void {
  if (causes.length === 0) return;
  // Faults of the metadata come first, as Kubernetes checks it first.
  const first = causes.filter(isAboutMetadata);
  const rest = causes.filter((cause) => !isAboutMetadata(cause));
  throw invalidError(def, object.metadata.name ?? '', [...first, ...rest]);
}

function isAboutMetadata({ field = '' }: StatusCause): boolean {
  return field.startsWith('metadata.');
}
