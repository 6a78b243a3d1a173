import type { StatusCause } from '../../shared/generated/types.ts';
import { apiVersionOf } from '../../shared/kinds/index.ts';
import type { KindDef } from '../../shared/kinds/kind.ts';
import type { KubeObject } from '../../shared/object.ts';
import { invalidError } from '../../shared/schema/causes.ts';
import type { MutateOptions } from './api.ts';
import { isRecord } from './patch/merge.ts';
import { badRequest } from './refusals.ts';

/**
 * A client's body as an object of the kind: copied, with its fields known and of the right type, and with defaults.
 * Throws BadRequest, also for unknown fields when validation is Strict; else `warnings` names them.
 */
export function decodeBody(def: KindDef, body: unknown, _options: MutateOptions, _warnings: string[]): KubeObject {
  if (!isRecord(body)) throw badRequest(`the body must be a ${def.kind} object`);
  const apiVersion = apiVersionOf(def);
  const { apiVersion: givenVersion = apiVersion, kind: givenKind = def.kind } = body;
  if (givenVersion !== apiVersion || givenKind !== def.kind) {
    throw badRequest(
      `the object provided is unrecognized: got ${givenKind} of ${givenVersion}, expected ${def.kind} of ${apiVersion}`,
    );
  }
  const object = structuredClone({ apiVersion, kind: def.kind, metadata: {}, ...body }) as unknown as KubeObject;
  def.strategy.default?.(object);
  return object;
}

/** Throws Invalid with all causes. */
export function checkCreate(def: KindDef, object: KubeObject): void {
  const causes: StatusCause[] = [];
  if (!object.metadata.name) {
    causes.push({
      reason: 'FieldValueRequired',
      field: 'metadata.name',
      message: 'Required value: name or generateName is required',
    });
  }
  def.strategy.validate?.(object, causes);
  if (causes.length > 0) throw invalidError(def, object.metadata.name, causes);
}

/** Throws Invalid with all causes. */
export function checkUpdate(def: KindDef, object: KubeObject, old: KubeObject): void {
  const causes: StatusCause[] = [];
  def.strategy.validate?.(object, causes);
  def.strategy.validateUpdate?.(object, old, causes);
  if (causes.length > 0) throw invalidError(def, object.metadata.name, causes);
}

/** A status alone is written by those who observe: its shape is checked, the rules of the spec are not asked again. */
export function checkStatus(_def: KindDef, _object: KubeObject, _old: KubeObject): void {}
