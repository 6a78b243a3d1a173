/**
 * The structure of a kind's objects, as Kubernetes' structured merge sees it (structured-merge-diff, `schema`): what is owned
 * and merged separately, and which values fit.
 *
 *   leaf    owned as a whole: a scalar, an atomic struct, list or map, free-form JSON
 *   struct  each of its fields by itself
 *   map     each of its entries by itself
 *   list    its items, identified by keys
 *   set     its items, each its own key
 */
export type Shape = Leaf | Struct | EntryMap | KeyedList | ScalarSet;

export interface Leaf {
  readonly type: 'leaf';
  /** What the value is made of. Absent: any JSON. */
  readonly of?: Scalar | Struct | EntryMap | Items;
}

/** `scalar`: a number, a string or a boolean. */
export type Scalar = 'number' | 'string' | 'boolean' | 'scalar';

export interface Struct {
  readonly type: 'struct';
  /** In the order of their names. */
  readonly fields: readonly StructField[];
  readonly byName: ReadonlyMap<string, StructField>;
}

export interface StructField {
  readonly name: string;
  /** Its path element in a field set: `f:NAME`. */
  readonly element: string;
  readonly shape: Shape;
  /** The value of an absent field that Kubernetes' Go type always has: an empty struct or list. */
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
  readonly keys: readonly ListKey[];
}

export interface ListKey {
  readonly name: string;
  /** Undefined: an item must have the key. */
  readonly default: unknown;
}

export interface ScalarSet {
  readonly type: 'set';
  readonly item: Shape;
}

/** The items of an atomic list. */
export interface Items {
  readonly type: 'items';
  readonly item: Shape;
}

/** What the server sets in an object's metadata: no manager owns it. */
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

/** The fields of a kind's objects that managers own: all but `apiVersion`, `kind` and what the server sets in the metadata. */
export function ownedShape(object: Struct): Struct {
  return structOf(
    object.fields.flatMap((field) => {
      if (field.name === 'apiVersion' || field.name === 'kind') return [];
      if (field.name !== 'metadata' || field.shape.type !== 'struct') return [field];
      const metadata = structOf(field.shape.fields.filter(({ name }) => !systemFields.has(name)));
      return [{ ...field, shape: metadata }];
    }),
  );
}

export function structOf(fields: readonly StructField[]): Struct {
  const sorted = fields.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { type: 'struct', fields: sorted, byName: new Map(sorted.map((field) => [field.name, field])) };
}
