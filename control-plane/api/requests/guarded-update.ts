import type { KubeObject } from '../../../shared/object.ts';
import { objectKey } from '../../store/keys.ts';
import { admissionOf } from './admission.ts';
import { backOff } from './back-off.ts';
import { commit } from './commit.ts';
import { isReadyToGo } from './deletion.ts';
import { Observed } from './observed.ts';
import { modified, notFound } from './refusals.ts';
import type { WriteRequest } from './request.ts';

const maxTries = 1_000;

/** What is to become of the present state. */
export type Change =
  | { readonly type: 'put'; readonly object: KubeObject }
  | { readonly type: 'remove' }
  | { readonly type: 'none' };

/** An update that admission plugins may still mutate. `finish` prepares and checks what they have made of `object`. */
export interface Draft {
  readonly type: 'draft';
  readonly object: KubeObject;
  finish(): Change;
}

export interface Outcome {
  readonly object: KubeObject;
  readonly removed: boolean;
}

/**
 * The one way in which a stored object is changed. `decide` gets the present state and returns what is to become of it; the store
 * takes that only if the state is still the present one, else `decide` is called again. The first state may be that of the cache,
 * which may be old: an error, or 'none', then counts only if the store's own state gives the same. A write that
 * leaves an object being deleted without finalizers and grace period removes it. `admit`: the verb that admission plugins are
 * called with; absent: not at all.
 */
export async function guardedUpdate(
  request: WriteRequest,
  decide: (object: KubeObject) => Change | Draft | Promise<Change>,
  admit?: 'create' | 'update',
): Promise<Outcome> {
  const { core, context, namespace, name, subresource, options } = request;
  const def = request.def.stored;
  const dryRun = options.dryRun ?? false;
  const admission = admit && admissionOf(request, admit, core.clock.now());
  const key = objectKey(def, namespace, name);
  let state = core.cached(def, namespace, name);
  let current = false;
  const observed = new Observed();
  for (let attempt = 0; attempt < maxTries; attempt++) {
    if (!state) {
      if (current) throw notFound(def, name);
      state = await core.fresh(key);
      current = true;
      continue;
    }
    let change: Change;
    try {
      const deciding = decide(state.object);
      const decided = deciding instanceof Promise ? await deciding : deciding;
      if (admission && decided.type === 'draft') {
        const mutating = core.admission.mutate(admission, decided.object, state.object);
        if (mutating) await mutating;
      }
      change = decided.type === 'draft' ? decided.finish() : decided;
      if (admission && change.type === 'put') {
        const validating = core.admission.validate(admission, change.object, state.object);
        if (validating) await validating;
      }
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
    const write = { def, key, before: state, after, admission, dryRun, observed };
    const committed = await commit(core, context, write);
    if (committed.ok) {
      const { object, revision } = committed;
      // A write that takes the last finalizer off answers the object without it, as in Kubernetes.
      if (!object) return { object: change.type === 'put' ? change.object : state.object, removed: true };
      if (admit === 'update' && !subresource) {
        context.warnings.push(...(def.strategy.warnings?.(object, state.object) ?? []));
      }
      // Its metadata may still be that of the object it came from, which is shared.
      if (!dryRun) object.metadata = { ...object.metadata, resourceVersion: String(revision) };
      return { object, removed: false };
    }
    // The refusal shows the state that the store has now.
    state = observed.state(key);
    current = true;
    await backOff(core, attempt, context.signal);
  }
  throw modified(def, name);
}
