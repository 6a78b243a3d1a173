import type { KubeObject } from '../../../shared/object.ts';
import type { Guard, Item, Txn, TxnResult, Write } from '../../store/store.ts';
import type { State } from '../requests/codec.ts';
import type { WriteCore } from '../requests/write-core.ts';
import { isHeld, Known } from './known.ts';
import type { Admission, AdmissionPlugin, Charge } from './plugin.ts';

/** What plugins add to the transactions of one write, over all of its tries. */
export interface Charges {
  /**
   * Stores the transaction with what the plugins add. Only what the transaction itself guards makes it fail: the plugins' part is decided anew
   * until it holds. Throws their refusals, which count on the store's own state only.
   */
  commit(txn: Txn, object: KubeObject, old: KubeObject | undefined): Promise<TxnResult>;
  /** What the caller has read of the store, and guards. */
  learn(key: string, state: State): void;
}

/** Undefined where no plugin has anything to add: most requests. */
export function chargesOf(core: WriteCore, request: Admission, signal: AbortSignal): Charges | undefined {
  const plugins = core.admission.charging(request);
  if (plugins.length === 0) return undefined;
  const known = new Known();
  /** All are asked before one refuses: so what each of them decides on is read anew. */
  const ask = (object: KubeObject, old: KubeObject | undefined) => (states: readonly Known[]) => {
    const charges: Charge[] = [];
    const refusals: unknown[] = [];
    for (const plugin of plugins) {
      try {
        const charge = plugin.charge?.(request, object, old, known.present(core, states), core.admission.reader);
        if (charge) charges.push(request.dryRun ? { ...charge, writes: [] } : charge);
      } catch (refusal) {
        refusals.push(refusal);
      }
    }
    if (refusals.length > 0) throw refusals[0];
    return charges;
  };
  return {
    commit(txn, object, old) {
      const lane = request.dryRun ? undefined : laneOf(core, plugins, request);
      const entry: Entry = { txn, known, signal, ask: ask(object, old) };
      return lane === undefined ? commitAlone(core, entry) : core.lanes.commit(core, lane, entry);
    },
    learn: (key, state) => known.learnState(key, state),
  };
}

/** One transaction that wants to be stored. */
export interface Entry {
  readonly txn: Txn;
  /** What its own tries have found. */
  readonly known: Known;
  readonly signal: AbortSignal;
  /** Asks the plugins; `states`: what is known besides, the first counts most. Throws their refusals. */
  ask(states: readonly Known[]): Charge[];
}

export type Settled = TxnResult | { readonly error: unknown };

async function commitAlone(core: WriteCore, entry: Entry): Promise<TxnResult> {
  const [settled] = await commitTogether(core, [entry], new Known());
  if (!settled) throw new Error('a transaction was not settled');
  if ('error' in settled) throw settled.error;
  return settled;
}

function laneOf(core: WriteCore, plugins: readonly AdmissionPlugin[], request: Admission): string | undefined {
  for (const plugin of plugins) {
    const lane = plugin.lane?.(request, core.admission.reader);
    if (lane !== undefined) return `${plugin.name} ${lane}`;
  }
  return undefined;
}

/** Lost races over what plugins guard, after which something is wrong. */
const maxTries = 200;

/**
 * Stores many transactions as one, with all that their plugins add: each is decided on what the ones before it leave. One that its own guards
 * fail, or that a plugin refuses, is settled by itself, and the others are tried again. `shared`: what is known of what they all charge.
 */
