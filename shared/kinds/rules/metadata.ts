import type { ObjectMeta, OwnerReference, StatusCause } from '../../generated/types.ts';
import { forbidden, invalid, required, tooLong } from '../../schema/causes.ts';
import { type Format, isDnsLabel, isLabelValue, isQualifiedName } from '../../schema/formats.ts';
import { withoutEnding } from '../../text.ts';

/** The rules of all kinds' metadata, in the words of apimachinery's object validation. */
export interface MetadataRules {
  readonly namespaced: boolean;
  /** The format of the kind's names. */
  readonly name: Format;
}

/** The most bytes of an object's annotations, keys and values. */
const annotationLimit = 256 * 1024;

/** The most faults for several controllers of an object. */
const maxReported = 4;

/** Kubernetes' finalizers without a domain. */
const plainFinalizers: ReadonlySet<string> = new Set(['kubernetes', 'orphan', 'foregroundDeletion']);

export function validateMetadata(metadata: ObjectMeta, rules: MetadataRules, causes: StatusCause[]): void {
  const { name, generateName, namespace, labels, annotations, ownerReferences, finalizers = [] } = metadata;
  if (generateName) {
    // A suffix is appended: a trailing dash is no fault.
    const fault = rules.name(generateName.endsWith('-') ? `${withoutEnding(generateName, '-')}a` : generateName);
    if (fault) causes.push(invalid('metadata.generateName', generateName, fault));
  }
  if (!name) {
    causes.push(required('metadata.name', 'name or generateName is required'));
  } else {
    const fault = rules.name(name);
    if (fault) causes.push(invalid('metadata.name', name, fault));
  }
  if (!rules.namespaced) {
    if (namespace) causes.push(forbidden('metadata.namespace', 'not allowed on this type'));
  } else if (!namespace) {
    causes.push(required('metadata.namespace'));
  } else {
    const fault = isDnsLabel(namespace);
    if (fault) causes.push(invalid('metadata.namespace', namespace, fault));
  }
  if (labels) validateLabels(labels, 'metadata.labels', causes);
  if (annotations) validateAnnotations(annotations, 'metadata.annotations', causes);
  if (ownerReferences) validateOwners(ownerReferences, causes);
  for (const finalizer of finalizers) {
    const fault = isQualifiedName(finalizer) ?? plainFinalizerFault(finalizer);
    if (fault) causes.push(invalid('metadata.finalizers', finalizer, fault));
  }
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    const fault = 'finalizer orphan and foregroundDeletion cannot be both set';
    causes.push(invalid('metadata.finalizers', finalizers, fault));
  }
}

export function validateLabels(labels: Readonly<Record<string, string>>, field: string, causes: StatusCause[]): void {
  for (const [key, value] of Object.entries(labels)) {
    const keyFault = isQualifiedName(key);
    if (keyFault) causes.push(invalid(field, key, keyFault));
    const valueFault = isLabelValue(value);
    if (valueFault) causes.push(invalid(field, value, valueFault));
  }
}

export function validateAnnotations(
  annotations: Readonly<Record<string, string>>,
  field: string,
  causes: StatusCause[],
): void {
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
    const fault = isQualifiedName(key.toLowerCase());
    if (fault) causes.push(invalid(field, key, fault));
  }
  if (size > annotationLimit) causes.push(tooLong(field, annotationLimit));
}

function validateOwners(owners: readonly OwnerReference[], causes: StatusCause[]): void {
  const field = 'metadata.ownerReferences';
  let controller: string | undefined;
  let reported = 0;
  for (const [index, { apiVersion, kind, name, controller: controls }] of owners.entries()) {
    if (apiVersion && !/^([^/]+\/)?[^/]+$/.test(apiVersion)) {
      const fault = 'must be <group>/<version> or <version>';
      causes.push(invalid(`${field}[${index}].apiVersion`, apiVersion, fault));
    }
    if (apiVersion === 'v1' && kind === 'Event') {
      causes.push(
        invalid(`${field}[${index}]`, { apiVersion, kind, name }, '/v1, Kind=Event is disallowed from being an owner'),
      );
    }
    if (!controls) continue;
    const called = `${kind}/${name}`;
    if (controller) {
      // Each fault lists all of them.
      if (++reported > maxReported) break;
      const fault = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${called}`;
      causes.push(invalid(field, owners, fault));
    }
    controller ??= called;
  }
}

function plainFinalizerFault(finalizer: string): string | undefined {
  if (finalizer.includes('/') || plainFinalizers.has(finalizer)) return undefined;
  return 'name is neither a standard finalizer name nor is it fully qualified';
}
