import type { Status } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';

/** The Status that answers the deletion of an object. */
export function deletedStatus(def: KindDef, { metadata: { name, uid } }: KubeObject): Status {
  const group = def.group ? { group: def.group } : {};
  return success({ name, ...group, kind: def.plural, uid });
}

/** The Status of a create that has an effect and makes no object. */
export function createdStatus(): Status {
  return { ...success(), code: 201 };
}

function success(details?: Status['details']): Status {
  const head = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
  return details ? { ...head, details } : head;
}
