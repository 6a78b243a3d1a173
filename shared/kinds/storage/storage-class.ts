import { isDeepStrictEqual } from 'node:util';
import type { StatusCause, StorageClass, TopologySelectorTerm } from '../../generated/types.ts';
import { duplicate, forbidden, invalid, tooLong } from '../../schema/causes.ts';
import { isDnsSubdomain, isLabelValue, isQualifiedName } from '../../schema/formats.ts';
import { ageColumn, flag, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { repeats } from '../rules/repeats.ts';
import { labelAdvice } from '../warnings/node-labels.ts';

/** The annotation of the default class. */
export const defaultClassAnnotation = 'storageclass.kubernetes.io/is-default-class';
const oldDefaultAnnotation = 'storageclass.beta.kubernetes.io/is-default-class';

/** The most parameters, and their most bytes in total. */
const maxParameters = 512;
const maxParameterSize = 256 * 1024;

export function isDefaultClass({ metadata: { annotations = {} } }: StorageClass): boolean {
  return annotations[defaultClassAnnotation] === 'true' || annotations[oldDefaultAnnotation] === 'true';
}

/** The class of claims that name none: the newest of the default ones; of equal age the first by name. */
export function defaultClassOf(classes: Iterable<StorageClass>): StorageClass | undefined {
  let newest: StorageClass | undefined;
  for (const one of classes) if (isDefaultClass(one) && (!newest || comesBefore(one, newest))) newest = one;
  return newest;
}

function comesBefore({ metadata: a }: StorageClass, { metadata: b }: StorageClass): boolean {
  const [one, other] = [a.creationTimestamp ?? '', b.creationTimestamp ?? ''];
  return one === other ? a.name < b.name : one > other;
}

export const storageClass: Behaviour<StorageClass> = {
  nameFormat: isDnsSubdomain,
  columns: [
    {
      ...nameColumn,
      value: (object: StorageClass) => object.metadata.name + (isDefaultClass(object) ? ' (default)' : ''),
    },
    text('Provisioner', 'The provisioner of the volumes.', ({ provisioner }) => provisioner),
    text('ReclaimPolicy', 'What happens to a volume when its claim is deleted.', ({ reclaimPolicy }) => {
      return reclaimPolicy ?? 'Delete';
    }),
    text(
      'VolumeBindingMode',
      'When volumes are provisioned and bound.',
      ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate',
    ),
    flag(
      'AllowVolumeExpansion',
      'Whether volumes can be expanded.',
      ({ allowVolumeExpansion }) => !!allowVolumeExpansion,
    ),
    ageColumn as Column<StorageClass>,
  ],
  strategy: {
    deletion: { answer: 'object' },
    validate({ provisioner, parameters = {}, allowedTopologies = [] }, causes) {
      const fault = provisioner && isQualifiedName(provisioner.toLowerCase());
      if (fault) causes.push(invalid('provisioner', provisioner.toLowerCase(), fault));
      validateParameters(parameters, causes);
      validateTopologies(allowedTopologies, causes);
    },
    validateUpdate(object, old, causes) {
      for (const name of ['parameters', 'provisioner', 'reclaimPolicy'] as const) {
        const [now, before] = [object[name], old[name]];
        if (!isDeepStrictEqual(now ?? {}, before ?? {})) {
          causes.push(forbidden(name, `updates to ${name} are forbidden.`));
        }
      }
    },
    warnings: classWarnings,
  },
};

function validateParameters(parameters: Readonly<Record<string, string>>, causes: StatusCause[]): void {
  const pairs = Object.entries(parameters);
  if (pairs.length > maxParameters) {
    causes.push(tooLong('parameters', maxParameters));
    return;
  }
  let size = 0;
  for (const [key, value] of pairs) {
    if (key === '') causes.push(invalid('parameters', key, 'field can not be empty.'));
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (size > maxParameterSize) causes.push(tooLong('parameters', maxParameterSize));
}

function validateTopologies(terms: readonly TopologySelectorTerm[], causes: StatusCause[]): void {
  const seen = new Set<string>();
  for (const [index, { matchLabelExpressions = [] }] of terms.entries()) {
    const field = `allowedTopologies[${index}].matchLabelExpressions`;
    const keys = new Map<string, string[]>();
    for (const [at, { key, values = [] }] of matchLabelExpressions.entries()) {
      const repeated = repeats(values);
      for (const [position, value] of values.entries()) {
        const fault = isLabelValue(value);
        if (fault) causes.push(invalid(`${field}[${at}].values[${position}]`, value, fault));
        if (repeated.has(position)) causes.push(duplicate(`${field}[${at}].values[${position}]`, value));
      }
      const fault = key && isQualifiedName(key);
      if (fault) causes.push(invalid(`${field}[${at}].key`, key, fault));
      if (keys.has(key)) causes.push(duplicate(`${field}[${at}].key`, key));
      keys.set(key, values.toSorted());
    }
    const identity = JSON.stringify([...keys].sort());
    if (seen.has(identity)) causes.push(duplicate(field, ''));
    seen.add(identity);
  }
}

function classWarnings({ allowedTopologies = [] }: StorageClass): string[] {
  return allowedTopologies.flatMap(({ matchLabelExpressions = [] }, index) =>
    matchLabelExpressions.flatMap(({ key }, at) => {
      const advice = labelAdvice(key);
      return advice ? [`allowedTopologies[${index}].matchLabelExpressions[${at}].key: ${advice}`] : [];
    }),
  );
}
