import type { Container, PodTemplateSpec } from '../../generated/types.ts';
import type { KubeObject } from '../../object.ts';
import type { Column } from '../kind.ts';
import { ageOf } from './age.ts';

/** The columns that kinds share, and short ways to write the others. */

export const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'The name of the object, unique among its kind in its namespace.',
  priority: 0,
  value: (object) => object.metadata.name,
};

export const ageColumn: Column = {
  name: 'Age',
  type: 'string',
  description: 'How long ago the object was created.',
  priority: 0,
  value: (object, now) => ageOf(object.metadata.creationTimestamp, now),
};

/** The columns of a kind that has none of its own. */
export const createdAtColumn: Column = {
  name: 'Created At',
  type: 'date',
  description: 'When the object was created.',
  priority: 0,
  value: (object) => object.metadata.creationTimestamp ?? '',
};

/** A column that is always shown. */
export function text<T extends KubeObject>(
  name: string,
  description: string,
  value: (object: T, now: number) => string,
): Column<T> {
  return { name, type: 'string', description, priority: 0, value };
}

export function count<T extends KubeObject>(
  name: string,
  description: string,
  value: (object: T) => number,
): Column<T> {
  return { name, type: 'integer', description, priority: 0, value };
}

export function flag<T extends KubeObject>(
  name: string,
  description: string,
  value: (object: T) => boolean,
): Column<T> {
  return { name, type: 'boolean', description, priority: 0, value };
}

/** A column of -o wide. */
export function wide<T extends KubeObject>(name: string, description: string, value: (object: T) => string): Column<T> {
  return { name, type: 'string', description, priority: 1, value };
}

/** The containers of a template, with -o wide. */
export function templateColumns<T extends KubeObject>(
  templateOf: (object: T) => PodTemplateSpec | undefined,
): [Column<T>, Column<T>] {
  const list = (object: T, part: (container: Container) => string | undefined): string =>
    (templateOf(object)?.spec?.containers ?? []).map((container) => part(container) ?? '').join(',');
  return [
    wide('Containers', 'The names of the containers in the template.', (object) => list(object, ({ name }) => name)),
    wide('Images', 'The images that the containers in the template run.', (object) =>
      list(object, ({ image }) => image),
    ),
  ];
}

/** Labels as kubectl shows them, sorted; `<none>` when there are none. */
export function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length > 0 ? pairs.sort().join(',') : '<none>';
}
