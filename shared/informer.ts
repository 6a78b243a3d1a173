import type { Client } from './client.ts';
import type { Clock } from './clock.ts';
import type { Kind, KindMap } from './generated/types.ts';
import type { Log } from './log.ts';
import type { Random } from './random.ts';

/**
 * A live, read-only copy of some kinds, kept by one ordered watch. Controllers and the scheduler decide on it. Its state after a batch is
 * the state of the cluster at that revision.
 */
export interface Informers {
  /** The copy of one kind; the kind must be among those the informers were made for. */
  of<K extends Kind>(kind: K): ObjectStore<KindMap[K]>;
  /** The revision that all the copies show; it never goes back. 0 before the first state is complete. */
  readonly revision: number;
  /** Called after each batch has been applied, with what it changed. Handlers must not throw. */
  onChange(handler: (changes: readonly Change[]) => void): void;
  /** Resolves once the first state is complete. */
  synced(signal: AbortSignal): Promise<void>;
  /** Runs until aborted: watches, applies, and starts afresh with a backoff whenever the watch ends. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ObjectStore<T> {
  /** By key: `namespace/name`, or `name`. */
  get(key: string): T | undefined;
  values(): IterableIterator<T>;
  readonly size: number;
  /** The objects whose index `name` has `value`; indices: `namespace`, `owner` (controller's uid), for pods `node`. */
  by(index: 'namespace' | 'owner' | 'node', value: string): Iterable<T>;
}

/** One object's change: an addition has no `before`, a removal no `after`. */
export interface Change<K extends Kind = Kind> {
  readonly kind: K;
  readonly key: string;
  readonly before?: KindMap[K];
  readonly after?: KindMap[K];
}

export interface InformerDeps {
  readonly client: Pick<Client, 'watch'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}
