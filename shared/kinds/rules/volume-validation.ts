import type {
  DownwardAPIVolumeFile,
  KeyToPath,
  LocalObjectReference,
  PodSpec,
  ProjectedVolumeSource,
  StatusCause,
  Volume,
  VolumeProjection,
} from '../../generated/types.ts';
import { parseQuantity } from '../../quantity.ts';
import { forbidden, invalid, required } from '../../schema/causes.ts';
import { validateFieldPath, validateResourceName } from './container-validation.ts';

/** The rules of a pod's volumes, in the words of Kubernetes' core validation. `field`: the path of the pod's spec. */
export function validateVolumes(spec: PodSpec, field: string, causes: StatusCause[]): void {
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    validateVolume(volume, `${field}.volumes[${index}]`, causes);
  }
}

function validateVolume(volume: Volume, field: string, causes: StatusCause[]): void {
  const { name: _name, ...sources } = volume;
  const [first, ...others] = Object.keys(sources);
  if (first === undefined) causes.push(required(field, 'must specify a volume type'));
  for (const extra of others) causes.push(forbidden(`${field}.${extra}`, 'may not specify more than 1 volume type'));
  const { hostPath, emptyDir, configMap, secret, downwardAPI, projected, image, ephemeral } = sources;
  if (image && !image.reference) causes.push(required(`${field}.image.reference`));
  if (ephemeral && !ephemeral.volumeClaimTemplate) causes.push(required(`${field}.ephemeral.volumeClaimTemplate`));
  if (hostPath?.path?.split('/').includes('..')) {
    causes.push(invalid(`${field}.hostPath.path`, hostPath.path, "must not contain '..'"));
  }
  if (emptyDir?.sizeLimit !== undefined && parseQuantity(emptyDir.sizeLimit).nanos < 0n) {
    const path = `${field}.emptyDir.sizeLimit`;
    causes.push(forbidden(path, 'SizeLimit field must be a valid resource quantity'));
  }
  if (configMap) {
    requireName(configMap, `${field}.configMap`, causes);
    validateMode(configMap.defaultMode, `${field}.configMap.defaultMode`, causes);
    validateItems(configMap.items, `${field}.configMap.items`, causes);
  }
  if (secret) {
    if (!secret.secretName) causes.push(required(`${field}.secret.secretName`));
    validateMode(secret.defaultMode, `${field}.secret.defaultMode`, causes);
    validateItems(secret.items, `${field}.secret.items`, causes);
  }
  if (downwardAPI) {
    validateMode(downwardAPI.defaultMode, `${field}.downwardAPI.defaultMode`, causes);
    validateFiles(downwardAPI.items, `${field}.downwardAPI.items`, causes);
  }
  if (projected) validateProjected(projected, `${field}.projected`, causes);
}

function validateProjected(
  { defaultMode, sources }: ProjectedVolumeSource,
  field: string,
  causes: StatusCause[],
): void {
  validateMode(defaultMode, `${field}.defaultMode`, causes);
  for (const [index, source] of (sources ?? []).entries()) {
    validateProjection(source, `${field}.sources[${index}]`, causes);
  }
}

function validateProjection(source: VolumeProjection, field: string, causes: StatusCause[]): void {
  const [first, ...others] = Object.keys(source);
  if (first === undefined) causes.push(required(field, 'must specify a volume type'));
  for (const extra of others) causes.push(forbidden(`${field}.${extra}`, 'may not specify more than 1 volume type'));
  const { configMap, secret, downwardAPI, clusterTrustBundle } = source;
  if (clusterTrustBundle) {
    causes.push(forbidden(`${field}.clusterTrustBundle`, 'may not be used: this cluster has no ClusterTrustBundles'));
  }
  if (configMap) {
    requireName(configMap, `${field}.configMap`, causes);
    validateItems(configMap.items, `${field}.configMap.items`, causes);
  }
  if (secret) {
    requireName(secret, `${field}.secret`, causes);
    validateItems(secret.items, `${field}.secret.items`, causes);
  }
  if (downwardAPI) validateFiles(downwardAPI.items, `${field}.downwardAPI.items`, causes);
}

function requireName(reference: LocalObjectReference, field: string, causes: StatusCause[]): void {
  if (!reference.name) causes.push(required(`${field}.name`));
}

function validateItems(items: readonly KeyToPath[] | undefined, field: string, causes: StatusCause[]): void {
  for (const [index, { mode }] of (items ?? []).entries()) validateMode(mode, `${field}[${index}].mode`, causes);
}

const volumeFields: ReadonlySet<string> = new Set([
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
]);

function validateFiles(
  files: readonly DownwardAPIVolumeFile[] | undefined,
  field: string,
  causes: StatusCause[],
): void {
  for (const [index, { fieldRef, resourceFieldRef, mode }] of (files ?? []).entries()) {
    const path = `${field}[${index}]`;
    if (!fieldRef && !resourceFieldRef) causes.push(required(path, 'one of fieldRef and resourceFieldRef is required'));
    if (fieldRef && resourceFieldRef) {
      causes.push(invalid(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
    }
    if (fieldRef) validateFieldPath(fieldRef.fieldPath, volumeFields, `${path}.fieldRef.fieldPath`, causes);
    if (resourceFieldRef) {
      validateResourceName(resourceFieldRef.resource, `${path}.resourceFieldRef.resource`, causes);
      if (!resourceFieldRef.containerName) causes.push(required(`${path}.resourceFieldRef.containerName`));
    }
    validateMode(mode, `${path}.mode`, causes);
  }
}

function validateMode(mode: number | undefined, field: string, causes: StatusCause[]): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777)) {
    causes.push(invalid(field, mode, 'must be a number between 0 and 0777 (octal), both inclusive'));
  }
}