export async function commitTogether(core: WriteCore, entries: readonly Entry[], shared: Known): Promise<Settled[]> {
  const settled = new Map<Entry, Settled>();
  let fresh = false;
  for (let attempt = 0; settled.size < entries.length; attempt++) {
    if (attempt > 0) await core.lanes.pause(core, attempt);
    const waiting = entries.filter((entry) => !settled.has(entry));
    const error = attempt < maxTries ? undefined : new Error('the store refused a transaction again and again');
    const round = error ? undefined : assemble(waiting, shared, fresh, settled);
    if (!round) {
      if (error) for (const entry of waiting) settled.set(entry, { error });
      // A refusal may have been made on an old state.
      else for (const known of [shared, ...waiting.map((entry) => entry.known)]) await known.refresh(core);
      fresh = true;
      continue;
    }
    fresh = false;
    if (round.taken.length === 0) continue;
    let result: TxnResult;
    try {
      result = await core.store.txn({ guards: [...round.guards.values()], writes: [...round.writes.values()] });
    } catch (thrown) {
      for (const entry of round.taken) settled.set(entry, { error: thrown });
      continue;
    }
    settle(round, result, shared, settled);
  }
  return entries.map((entry) => settled.get(entry) ?? { error: new Error('a transaction was not settled') });
}

interface Round {
  readonly taken: Entry[];
  readonly guards: Map<string, Guard>;
  readonly writes: Map<string, Write>;
  /** The keys of what plugins wrote or guarded. */
  readonly charged: Set<string>;
}

/** One transaction of all that get along; undefined when a plugin refuses one of them and what it knew may be old. */
function assemble(
  waiting: readonly Entry[],
  shared: Known,
  fresh: boolean,
  settled: Map<Entry, Settled>,
): Round | undefined {
  const round: Round = { taken: [], guards: new Map(), writes: new Map(), charged: new Set() };
  const working = new Known();
  for (const entry of waiting) {
    if (entry.signal.aborted) {
      settled.set(entry, { error: entry.signal.reason });
      continue;
    }
    // No key is written twice, but by plugins that build on each other.
    if (entry.txn.writes.some(({ key }) => round.writes.has(key)) || !agrees(round, entry.txn.guards)) continue;
    let charges: Charge[];
    try {
      charges = entry.ask([working, shared]);
    } catch (error) {
      if (!fresh) return undefined;
      settled.set(entry, { error });
      continue;
    }
    if (!charges.every(({ guards }) => agrees(round, guards))) continue;
    round.taken.push(entry);
    for (const guard of entry.txn.guards) round.guards.set(guard.key, guard);
    for (const write of entry.txn.writes) round.writes.set(write.key, write);
    for (const { guards, writes } of charges) {
      for (const guard of guards) round.guards.set(guard.key, guard);
      for (const write of writes) {
        round.writes.set(write.key, write);
        round.charged.add(write.key);
        // What comes next builds on it, and guards what this one guarded.
        const revision = round.guards.get(write.key)?.revision ?? 0;
        working.learn(write.key, itemOf(write, revision), revision);
      }
      for (const { key } of guards) round.charged.add(key);
    }
  }
  return round;
}

function agrees({ guards }: Round, wanted: readonly Guard[]): boolean {
  return wanted.every(({ key, revision }) => (guards.get(key)?.revision ?? revision) === revision);
}

function settle(
  { taken, guards, writes, charged }: Round,
  result: TxnResult,
  shared: Known,
  settled: Map<Entry, Settled>,
) {
  if (result.ok) {
    for (const key of charged) {
      const write = writes.get(key);
      if (write) shared.learn(key, itemOf(write, result.revision), result.revision);
    }
    for (const entry of taken) settled.set(entry, result);
    return;
  }
  for (const key of charged) if (guards.has(key)) shared.learn(key, result.current.get(key), result.revision);
  for (const entry of taken) {
    if (entry.txn.guards.every((guard) => isHeld(guard, result.current))) continue;
    for (const { key } of entry.txn.guards) entry.known.learn(key, result.current.get(key), result.revision);
    settled.set(entry, result);
  }
}

function itemOf(write: Write, revision: number): Item | undefined {
  return write.type === 'put' ? { key: write.key, value: write.value, revision, created: 0 } : undefined;
}
