import type { Subresource } from '../../../shared/kinds/table.ts';
import type { KubeObject, ObjectRef } from '../../../shared/object.ts';
import type { WatchCache } from '../../store/cache/watch-cache.ts';
import type { Store, TxnResult } from '../../store/store.ts';
import type { BackOffDeps } from '../requests/back-off.ts';
import { Observed } from '../requests/observed.ts';
import { type BatchDeps, commitBatch, type PendingTxn } from './batch.ts';
import { CommitQueues } from './commit-queues.ts';
import type {
  AdmissionPlugin,
  AdmissionRequest,
  AdmissionVerb,
  Contribution,
  MutatedVerb,
  Reader,
  Rule,
  StateReader,
} from './plugin.ts';
import { readerOf, readerWith } from './readers.ts';

export interface AdmissionDeps extends BackOffDeps {
  readonly store: Pick<Store, 'get' | 'txn'>;
  readonly cache: Pick<WatchCache, 'get' | 'list' | 'count'>;
}

/** A transaction that stores an admitted object. */
export interface AdmittedWrite extends Omit<PendingTxn, 'contribute' | 'signal'> {
  readonly request: AdmissionRequest;
  readonly object: KubeObject;
  /** Absent: a create. */
  readonly old: KubeObject | undefined;
}

/** The plugins for one sort of request. */
interface Admitting {
  readonly mutating: readonly AdmissionPlugin[];
  readonly validating: readonly AdmissionPlugin[];
  readonly contributing: readonly AdmissionPlugin[];
}

/** All plugins, in order, found by what a request is. */
export class AdmissionChain {
  readonly reader: Reader;
  readonly #plugins: readonly AdmissionPlugin[];
  readonly #batches: BatchDeps;
  readonly #queues: CommitQueues;
  readonly #admitting = new Map<string, Admitting>();

  constructor(plugins: readonly AdmissionPlugin[], { store, cache, clock, random }: AdmissionDeps) {
    this.#plugins = plugins;
    this.reader = readerOf(cache);
    this.#batches = { store, clock, random, reader: this.reader };
    this.#queues = new CommitQueues(this.#batches);
  }

  /** Lets plugins set fields of `object`. A promise only when a plugin waits, or reads an object that the cache does not show. */
  mutate(request: AdmissionRequest, object: KubeObject, old?: KubeObject): Promise<void> | undefined {
    const { mutating } = this.#admittingOf(request);
    if (mutating.length === 0) return undefined;
    const missing = this.#missing(mutating, request, object);
    if (!missing) return mutateFrom(0, mutating, { request, object, old, reader: this.reader });
    return readerWith(this.reader, this.#batches.store, missing).then((reader) =>
      mutateFrom(0, mutating, { request, object, old, reader }),
    );
  }

  /** Throws what plugins refuse. A promise only when a plugin waits. `object`: absent with delete and connect. */
  validate(request: AdmissionRequest, object: KubeObject | undefined, old?: KubeObject): Promise<void> | undefined {
    return this.#validateFrom(0, request, object, old);
  }

  /**
   * Stores a transaction with what plugins contribute. Its own guards alone make it fail: contributions are made again until their guards
   * hold. A dry run writes no contribution. Throws what plugins refuse.
   */
  commit({ request, txn, observed, object, old }: AdmittedWrite): Promise<TxnResult> {
    const { contributing } = this.#admittingOf(request);
    if (contributing.length === 0) return this.#batches.store.txn(txn);
    const { signal, dryRun } = request;
    const contribute = (states: StateReader): readonly Contribution[] => {
      const contributions = contributionsOf(contributing, (plugin) =>
        plugin.contribute?.(request, object, old, states, this.reader),
      );
      return dryRun ? contributions.map(({ guards }) => ({ guards, writes: [] })) : contributions;
    };
    const pending = { txn, observed, signal, contribute };
    const queue = dryRun ? undefined : this.#queueOf(contributing, request);
    return queue === undefined ? this.#commitAlone(pending) : this.#queues.commit(queue, pending);
  }

