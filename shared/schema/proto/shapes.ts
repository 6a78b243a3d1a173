import { messages } from '../../generated/schema.ts';
import { kindTable } from '../../kinds/table.ts';
import type { Leaf, ListKey, Scalar, Shape, Struct, StructField } from '../shape.ts';
import { ownedShape } from '../shape.ts';
import { flatFields } from './fields.ts';
import { goTypes } from './go-types.ts';
import type { FieldSchema } from './message.ts';

/** The shape of a kind's objects by the full name of their message. Throws for a message that is no object. */
export function objectShape(message: string): Struct {
  if (messages[message]?.fields.metadata?.type !== objectMeta) throw new Error(`no object ${message}`);
  return structOf(message);
}

/** The part of an object's shape that managers own. */
export function ownedShapeOf(message: string): Struct {
  const known = owned.get(message);
  if (known) return known;
  const shape = ownedShape(objectShape(message));
  owned.set(message, shape);
  return shape;
}

/** The keys of a list's items, in the order of their names; empty for a list of another type. */
export function listKeys({ type, listType, listMapKey }: FieldSchema): readonly ListKey[] {
  if (listType !== 'map' || !listMapKey) return [];
  const fields = new Map(flatFields(type));
  return [...listMapKey].sort().map((name) => ({ name, default: fields.get(name)?.default }));
}

const objectMeta = 'k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta';

/** Compiled when first used: few processes need any, and none needs all. */
const structs = new Map<string, Struct>();
const owned = new Map<string, Struct>();

const anyJson: Leaf = { type: 'leaf' };
const stringLeaf: Leaf = { type: 'leaf', of: 'string' };

const scalars: Readonly<Record<string, Scalar>> = {
  string: 'string',
  bytes: 'string',
  'k8s.io.apimachinery.pkg.apis.meta.v1.Duration': 'string',
  bool: 'boolean',
  int32: 'number',
  uint32: 'number',
  int64: 'number',
  uint64: 'number',
  double: 'number',
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': 'scalar',
  'k8s.io.apimachinery.pkg.api.resource.Quantity': 'scalar',
  'k8s.io.apimachinery.pkg.apis.meta.v1.Time': 'scalar',
  'k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime': 'scalar',
};

const freeForm: ReadonlySet<string> = new Set([
  'k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1',
  'k8s.io.apimachinery.pkg.runtime.RawExtension',
  'k8s.io.api.authentication.v1.ExtraValue',
]);

/** Messages of objects: one may be a field of another message, with its apiVersion and kind (a claim template). */
const objects: ReadonlySet<string> = new Set(kindTable.map(({ message }) => message));

function structOf(message: string): Struct {
  const known = structs.get(message);
  if (known) return known;
  const fields: StructField[] = [];
  const byName = new Map<string, StructField>();
  const struct: Struct = { type: 'struct', fields, byName };
  // Set before its fields are compiled: a message may contain itself.
  structs.set(message, struct);
  const add = (name: string, shape: Shape, always: StructField['always']): void => {
    const field: StructField = { name, element: `f:${name}`, shape, ...(always ? { always } : {}) };
    fields.push(field);
    byName.set(name, field);
  };
  if (objects.has(message)) for (const name of ['apiVersion', 'kind']) add(name, stringLeaf, undefined);
  for (const [name, field] of flatFields(message)) add(name, fieldShape(field), alwaysOf(message, name, field));
  fields.sort((a, b) => (a.name < b.name ? -1 : 1));
  return struct;
}

function fieldShape(field: FieldSchema): Shape {
  const { listType } = field;
  const value = valueShape(field);
  if (field.map) {
    return listType === 'atomic' ? { type: 'leaf', of: { type: 'map', value } } : { type: 'map', value };
  }
  if (!field.repeated) return listType === 'atomic' && value.type === 'struct' ? { type: 'leaf', of: value } : value;
  if (listType === 'set') return { type: 'set', item: value };
  const keys = listKeys(field);
  return keys.length > 0 ? { type: 'list', item: value, keys } : { type: 'leaf', of: { type: 'items', item: value } };
}

/** Of one value of a field. Quantities, times and the like are messages on the wire and scalars in JSON. */
function valueShape({ type, listType }: FieldSchema): Shape {
  const scalar = scalars[type];
  if (scalar) return { type: 'leaf', of: scalar };
  if (freeForm.has(type) || !(type in messages)) return anyJson;
  const struct = structOf(type);
  return goTypes.atomic.has(type) && listType !== 'granular' ? { type: 'leaf', of: struct } : struct;
}

function alwaysOf(message: string, name: string, field: FieldSchema): StructField['always'] {
  if (field.map) return undefined;
  if (field.repeated) return goTypes.lists.has(`${message}.${name}`) ? [] : undefined;
  if (!(field.type in messages) || scalars[field.type] || freeForm.has(field.type)) return undefined;
  const common = name === 'metadata' || name === 'spec' || name === 'status';
  return common || goTypes.structs.has(`${message}.${name}`) ? {} : undefined;
}
