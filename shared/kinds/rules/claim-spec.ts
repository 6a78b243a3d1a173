import type { PersistentVolumeClaimSpec, StatusCause } from '../../generated/types.ts';
import { compareQuantities } from '../../quantity.ts';
import { forbidden, invalid, notSupported, required } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { validateLabelSelector } from '../../selector.ts';

/** The rules that claims, claim templates and volumes share. */

const accessModes: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};
const volumeModes = ['Block', 'Filesystem'];

/** As kubectl shows them: `RWO,RWX`. */
export function formatAccessModes(modes: readonly string[] | undefined): string {
  const shown = Object.keys(accessModes).filter((mode) => modes?.includes(mode));
  return shown.map((mode) => accessModes[mode]).join(',');
}

export function defaultClaimSpec(spec: PersistentVolumeClaimSpec): void {
  spec.volumeMode ??= 'Filesystem';
  // dataSourceRef is the newer field of the two, and allows more kinds.
  if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = { ...spec.dataSource };
  else if (spec.dataSourceRef && !spec.dataSource && !spec.dataSourceRef.namespace) {
    const { namespace: _namespace, ...same } = spec.dataSourceRef;
    spec.dataSource = same;
  }
}

/** `field`: the path of the spec. */
export function validateClaimSpec(spec: PersistentVolumeClaimSpec, field: string, causes: StatusCause[]): void {
  if (!spec.accessModes?.length) causes.push(required(`${field}.accessModes`, 'at least 1 access mode is required'));
  if (spec.selector) validateLabelSelector(spec.selector, `${field}.selector`, causes);
  validateAccessModes(spec.accessModes, `${field}.accessModes`, causes);
  const size = spec.resources?.requests?.storage;
  if (size === undefined) causes.push(required(`${field}.resources[storage]`));
  else if (compareQuantities(size, '0') <= 0) {
    causes.push(invalid(`${field}.resources[storage]`, size, 'must be greater than zero'));
  }
  validateStorageClassName(spec.storageClassName, `${field}.storageClassName`, causes);
  validateVolumeMode(spec.volumeMode, `${field}.volumeMode`, causes);
  for (const part of ['dataSource', 'dataSourceRef'] as const) {
    const source = spec[part];
    if (!source?.kind || source.apiGroup || source.kind === 'PersistentVolumeClaim') continue;
    const why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
    causes.push(invalid(`${field}.${part}`, source.kind, why));
  }
}

export function validateAccessModes(modes: readonly string[] = [], field: string, causes: StatusCause[]): void {
  for (const mode of modes) {
    if (!Object.hasOwn(accessModes, mode)) causes.push(notSupported(field, mode, Object.keys(accessModes)));
  }
  if (modes.includes('ReadWriteOncePod') && modes.some((mode) => mode !== 'ReadWriteOncePod')) {
    causes.push(forbidden(field, 'may not use ReadWriteOncePod with other access modes'));
  }
}

export function validateStorageClassName(name: string | undefined, field: string, causes: StatusCause[]): void {
  const fault = name && isDnsSubdomain(name);
  if (fault) causes.push(invalid(field, name, fault));
}

export function validateVolumeMode(mode: string | undefined, field: string, causes: StatusCause[]): void {
  if (mode !== undefined && !volumeModes.includes(mode)) causes.push(notSupported(field, mode, volumeModes));
}
