import { ageOf } from '../../../../shared/kinds/columns/age.ts';
import type { Column, KindDef } from '../../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../../shared/object.ts';

/** What each row contains of its object (`includeObject`). */
export type Include = 'None' | 'Metadata' | 'Object';

/** The columns of kinds that define none. */
const defaultColumns: readonly Column[] = [
  {
    name: 'Name',
    type: 'string',
    format: 'name',
    description: 'Name must be unique within a namespace.',
    priority: 0,
    value: (object) => object.metadata.name,
  },
  {
    name: 'Age',
    type: 'string',
    description: 'The time since the object was created.',
    priority: 0,
    value: (object, now) => ageOf(object.metadata.creationTimestamp, now),
  },
];

export interface TableOptions {
  readonly include: Include;
  /** Milliseconds since the epoch, for ages. */
  readonly now: number;
  /** `meta.k8s.io/v1`, or v1beta1 for older clients. */
  readonly apiVersion?: string;
  /** False: the columns are left out, as an earlier event had them. */
  readonly withColumns?: boolean;
}

/** Objects as a `Table` of meta.k8s.io, which kubectl prints. */
export function tableOf(def: KindDef, objects: readonly KubeObject[], metadata: object, options: TableOptions): object {
  return { ...tableHead(def, metadata, options), rows: objects.map((object) => rowOf(def, object, options)) };
}

/** A Table without rows. */
export function tableHead(
  def: KindDef,
  metadata: object,
  { apiVersion = metaV1, withColumns = true }: TableOptions,
): object {
  return {
    kind: 'Table',
    apiVersion,
    metadata,
    columnDefinitions: withColumns
      ? columnsOf(def).map(({ name, type, format = '', description, priority }) => ({
          name,
          type,
          format,
          description,
          priority,
        }))
      : [],
  };
}

export function rowOf(def: KindDef, object: KubeObject, { include, now, apiVersion = metaV1 }: TableOptions): object {
  return {
    cells: columnsOf(def).map((column) => column.value(object, now)),
    object: include === 'None' ? null : include === 'Object' ? object : partialOf(object, apiVersion),
  };
}

/** The kind whose columns an object has: the answer of subresource `scale` is a Scale. */
export function shownAs(def: KindDef, { kind }: KubeObject): KindDef {
  return kind === 'Scale' ? { ...def, kind, columns: scaleColumns } : def;
}

const [nameColumn, ageColumn] = defaultColumns as [Column, Column];

const scaleColumns: readonly Column[] = [
  nameColumn,
  replicasColumn('Desired', 'The number that is wanted.', 'spec'),
  replicasColumn('Available', 'The number that there is.', 'status'),
  ageColumn,
];

function replicasColumn(name: string, description: string, part: 'spec' | 'status'): Column {
  const value = (object: KubeObject): number =>
    (object as unknown as Partial<Record<string, { replicas?: number }>>)[part]?.replicas ?? 0;
  return { name, type: 'integer', description, priority: 0, value };
}

function columnsOf({ columns }: KindDef): readonly Column[] {
  return columns.length > 0 ? columns : defaultColumns;
}

/** The object's metadata alone. */
export function partialOf({ metadata }: KubeObject, apiVersion = metaV1): object {
  return { kind: 'PartialObjectMetadata', apiVersion, metadata };
}

const metaV1 = 'meta.k8s.io/v1';
