import type { StatusCause } from '../../generated/types.ts';
import type { KubeObject } from '../../object.ts';
import type { Decoded, DecodeOptions, ObjectSchema, PatchType } from '../object-schema.ts';
import type { Struct } from '../shape.ts';
import { decodeObject, type ObjectType } from './decode.ts';
import { applyDefaults } from './defaults.ts';
import { patchTypeOf } from './patch-types.ts';
import { objectShape, ownedShapeOf } from './shapes.ts';
import { validateImmutable, validateMessage } from './validate.ts';

/** The schema of a built-in kind: all of it follows from its protobuf message and the options of the fields. */
export class ProtoSchema implements ObjectSchema {
  readonly #type: ObjectType;

  constructor(type: ObjectType) {
    this.#type = type;
  }

  decode(value: unknown, options?: DecodeOptions): Decoded<KubeObject> {
    return decodeObject(this.#type, value, options);
  }

  applyDefaults(object: object): void {
    applyDefaults(this.#type.message, object);
  }

  validate(object: object): StatusCause[] {
    return validateMessage(this.#type.message, object);
  }

  validateImmutable(object: object, old: object): StatusCause[] {
    return validateImmutable(this.#type.message, object, old);
  }

  get shape(): Struct {
    return objectShape(this.#type.message);
  }

  get ownedShape(): Struct {
    return ownedShapeOf(this.#type.message);
  }

  get patchType(): PatchType | undefined {
    return patchTypeOf(this.#type.message);
  }
}
