import { stringify } from 'yaml';
import type { Column, KindDef } from '../../shared/kinds/kind.ts';
import type { KubeObject } from '../../shared/object.ts';

export interface TableStyle {
  readonly wide: boolean;
  readonly showNamespace: boolean;
  readonly showLabels: boolean;
  /** `pod/web` instead of `web`, when several kinds are shown. */
  readonly showKind: boolean;
}

/** The header and the cells of a kind's objects, as the server's tables have them. `now`: milliseconds since the epoch. */
export function tableOf(
  def: KindDef,
  objects: readonly KubeObject[],
  style: TableStyle,
  now: number,
): { headers: string[]; rows: string[][] } {
  const columns = def.columns.filter(({ priority }) => priority === 0 || style.wide);
  const headers = columns.map(({ name }) => name.toUpperCase());
  const namespaces = style.showNamespace && def.namespaced;
  const rows = objects.map((object) => [
    ...(namespaces ? [object.metadata.namespace ?? ''] : []),
    ...columns.map((column) => cellOf(column, object, now, style.showKind ? def : undefined)),
    ...(style.showLabels ? [pairs(object.metadata.labels) || '<none>'] : []),
  ]);
  if (namespaces) headers.unshift('NAMESPACE');
  if (style.showLabels) headers.push('LABELS');
  return { headers, rows };
}

function cellOf(column: Column, object: KubeObject, now: number, qualify: KindDef | undefined): string {
  const value = String(column.value(object, now));
  const cell = value === '' ? '<none>' : value;
  return qualify && column.format === 'name' ? `${resourceName(qualify)}/${cell}` : cell;
}

/** `pod`, `deployment.apps`: the kind in messages of commands. */
export function resourceName({ singular, group }: Pick<KindDef, 'singular' | 'group'>): string {
  return group ? `${singular}.${group}` : singular;
}

/** `pod/web`, `deployment.apps/web` */
export function qualifiedName(def: Pick<KindDef, 'singular' | 'group'>, name: string): string {
  return `${resourceName(def)}/${name}`;
}

/** One object, or a `List` of several. managedFields are left out. */
export function renderDocument(objects: readonly KubeObject[], format: 'json' | 'yaml', single: boolean): string {
  const shown = objects.map(withoutManagedFields);
  const document = single
    ? shown[0]
    : { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items: shown };
  return format === 'json'
    ? `${JSON.stringify(document, undefined, 4)}\n`
    : stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });
}

function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _fields, ...metadata } = object.metadata;
  return { ...object, metadata };
}

export function pairs(map: Readonly<Record<string, string>> | undefined, separator = ','): string {
  return Object.entries(map ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(separator);
}
