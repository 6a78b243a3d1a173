import { ageOf } from '../../../shared/kinds/age.ts';
import type { Column, KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';

/** What each row carries of its object (`includeObject`). */
export type Include = 'None' | 'Metadata' | 'Object';

/** For kinds that have no columns of their own. */
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

/** Objects as the `Table` of meta.k8s.io/v1 that kubectl prints. `now`: milliseconds since the epoch, for ages. */
export function tableOf(
  def: KindDef,
  objects: readonly KubeObject[],
  metadata: object,
  include: Include,
  now: number,
  withColumns = true,
): object {
  const columns = def.columns.length > 0 ? def.columns : defaultColumns;
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: withColumns
      ? columns.map(({ name, type, format = '', description, priority }) => ({
          name,
          type,
          format,
          description,
          priority,
        }))
      : [],
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.value(object, now)),
      ...(include === 'None' ? {} : { object: include === 'Object' ? object : partialOf(object) }),
    })),
  };
}

/** The object's metadata alone. */
export function partialOf({ metadata }: KubeObject): object {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata };
}
