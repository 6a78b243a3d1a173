import type { StatusCause } from '../generated/types.ts';
import type { KubeObject } from '../object.ts';
import type { Struct } from './shape.ts';

/**
 * What is known of the fields of a kind's objects. Built-in kinds derive it from their protobuf messages (`proto/`);
 * a kind that is added at run time brings one of its own.
 */
export interface ObjectSchema {
  /**
   * JSON from a client as an object of the kind: every field known, of its type and in its normal form. Throws ApiError BadRequest
   * with a cause for each field of a wrong type, in Strict mode also for unknown fields; RequestEntityTooLarge for too many values.
   */
  decode(value: unknown, options?: DecodeOptions): Decoded<KubeObject>;
  /** Sets the defaults of single fields, in place. */
  applyDefaults(object: object): void;
  /** Faults by the rules of single fields. A status may have empty fields that a client may not leave empty elsewhere. */
  validate(object: object): StatusCause[];
  /** A fault for each immutable field that changed. */
  validateImmutable(object: object, old: object): StatusCause[];
  /** The structure of the objects: types of values, types of lists and their keys. */
  readonly shape: Struct;
  /** The part of it that field managers own. */
  readonly ownedShape: Struct;
  /** For strategic merge patches. Absent: the kind does not support them. */
  readonly patchType?: PatchType | undefined;
  /** The definition of the objects in an OpenAPI document of version 2 or 3. Absent: it is derived from the kind's message. */
  openApi?(version: 2 | 3): object;
}

export interface DecodeOptions {
  /** Unknown fields: refused (Strict), dropped with a warning (Warn), dropped (Ignore). Absent: Warn. */
  readonly validation?: 'Strict' | 'Warn' | 'Ignore';
  /** Duplicate fields of the text that the value was read from (`duplicates.ts`): handled as unknown fields are. */
  readonly duplicates?: readonly string[] | undefined;
  /** The object that is to be replaced: the new one may have as many values as this one, whatever the limit. */
  readonly present?: KubeObject | undefined;
}

export interface Decoded<T> {
  /** A copy. It shares nothing with the value that was decoded but the trees of fieldsV1, which never change. */
  readonly object: T;
  /** One for each unknown field, in Kubernetes' words. */
  readonly warnings: string[];
}

/** The fields of a struct in a strategic merge patch (apimachinery, `strategicpatch.LookupPatchMeta`). */
export type PatchType = ReadonlyMap<string, PatchField>;

export interface PatchField {
  /** `merge`, `replace`, `retainKeys`; without `merge` a list is replaced. */
  readonly strategies: readonly string[];
  /** Identifies the items of a list of structs. */
  readonly mergeKey: string | undefined;
  /** Of the value, or of each item. Absent for scalars and maps. */
  readonly type: PatchType | undefined;
}
