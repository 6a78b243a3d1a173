import type { DeleteOptions, ObjectMeta } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { conflict, modified } from './refusals.ts';

/** The uid and the version that an update names must be those of the object. Throws Conflict. */
export function checkPreconditions(
  def: KindDef,
  current: ObjectMeta,
  wanted: { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined },
): void {
  if (wanted.uid && wanted.uid !== current.uid) {
    const why = `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${current.uid}`;
    throw conflict(def, current.name, why);
  }
  const version = wanted.resourceVersion;
  if (version && version !== '0' && version !== current.resourceVersion) throw modified(def, current.name);
}

/** The same for the preconditions of a deletion, which Kubernetes refuses in other words. Throws Conflict. */
export function checkDeletePreconditions(
  def: KindDef,
  { metadata }: KubeObject,
  { preconditions }: DeleteOptions,
): void {
  const { uid, resourceVersion } = preconditions ?? {};
  const resource = { plural: def.kind, group: def.group };
  if (uid !== undefined && uid !== metadata.uid) {
    const why = `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`;
    throw conflict(resource, metadata.name, why);
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    const why = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`;
    throw conflict(resource, metadata.name, why);
  }
}
