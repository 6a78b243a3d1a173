import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { Subresource } from '../../../shared/kinds/table.ts';
import { warningsOf } from '../../../shared/kinds/warnings/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { objectKey } from '../../store/keys.ts';
import type { Item } from '../../store/store.ts';
import { type Charges, chargesOf } from '../admission/charges.ts';
import type { Admission } from '../admission/plugin.ts';
import type { RequestContext } from '../api.ts';
import { decodeItem } from './codec.ts';
import { backOff, commit } from './commit.ts';
import { isReadyToGo } from './deletion.ts';
import { modified, notFound } from './refusals.ts';
import type { WriteCore } from './write-core.ts';

const maxTries = 1_000;

/** What an update makes of the present state. */
export type Change =
  | { readonly type: 'put'; readonly object: KubeObject }
  | { readonly type: 'remove' }
  | { readonly type: 'none' };

export interface Outcome {
  readonly object: KubeObject;
  readonly removed: boolean;
}

export interface Place {
  readonly def: KindDef;
  readonly namespace?: string;
  readonly name: string;
  /** What of the object is written. Absent: the object itself. */
  readonly subresource?: Subresource;
  /** Absent: none of admission's business, as a deletion's mark. `create`: of a subresource, as an eviction. */
  readonly admit?: 'create' | 'update';
}

/**
 * The one way in which a stored object is changed. `decide` gets the present state and says what is to become of it; the
 * store takes that only if the state is still the present one, else `decide` is asked again. It may be asked with a
 * state from the cache, which may be old: a refusal, or finding nothing to do, then counts only when the store's own
 * state says the same. An object that is being deleted and waits for nothing more is removed by the write.
 */
export async function guardedUpdate(
  core: WriteCore,
  context: RequestContext,
  place: Place,
  decide: (object: KubeObject) => Change,
  dryRun = false,
): Promise<Outcome> {
  const { def, namespace, name, subresource, admit } = place;
  if (!admit) return decideAndWrite(core, context, place, decide, dryRun, undefined, undefined);
  const admission: Admission = {
    ...{ identity: context.identity, verb: admit, entry: def, subresource, namespace, name },
    ...{ dryRun, warnings: context.warnings, now: core.clock.now() },
    audit: context.audit,
  };
  const charges = chargesOf(core, admission, context.signal);
  return decideAndWrite(core, context, place, decide, dryRun, admission, charges);
}

async function decideAndWrite(
  core: WriteCore,
  context: RequestContext,
  place: Place,
  decide: (object: KubeObject) => Change,
  dryRun: boolean,
  admission: Admission | undefined,
  charges: Charges | undefined,
): Promise<Outcome> {
  const { def, namespace, name } = place;
  const key = objectKey(def, namespace, name);
  let state = core.cached(def, namespace, name);
  let current = false;
  const observed = new Map<string, Item | undefined>();
  for (let attempt = 0; attempt < maxTries; attempt++) {
    if (!state) {
      if (current) throw notFound(def, name);
      state = await core.fresh(key);
      current = true;
      continue;
    }
    let change: Change;
    try {
      change = decide(state.object);
      if (admission && change.type === 'put') core.admission.validate(admission, change.object, state.object);
    } catch (error) {
      if (current) throw error;
      state = undefined;
      continue;
    }
    if (change.type === 'none') {
      if (current) return { object: state.object, removed: false };
      state = undefined;
      continue;
    }
    const after = change.type === 'put' && !isReadyToGo(change.object, def) ? change.object : undefined;
    const write = { def, key, before: state, after, charges, dryRun, observed };
    const committed = await commit(core, context, write);
    if (committed.ok) {
      const { object, revision } = committed;
      // A write that takes the last finalizer off answers the object without it, as in Kubernetes.
      if (!object) return { object: change.type === 'put' ? change.object : state.object, removed: true };
      if (place.admit === 'update' && !place.subresource) {
        context.warnings.push(...warningsOf(def.kind, object, state.object));
      }
      // Its metadata may still be that of the object it came from, which is shared.
      if (!dryRun) object.metadata = { ...object.metadata, resourceVersion: String(revision) };
      return { object, removed: false };
    }
    // The refusal shows the state that the store has now.
    const item = observed.get(key);
    state = item && decodeItem(item);
    current = true;
    await backOff(core, context, attempt);
  }
  throw modified(def, name);
}
