import { messages } from '../../../shared/generated/schema.ts';
import type { FieldSchema } from '../../../shared/schema/schema.ts';
import { goTypes } from './go-types.ts';

/**
 * How a value is owned and merged, as Kubernetes' structured merge sees it:
 *
 *   leaf    owned as a whole: a scalar, an atomic struct, list or map, free-form JSON
 *   struct  each of its fields by itself
 *   map     each of its entries by itself
 *   list    its items, told apart by keys
 *   set     its items, each its own key
 */
export type Shape = Leaf | Struct | EntryMap | KeyedList | ScalarSet;

export interface Leaf {
  readonly type: 'leaf';
}

export interface Struct {
  readonly type: 'struct';
  /** In the order of their names. */
  readonly fields: readonly StructField[];
  readonly byName: ReadonlyMap<string, StructField>;
}

export interface StructField {
  readonly name: string;
  /** As it stands in a field set: `f:NAME`. */
  readonly element: string;
  readonly shape: Shape;
  /** What stands for the field where it is absent, when Kubernetes' own type always has it: an empty struct or list. */
  readonly always?: Readonly<Record<string, unknown>> | readonly unknown[];
}

export interface EntryMap {
  readonly type: 'map';
  readonly value: Shape;
}

export interface KeyedList {
  readonly type: 'list';
  readonly item: Shape;
  /** In the order of their names. */
  readonly keys: readonly { readonly name: string; readonly default: unknown }[];
}

export interface ScalarSet {
  readonly type: 'set';
}

const leaf: Leaf = { type: 'leaf' };
const objectMeta = 'k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta';

/** What the server says of an object; nobody owns it. */
const systemFields: ReadonlySet<string> = new Set([
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'generation',
  'managedFields',
  'resourceVersion',
]);

/** The shape of a kind's objects, by the name of their message: without apiVersion, kind and what the server says. */
export function rootShape(message: string): Struct {
  const found = roots.get(message);
  if (!found) throw new Error(`no object ${message}`);
  return found;
}

type Draft = { type: 'struct'; fields: StructField[]; byName: Map<string, StructField> };

function compileStructs(): ReadonlyMap<string, Draft> {
  const all = new Map<string, Draft>();
  for (const name of Object.keys(messages)) all.set(name, { type: 'struct', fields: [], byName: new Map() });
  for (const [name, struct] of all) {
    for (const [field, schema] of fieldsOf(name)) {
      add(struct, field, fieldShape(schema, all), always(name, field, schema));
    }
    finish(struct);
  }
  return all;
}

function compileRoots(structs: ReadonlyMap<string, Draft>): ReadonlyMap<string, Struct> {
  const metadata: Draft = { type: 'struct', fields: [], byName: new Map() };
  for (const field of structs.get(objectMeta)?.fields ?? []) {
    if (!systemFields.has(field.name)) add(metadata, field.name, field.shape, field.always);
  }
  const all = new Map<string, Struct>();
  for (const [name, struct] of structs) {
    if (messages[name]?.fields.metadata?.type !== objectMeta) continue;
    const root: Draft = { type: 'struct', fields: [], byName: new Map() };
    for (const field of struct.fields) {
      add(root, field.name, field.name === 'metadata' ? metadata : field.shape, field.always);
    }
    all.set(name, root);
  }
  return all;
}

/** A message's fields by their names in JSON. */
export function fieldsOf(message: string): ReadonlyMap<string, FieldSchema> {
  return fieldsByMessage.get(message) ?? noFields;
}

function flatFields(message: string): Array<[string, FieldSchema]> {
  return Object.entries(messages[message]?.fields ?? {}).flatMap(
    ([name, schema]): Array<[string, FieldSchema]> => (schema.inline ? flatFields(schema.type) : [[name, schema]]),
  );
}

/** What tells the items of a list apart, in the order of their names; empty for lists that are no maps. */
export function listKeys({ type, listType, listMapKey }: FieldSchema): KeyedList['keys'] {
  if (listType !== 'map' || !listMapKey) return [];
  const fields = fieldsOf(type);
  return [...listMapKey].sort().map((name) => ({ name, default: fields.get(name)?.default }));
}

function fieldShape(schema: FieldSchema, structs: ReadonlyMap<string, Draft>): Shape {
  const { type, listType } = schema;
  // Quantities, times and the like are messages on the wire and scalars in JSON. A field may say otherwise of its struct.
  const whole = scalarMessages.has(type) || (goTypes.atomic.has(type) && listType !== 'granular');
  const one = whole ? leaf : (structs.get(type) ?? leaf);
  if (listType === 'atomic') return leaf;
  if (schema.map) return { type: 'map', value: one };
  if (!schema.repeated) return one;
  if (listType === 'set') return { type: 'set' };
  const keys = listKeys(schema);
  return keys.length > 0 ? { type: 'list', item: one, keys } : leaf;
}

const scalarMessages: ReadonlySet<string> = new Set([
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString',
  'k8s.io.apimachinery.pkg.api.resource.Quantity',
  'k8s.io.apimachinery.pkg.apis.meta.v1.Time',
  'k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime',
  'k8s.io.apimachinery.pkg.apis.meta.v1.Duration',
  'k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1',
  'k8s.io.apimachinery.pkg.runtime.RawExtension',
  'k8s.io.api.authentication.v1.ExtraValue',
]);

function always(message: string, field: string, schema: FieldSchema): StructField['always'] {
  if (schema.map) return undefined;
  if (schema.repeated) return goTypes.lists.has(`${message}.${field}`) ? [] : undefined;
  if (!(schema.type in messages) || scalarMessages.has(schema.type)) return undefined;
  const common = field === 'metadata' || field === 'spec' || field === 'status';
  return common || goTypes.structs.has(`${message}.${field}`) ? {} : undefined;
}

function add(struct: Draft, name: string, shape: Shape, present: StructField['always']): void {
  const field = { name, element: `f:${name}`, shape, ...(present ? { always: present } : {}) };
  struct.fields.push(field);
  struct.byName.set(name, field);
}

function finish(struct: Draft): void {
  struct.fields.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const noFields: ReadonlyMap<string, FieldSchema> = new Map();
const fieldsByMessage: ReadonlyMap<string, ReadonlyMap<string, FieldSchema>> = new Map(
  Object.keys(messages).map((name) => [name, new Map(flatFields(name))]),
);

/** All messages that are objects, compiled once. */
const roots = compileRoots(compileStructs());
