import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { Guard, Txn, TxnResult, Write } from '../../store/store.ts';
import type { AdmissionRequest } from '../admission/plugin.ts';
import type { RequestContext } from '../api.ts';
import { encodeObject, type State } from './codec.ts';
import type { Core } from './core.ts';
import type { Observed } from './observed.ts';
import type { WriteCore } from './write-core.ts';
import type { Contribution } from './write-hook.ts';

/** One change of one object. */
export interface ObjectWrite {
  readonly def: KindDef;
  readonly key: string;
  /** The state that the change was decided on. Absent: a create. */
  readonly before?: State | undefined;
  /** Absent: a removal. */
  readonly after: KubeObject | undefined;
  /** What must hold besides the state of the object. */
  readonly guards?: readonly Guard[];
  /** As which admission plugins contribute. Absent: they do not. */
  readonly admission: AdmissionRequest | undefined;
  readonly dryRun: boolean;
  /** What refused transactions of this write showed; `commit` adds to it. */
  readonly observed: Observed;
}

export type Committed =
  /** `object`, `text`: as they are stored; absent: the object was removed. */
  | { readonly ok: true; readonly revision: number; readonly object?: KubeObject; readonly text: string }
  | { readonly ok: false };

/**
 * Stores one change of one object in one transaction, together with what the write hooks and admission add. When a guard does not
 * hold, nothing is stored and `observed` says what the store has: the caller decides again. A dry run is the same transaction
 * without its writes. Throws what hooks and plugins refuse.
 */
export async function commit(core: WriteCore, context: RequestContext, write: ObjectWrite): Promise<Committed> {
  const { key, before, admission, dryRun, observed } = write;
  const unchanged: Guard = { key, revision: before?.revision ?? 0 };
  const parts = contributionsOf(core, context, write);
  let { after } = write;
  let lease: Contribution['lease'];
  for (const part of parts) {
    if (part.object) after = part.object;
    if (part.lease) lease = part.lease;
  }
  const text = after ? encodeObject(after) : '';
  const guards: Guard[] = [unchanged, ...(write.guards ?? [])];
  const writes: Write[] = [];
  if (!dryRun) {
    if (!after) writes.push({ type: 'delete', key });
    else if (lease) writes.push({ type: 'put', key, value: text, lease: await lease() });
    else writes.push(before ? { type: 'put', key, value: text, keepLease: true } : { type: 'put', key, value: text });
  }
  for (const part of parts) {
    if (part.guards) guards.push(...part.guards);
    if (part.writes && !dryRun) writes.push(...part.writes);
  }
  const txn: Txn = { guards, writes };
  const object = after ?? before?.object;
  const result = await (admission && object
    ? core.admission.commit({ request: admission, txn, observed, object, old: before?.object })
    : core.store.txn(txn));
  if (result.ok) {
    if (!dryRun) core.reads.atLeast(result.revision);
    return { ok: true, revision: result.revision, object: after, text };
  }
  for (const guard of guards) observed.record(guard.key, result.current.get(guard.key), result.revision);
  const isCurrent = (result.current.get(key)?.revision ?? 0) === unchanged.revision;
  if (isCurrent) for (const part of parts) part.refused?.(result.current);
  return { ok: false };
}

const noContributions: readonly Contribution[] = [];

function contributionsOf(core: WriteCore, { identity }: RequestContext, write: ObjectWrite): readonly Contribution[] {
  const { def, before, after, observed } = write;
  let parts: Contribution[] | undefined;
  for (const { kinds, contribute } of core.writeHooks) {
    if (kinds && !kinds.includes(def.id)) continue;
    const part = contribute({ identity, def, before: before?.object, after }, observed);
    if (!part) continue;
    parts ??= [];
    parts.push(part);
  }
  return parts ?? noContributions;
}

/** Stores transactions each of which holds or fails by itself. The result at i belongs to the transaction at i. */
export async function commitEach(core: Core, txns: readonly Txn[]): Promise<TxnResult[]> {
  const results = await core.store.txns(txns);
  for (const result of results) if (result.ok) core.reads.atLeast(result.revision);
  return results;
}
