import { isDeepStrictEqual } from 'node:util';
import type { PersistentVolumeClaim } from '../../generated/types.ts';
import { compareQuantities } from '../../quantity.ts';
import { forbidden } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { classNameOf } from '../../storage/claims.ts';
import { ageColumn, nameColumn, text, wide } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { defaultClaimSpec, formatAccessModes, validateClaimSpec } from '../rules/claim-spec.ts';
import { claimSizeWarnings } from '../warnings/amounts.ts';
import { classAdvice, classAnnotation } from '../warnings/class-annotation.ts';

export const persistentVolumeClaim: Behaviour<PersistentVolumeClaim> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Status', 'The phase of the claim, or Terminating.', ({ metadata, status }) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    text('Volume', 'The bound volume.', ({ spec }) => spec.volumeName ?? ''),
    text('Capacity', 'The capacity of the volume.', ({ spec, status }) =>
      spec.volumeName ? (status?.capacity?.storage ?? '0') : '',
    ),
    text('Access Modes', 'The access modes of the volume.', ({ spec, status }) =>
      spec.volumeName ? formatAccessModes(status?.accessModes) : '',
    ),
    text('StorageClass', 'The requested storage class.', classNameOf),
    text('VolumeAttributesClass', 'The volume attributes class.', ({ spec }) => {
      return spec.volumeAttributesClassName ?? '<unset>';
    }),
    ageColumn as Column<PersistentVolumeClaim>,
    wide('VolumeMode', 'A file system, or a raw device.', ({ spec }) => spec.volumeMode ?? '<unset>'),
  ],
  strategy: {
    generation: 'none',
    deletion: { answer: 'object' },
    default({ spec }) {
      if (spec) defaultClaimSpec(spec);
    },
    prepareCreate(object) {
      object.status = { phase: 'Pending' };
    },
    validate({ spec }, causes) {
      if (spec) validateClaimSpec(spec, 'spec', causes);
    },
    validateUpdate({ spec, status }, { spec: old, status: was }, causes) {
      const bound = status?.phase === 'Bound';
      // Binding sets the volume's name; a bound claim may be expanded and change its attributes class.
      const next = {
        ...spec,
        ...(old.volumeName ? {} : { volumeName: old.volumeName }),
        // A claim without a class gets the default one when there is one.
        ...(old.storageClassName === undefined && !bound ? { storageClassName: undefined } : {}),
      };
      const { resources, volumeAttributesClassName, ...fixed } = next;
      const { resources: had, volumeAttributesClassName: hadClass, ...fixedBefore } = old;
      const same = (one: unknown, other: unknown): boolean => isDeepStrictEqual(plain(one), plain(other));
      const sizes = bound ? same(resources?.limits, had?.limits) : same(resources, had);
      if (!same(fixed, fixedBefore) || !sizes || (!bound && volumeAttributesClassName !== hadClass)) {
        const why =
          'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
        causes.push(forbidden('spec', why));
      }
      const [size, before] = [resources?.requests?.storage, had?.requests?.storage];
      if (size === undefined || before === undefined || compareQuantities(size, before) >= 0) return;
      if (compareQuantities(size, was?.capacity?.storage ?? before) <= 0) {
        causes.push(forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'));
      }
    },
    warnings: ({ metadata, spec }) => [
      ...(metadata.annotations?.[classAnnotation] === undefined ? [] : [classAdvice]),
      ...claimSizeWarnings(spec, 'spec'),
    ],
  },
};

/** Without fields that have no value. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
