import { isDeepStrictEqual } from 'node:util';
import { formatTime } from '../../clock.ts';
import { messages } from '../../generated/schema.ts';
import type { PersistentVolume, PersistentVolumeSpec, StatusCause } from '../../generated/types.ts';
import { compareQuantities } from '../../quantity.ts';
import { forbidden, invalid, notSupported, required } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { classNameOf } from '../../storage/claims.ts';
import { ageColumn, nameColumn, text, wide } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import {
  formatAccessModes,
  validateAccessModes,
  validateStorageClassName,
  validateVolumeMode,
} from '../rules/claim-spec.ts';
import { classAdvice, classAnnotation } from '../warnings/class-annotation.ts';
import { termWarnings } from '../warnings/node-labels.ts';

/** The volume sources: one field each. */
const sources = Object.keys(messages['k8s.io.api.core.v1.PersistentVolumeSource']?.fields ?? {});

export const persistentVolume: Behaviour<PersistentVolume> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Capacity', 'The capacity of the volume.', ({ spec }) => spec.capacity?.storage ?? '0'),
    text('Access Modes', 'The access modes.', ({ spec }) => formatAccessModes(spec.accessModes)),
    text('Reclaim Policy', 'What happens to the volume when its claim is deleted.', ({ spec }) => {
      return spec.persistentVolumeReclaimPolicy ?? '';
    }),
    text('Status', 'The phase of the volume, or Terminating.', ({ metadata, status }) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    text('Claim', 'The bound claim.', ({ spec: { claimRef } }) =>
      claimRef ? `${claimRef.namespace ?? ''}/${claimRef.name ?? ''}` : '',
    ),
    text('StorageClass', 'The storage class.', classNameOf),
    text('VolumeAttributesClass', 'The volume attributes class.', ({ spec }) => {
      return spec.volumeAttributesClassName ?? '<unset>';
    }),
    text('Reason', 'The reason for the status.', ({ status }) => status?.reason ?? ''),
    ageColumn as Column<PersistentVolume>,
    wide('VolumeMode', 'A file system, or a raw device.', ({ spec }) => spec.volumeMode ?? '<unset>'),
  ],
  strategy: {
    generation: 'none',
    deletion: { answer: 'object' },
    prepareCreate(object) {
      object.status = { phase: 'Pending', lastPhaseTransitionTime: object.metadata.creationTimestamp };
    },
    parts: {
      status: {
        prepare({ status }, { status: old }, now) {
          if (!status || status.phase === old?.phase) return;
          if (status.lastPhaseTransitionTime === old?.lastPhaseTransitionTime) {
            status.lastPhaseTransitionTime = formatTime(now);
          }
        },
      },
    },
    validate({ spec }, causes) {
      if (spec) validateSpec(spec, causes);
    },
    validateUpdate({ spec }, { spec: old }, causes) {
      if (!isDeepStrictEqual(sourceOf(spec), sourceOf(old))) {
        const why = 'spec.persistentvolumesource is immutable after creation';
        causes.push(forbidden('spec.persistentvolumesource', why));
      }
      if (spec.volumeMode !== old.volumeMode) {
        causes.push(invalid('spec.volumeMode', spec.volumeMode ?? null, 'field is immutable'));
      }
      if (old.nodeAffinity && !isDeepStrictEqual(spec.nodeAffinity, old.nodeAffinity)) {
        causes.push(invalid('spec.nodeAffinity', spec.nodeAffinity ?? null, 'field is immutable'));
      }
    },
    warnings: volumeWarnings,
  },
};

function validateSpec(spec: PersistentVolumeSpec, causes: StatusCause[]): void {
  const { accessModes = [], capacity = {}, hostPath, local, nodeAffinity, persistentVolumeReclaimPolicy } = spec;
  if (accessModes.length === 0) causes.push(required('spec.accessModes'));
  validateAccessModes(accessModes, 'spec.accessModes', causes);
  const resources = Object.keys(capacity);
  if (resources.length === 0) causes.push(required('spec.capacity'));
  else if (resources.length > 1 || capacity.storage === undefined) {
    causes.push(notSupported('spec.capacity', capacity, ['storage']));
  }
  for (const [name, amount] of Object.entries(capacity)) {
    if (compareQuantities(amount, '0') > 0) continue;
    causes.push(invalid(`spec.capacity[${name}]`, amount, 'must be greater than zero'));
  }
  const [first, ...others] = sources.filter((source) => spec[source as keyof PersistentVolumeSpec] !== undefined);
  if (first === undefined) causes.push(required('spec', 'must specify a volume type'));
  for (const extra of others) causes.push(forbidden(`spec.${extra}`, 'may not specify more than 1 volume type'));
  if (hostPath?.path?.split('/').includes('..')) {
    causes.push(invalid('spec.hostPath.path', hostPath.path, "must not contain '..'"));
  }
  if (hostPath?.path === '/' && persistentVolumeReclaimPolicy === 'Recycle') {
    const why = "may not be 'recycle' for a hostPath mount of '/'";
    causes.push(forbidden('spec.persistentVolumeReclaimPolicy', why));
  }
  if (local && !nodeAffinity?.required)
    causes.push(required('spec.nodeAffinity', 'Local volume requires node affinity'));
  validateStorageClassName(spec.storageClassName, 'spec.storageClassName', causes);
  validateVolumeMode(spec.volumeMode, 'spec.volumeMode', causes);
}

function sourceOf(spec: PersistentVolumeSpec): Record<string, unknown> {
  return Object.fromEntries(Object.entries(spec).filter(([name]) => sources.includes(name)));
}

function volumeWarnings({ metadata, spec }: PersistentVolume): string[] {
  const found: string[] = [];
  const mountOptions = 'volume.beta.kubernetes.io/mount-options';
  if (metadata.annotations?.[classAnnotation] !== undefined) found.push(classAdvice);
  if (metadata.annotations?.[mountOptions] !== undefined) {
    const advice = 'deprecated since v1.31; use "mountOptions" attribute instead';
    found.push(`metadata.annotations[${mountOptions}]: ${advice}`);
  }
  if (spec.persistentVolumeReclaimPolicy === 'Recycle') {
    const advice =
      'The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.';
    found.push(`spec.persistentVolumeReclaimPolicy: ${advice}`);
  }
  for (const [index, term] of (spec.nodeAffinity?.required?.nodeSelectorTerms ?? []).entries()) {
    found.push(...termWarnings(term, `spec.nodeAffinity.required.nodeSelectorTerms[${index}]`));
  }
  const sources: readonly (readonly [keyof typeof spec, string, string])[] = [
    ['cephfs', 'v1.28', 'v1.31+'],
    ['photonPersistentDisk', 'v1.11', 'v1.16+'],
    ['scaleIO', 'v1.16', 'v1.22+'],
    ['storageos', 'v1.22', 'v1.25+'],
    ['glusterfs', 'v1.25', 'v1.26+'],
    ['flocker', 'v1.22', 'v1.25+'],
    ['quobyte', 'v1.22', 'v1.25+'],
    ['rbd', 'v1.28', 'v1.31+'],
  ];
  const source = sources.find(([name]) => spec[name] !== undefined);
  if (source) {
    const [name, since, until] = source;
    found.push(`spec.${name === 'storageos' ? 'storageOS' : name}: deprecated in ${since}, non-functional in ${until}`);
  }
  return found;
}
