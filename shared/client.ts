import type { DeleteOptions, Kind, KindMap, Pod } from './generated/types.ts';
import type { Draft, KubeObject } from './object.ts';

/**
 * The API as schedulers, controllers, agents' sessions and the CLI see it. Two implementations: in the
 * API server's own process (`control-plane/api/local-client.ts`) and over gRPC (`shared/rpc/client.ts`).
 * All methods throw ApiError. Objects that come back are shared and must not be changed.
 */
export interface Client {
  get<K extends Kind>(kind: K, name: string, namespace?: string): Promise<KindMap[K]>;
  list<K extends Kind>(kind: K, options?: ListOptions): Promise<ListResult<KindMap[K]>>;
  create<K extends Kind>(kind: K, object: Draft<KindMap[K]>, options?: WriteOptions): Promise<KindMap[K]>;
  /** Replaces spec and metadata. With metadata.resourceVersion set: Conflict when the object has moved on. */
  update<K extends Kind>(kind: K, object: KindMap[K], options?: WriteOptions): Promise<KindMap[K]>;
  /** Replaces status only; the same guard. */
  updateStatus<K extends Kind>(kind: K, object: KindMap[K]): Promise<KindMap[K]>;
  patch<K extends Kind>(kind: K, name: string, patch: Patch, options?: PatchOptions): Promise<KindMap[K]>;
  /** NotFound when it does not exist; Conflict when the preconditions do not hold. */
  delete(kind: Kind, name: string, options?: DeleteOptions & { namespace?: string }): Promise<void>;
  /** Places pods, each by itself: the result at i belongs to the binding at i. Never throws for one pod's conflict. */
  bind(bindings: readonly Binding[]): Promise<BindResult[]>;
  /** Deletes a pod as an eviction. */
  evict(pod: Pod, options?: DeleteOptions): Promise<void>;
  /**
   * The present objects of `kinds`, then every change, in the order of revisions across the kinds. Batches are
   * whole: when one has been applied, everything up to its `revision` has been seen. Ends with ApiError
   * `Expired` when the reader fell too far behind, with others when the connection broke: start again.
   */
  watch(kinds: readonly Kind[], signal: AbortSignal): AsyncIterable<WatchBatch>;
}

export interface ListOptions {
  namespace?: string;
  /** As kubectl's -l: `app=web,tier in (a,b)`. */
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
}

export interface ListResult<T> {
  items: T[];
  /** The revision that the list shows. */
  resourceVersion: string;
  continue?: string;
}

export interface WriteOptions {
  dryRun?: boolean;
  fieldManager?: string;
}

export interface Patch {
  /** apply: the body is what the object is wanted to be; it is made when it is not there. Needs `fieldManager`. */
  type: 'json' | 'merge' | 'strategic' | 'apply';
  body: unknown;
}

export interface PatchOptions extends WriteOptions {
  namespace?: string;
  subresource?: 'status' | 'scale' | 'finalize' | 'ephemeralcontainers' | 'approval';
  /** Only with an apply: takes over what other managers own, instead of Conflict. */
  force?: boolean;
}

export interface Binding {
  namespace: string;
  name: string;
  uid: string;
  /** The pod's resourceVersion that the decision saw. */
  resourceVersion: string;
  node: string;
  /** The resourceVersion of the node's NodeGuard that the decision saw. */
  guardVersion: string;
}

export type BindResult =
  | { ok: true; guardVersion: string }
  /** Conflict: the guard or the pod has moved on since the decision. */
  | { ok: false; reason: string; message: string };

export interface WatchBatch {
  readonly revision: number;
  /** Part of the first state; every object is ADDED. */
  readonly initial: boolean;
  /** The first state is complete with this batch. True on every batch after it. */
  readonly synced: boolean;
  readonly events: readonly WatchEvent[];
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly kind: Kind;
  /** For DELETED: the last state, with the revision of the deletion. */
  readonly object: KubeObject;
}
