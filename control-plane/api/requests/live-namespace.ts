import type { Namespace } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { objectKey } from '../../store/keys.ts';
import type { State } from './codec.ts';
import type { Core } from './core.ts';
import { forbidden, notFound } from './refusals.ts';

/** The namespace that a new object belongs to. Throws NotFound, or Forbidden when the namespace is being deleted. */
export async function liveNamespace(core: Core, def: KindDef, { metadata }: KubeObject): Promise<State | undefined> {
  const { name, namespace } = metadata;
  if (!namespace) return undefined;
  const entry = core.kind('Namespace');
  const cached = core.cached(entry, undefined, namespace);
  if (cached && !isTerminating(cached.object)) return cached;
  // The cache may not show yet that the namespace was created.
  const state = await core.fresh(objectKey(entry, undefined, namespace));
  return checkNamespace(def, name, namespace, state);
}

/** Throws NotFound, or Forbidden when the namespace is being deleted. */
export function checkNamespace(def: KindDef, name: string, namespace: string, state: State | undefined): State {
  if (!state) throw notFound({ plural: 'namespaces', group: '' }, namespace);
  if (!isTerminating(state.object)) return state;
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  const message = `namespace ${namespace} is being terminated`;
  throw forbidden(def, name, why, { reason: 'NamespaceTerminating', field: 'metadata.namespace', message });
}

function isTerminating(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined || (object as Namespace).status?.phase === 'Terminating';
}