  #missing(
    mutating: readonly AdmissionPlugin[],
    request: AdmissionRequest,
    object: KubeObject,
  ): readonly ObjectRef[] | undefined {
    let missing: ObjectRef[] | undefined;
    for (const plugin of mutating) {
      for (const ref of plugin.reads?.(request, object) ?? noRefs) {
        if (this.reader.get(ref.kind, ref.name, ref.namespace)) continue;
        missing ??= [];
        missing.push(ref);
      }
    }
    return missing;
  }

  #validateFrom(
    first: number,
    request: AdmissionRequest,
    object: KubeObject | undefined,
    old: KubeObject | undefined,
  ): Promise<void> | undefined {
    const { validating } = this.#admittingOf(request);
    for (let at = first; at < validating.length; at++) {
      const waiting = validating[at]?.validate?.(request, object, old, this.reader);
      if (waiting) return waiting.then(() => this.#validateFrom(at + 1, request, object, old));
    }
    return undefined;
  }

  async #commitAlone(pending: PendingTxn): Promise<TxnResult> {
    const [settled] = await commitBatch(this.#batches, [pending], new Observed());
    if (!settled) throw new Error('a transaction was not settled');
    if ('error' in settled) throw settled.error;
    return settled;
  }

  #queueOf(plugins: readonly AdmissionPlugin[], request: AdmissionRequest): string | undefined {
    for (const plugin of plugins) {
      const queue = plugin.queue?.(request, this.reader);
      if (queue !== undefined) return `${plugin.name} ${queue}`;
    }
    return undefined;
  }

  #admittingOf({ verb, entry, subresource }: AdmissionRequest): Admitting {
    const sort = `${verb} ${entry.kind}/${subresource ?? ''}`;
    let found = this.#admitting.get(sort);
    if (!found) {
      const all = this.#plugins.filter(({ rules }) =>
        rules.some((rule) => matches(rule, verb, entry.kind, subresource)),
      );
      found = {
        mutating: all.filter(({ mutate, mutates = creates }) => mutate && mutates.some((one) => one === verb)),
        validating: all.filter(({ validate }) => validate),
        contributing: all.filter(({ contribute }) => contribute),
      };
      this.#admitting.set(sort, found);
    }
    return found;
  }
}

const noRefs: readonly ObjectRef[] = [];
const creates: readonly MutatedVerb[] = ['create'];

interface Mutation {
  readonly request: AdmissionRequest;
  readonly object: KubeObject;
  readonly old: KubeObject | undefined;
  readonly reader: Reader;
}

function mutateFrom(first: number, plugins: readonly AdmissionPlugin[], mutation: Mutation): Promise<void> | undefined {
  const { request, object, old, reader } = mutation;
  for (let at = first; at < plugins.length; at++) {
    const waiting = plugins[at]?.mutate?.(request, object, old, reader);
    if (waiting) return waiting.then(() => mutateFrom(at + 1, plugins, mutation));
  }
  return undefined;
}

/** All plugins are called before one refuses, so that the states that each of them decides on are known. */
function contributionsOf(
  plugins: readonly AdmissionPlugin[],
  contribute: (plugin: AdmissionPlugin) => Contribution | undefined,
): readonly Contribution[] {
  const contributions: Contribution[] = [];
  const refusals: unknown[] = [];
  for (const plugin of plugins) {
    try {
      const contribution = contribute(plugin);
      if (contribution) contributions.push(contribution);
    } catch (refusal) {
      refusals.push(refusal);
    }
  }
  if (refusals.length > 0) throw refusals[0];
  return contributions;
}

function matches(rule: Rule, verb: AdmissionVerb, kind: string, subresource: Subresource | undefined): boolean {
  const { verbs, kinds, subresources } = rule;
  if (!verbs.includes(verb) || (kinds && !kinds.includes(kind))) return false;
  return subresource === undefined ? !subresources : (subresources?.includes(subresource) ?? false);
}
