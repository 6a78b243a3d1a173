import type { Guard, Item, Store, Txn, TxnResult, Write } from '../../store/store.ts';
import { type BackOffDeps, backOff } from '../requests/back-off.ts';
import { Observed } from '../requests/observed.ts';
import type { Contribution, Reader, StateReader } from './plugin.ts';
import { stateReader } from './readers.ts';

export interface BatchDeps extends BackOffDeps {
  readonly store: Pick<Store, 'get' | 'txn'>;
  readonly reader: Reader;
}

/** One transaction that waits to be stored. */
export interface PendingTxn {
  readonly txn: Txn;
  /** What earlier transactions of the same write showed. */
  readonly observed: Observed;
  readonly signal: AbortSignal;
  /** What plugins add to it. Throws their refusals. */
  contribute(states: StateReader): readonly Contribution[];
}

export type Settled = TxnResult | { readonly error: unknown };

/** How often a batch is stored again when what plugins guard has changed. */
const maxTries = 200;

/**
 * Stores transactions as one, with all that plugins contribute; each contribution builds on those before it. A transaction whose own
 * guards do not hold, or that a plugin refuses, is settled alone, and the others are tried again. A refusal counts only on states read
 * from the store. `shared`: what is known of the keys that they all write. The result at i belongs to the transaction at i.
 */
export async function commitBatch(
  deps: BatchDeps,
  batch: readonly PendingTxn[],
  shared: Observed,
): Promise<readonly Settled[]> {
  const settled = new Map<PendingTxn, Settled>();
  let fresh = false;
  for (let attempt = 0; attempt < maxTries && settled.size < batch.length; attempt++) {
    if (attempt > 0) await backOff(deps, attempt);
    const waiting = batch.filter((one) => !settled.has(one));
    const round = assemble(deps.reader, waiting, shared);
    if (round.refused.size > 0 && !fresh) {
      await refresh(deps.store, round.keys, shared);
      fresh = true;
      continue;
    }
    fresh = false;
    for (const [one, error] of round.refused) settled.set(one, { error });
    for (const one of waiting) if (one.signal.aborted) settled.set(one, { error: one.signal.reason });
    if (round.taken.length > 0) await storeRound(deps.store, round, shared, settled);
  }
  return batch.map(
    (one) => settled.get(one) ?? { error: new Error('the store refused a transaction again and again') },
  );
}

/** One transaction of all that do not conflict. */
interface Round {
  readonly taken: PendingTxn[];
  readonly guards: Map<string, Guard>;
  readonly writes: Map<string, Write>;
  /** The keys that plugins wrote or guarded. */
  readonly contributed: Set<string>;
  /** What plugins refused, with the error. */
  readonly refused: Map<PendingTxn, unknown>;
  /** The keys that plugins read. */
  readonly keys: Set<string>;
}

function assemble(reader: Reader, waiting: readonly PendingTxn[], shared: Observed): Round {
  const round: Round = {
    taken: [],
    guards: new Map(),
    writes: new Map(),
    contributed: new Set(),
    refused: new Map(),
    keys: new Set(),
  };
  const pending = new Observed();
  for (const one of waiting) {
    const { txn, observed, signal } = one;
    if (signal.aborted) continue;
    // No key is written twice, except by contributions, which build on each other.
    if (txn.writes.some(({ key }) => round.writes.has(key)) || !agree(round, txn.guards)) continue;
    let contributions: readonly Contribution[];
    try {
      contributions = one.contribute(stateReader({ reader, pending, observed: [observed, shared], keys: round.keys }));
    } catch (error) {
      round.refused.set(one, error);
      continue;
    }
    if (contributions.every(({ guards }) => agree(round, guards))) take(round, one, contributions, pending);
  }
  return round;
}

function agree({ guards }: Round, wanted: readonly Guard[]): boolean {
  return wanted.every(({ key, revision }) => (guards.get(key)?.revision ?? revision) === revision);
}

function take(round: Round, one: PendingTxn, contributions: readonly Contribution[], pending: Observed): void {
  round.taken.push(one);
  for (const guard of one.txn.guards) round.guards.set(guard.key, guard);
  for (const write of one.txn.writes) round.writes.set(write.key, write);
  for (const { guards, writes } of contributions) {
    for (const guard of guards) {
      round.guards.set(guard.key, guard);
      round.contributed.add(guard.key);
    }
    for (const write of writes) {
      round.writes.set(write.key, write);
      round.contributed.add(write.key);
      // The next transaction builds on it, and guards the same revision.
      const revision = round.guards.get(write.key)?.revision ?? 0;
      pending.record(write.key, itemOf(write, revision), revision);
    }
  }
}

async function refresh(store: Pick<Store, 'get'>, keys: Iterable<string>, shared: Observed): Promise<void> {
  for (const key of keys) {
    const { item, revision } = await store.get(key);
    shared.record(key, item, revision);
  }
}

async function storeRound(
  store: Pick<Store, 'txn'>,
  round: Round,
  shared: Observed,
  settled: Map<PendingTxn, Settled>,
): Promise<void> {
  const { taken, guards, writes, contributed } = round;
  let result: TxnResult;
  try {
    result = await store.txn({ guards: [...guards.values()], writes: [...writes.values()] });
  } catch (error) {
    for (const one of taken) settled.set(one, { error });
    return;
  }
  if (result.ok) {
    for (const key of contributed) {
      const write = writes.get(key);
      if (write) shared.record(key, itemOf(write, result.revision), result.revision);
    }
    for (const one of taken) settled.set(one, result);
    return;
  }
  const { current, revision } = result;
  for (const key of contributed) if (guards.has(key)) shared.record(key, current.get(key), revision);
  for (const one of taken) if (!one.txn.guards.every((guard) => holds(guard, current))) settled.set(one, result);
}

function holds({ key, revision }: Guard, current: ReadonlyMap<string, Item>): boolean {
  return (current.get(key)?.revision ?? 0) === revision;
}

function itemOf(write: Write, revision: number): Item | undefined {
  return write.type === 'put' ? { key: write.key, value: write.value, revision, created: 0 } : undefined;
}
