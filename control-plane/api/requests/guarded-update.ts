import { backoffMs } from '../../../shared/backoff.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { Subresource } from '../../../shared/kinds/table.ts';
import { warningsOf } from '../../../shared/kinds/warnings/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { objectKey } from '../../store/keys.ts';
import type { Guard, Item, Write } from '../../store/store.ts';
import { type Charges, chargesOf } from '../admission/charges.ts';
import type { Admission } from '../admission/plugin.ts';
import type { RequestContext } from '../api.ts';
import { addGuardWrites } from '../resources/node/guards.ts';
import { serviceClaims } from '../resources/service/claims.ts';
import { decodeItem, encodeObject, type State } from './codec.ts';
import { isReadyToGo } from './deletion.ts';
import { modified, notFound } from './refusals.ts';
import type { WriteCore } from './write-core.ts';

/** After this many lost races in a row a writer begins to wait between its tries. */
const eagerTries = 3;
const maxTries = 1_000;
const wait = { firstMs: 1, capMs: 50 };

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
  let refusal: ReadonlyMap<string, Item> | undefined;
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
    // Who takes the last finalizer off is answered the object as it was asked for, as in Kubernetes.
    const answered = change.type === 'put' ? change.object : state.object;
    const after = change.type === 'put' && !isReadyToGo(change.object, def) ? change.object : undefined;
    const warn = (): void => {
      if (!after || place.admit !== 'update' || place.subresource) return;
      context.warnings.push(...warningsOf(def.kind, after, state?.object));
    };
    if (dryRun) {
      await charges?.check(after ?? state.object, state.object);
      warn();
      return { object: answered, removed: !after };
    }
    const written = await write(core, context, def, key, state, after, charges, refusal);
    if (typeof written === 'number') {
      core.reads.atLeast(written);
      warn();
      if (!after) return { object: answered, removed: true };
      // Its metadata may still be that of the object it came from, which is shared.
      after.metadata = { ...after.metadata, resourceVersion: String(written) };
      return { object: after, removed: false };
    }
    // Lost a race: what stands there now is known from the refusal itself.
    refusal = written;
    const item = refusal.get(key);
    state = item && decodeItem(item);
    current = true;
    await pause(core, context, attempt);
  }
  throw modified(def, name);
}

/** Before a try after a lost race: none at first, then a little, more and more. */
export async function pause({ clock, random }: WriteCore, { signal }: RequestContext, attempt: number): Promise<void> {
  signal.throwIfAborted();
  if (attempt >= eagerTries) await clock.sleep(backoffMs(attempt - eagerTries, wait, random), signal);
}

/** The revision of the write, or what stood in its way. `refusal`: what stood in the way of the last try. */
async function write(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  key: string,
  state: State,
  after: KubeObject | undefined,
  charges: Charges | undefined,
  refusal: ReadonlyMap<string, Item> | undefined,
): Promise<number | ReadonlyMap<string, Item>> {
  const claims = serviceClaims(core, def, after, state.object);
  const guards: Guard[] = [{ key, revision: state.revision }];
  const writes: Write[] = [
    after ? await core.put(context, def, key, encodeObject(after), after, state.object) : { type: 'delete', key },
  ];
  addGuardWrites(core, state.object, after, writes, guards, refusal);
  claims?.addTo(guards, writes);
  const txn = { guards, writes };
  const result = await (charges?.commit(txn, after ?? state.object, state.object) ?? core.store.txn(txn));
  if (result.ok) return result.revision;
  if (result.current.get(key)?.revision === state.revision) claims?.refused(result.current);
  return result.current;
}
