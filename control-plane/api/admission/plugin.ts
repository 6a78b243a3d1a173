import type { Kind, KindMap } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { Subresource } from '../../../shared/kinds/table.ts';
import type { KubeObject, ObjectRef } from '../../../shared/object.ts';
import type { Identity } from '../auth/identity.ts';
import type { AuditTrail } from '../chain/audit/trail.ts';
import type { State } from '../requests/codec.ts';
import type { Contribution as HookContribution } from '../requests/write-hook.ts';

/**
 * One rule of the cluster about what may be written (Kubernetes, "Admission Control"). All methods throw ApiError to refuse.
 *
 *     mutate (all plugins, in order) → prepare, validate (the kind) → validate (all plugins) → contribute → one transaction
 */
export interface AdmissionPlugin {
  readonly name: string;
  /** The requests that the plugin is called for. */
  readonly rules: readonly Rule[];
  /** Which of these requests `mutate` is called for. Absent: creates. */
  readonly mutates?: readonly MutatedVerb[];
  /** Objects that `mutate` reads: from the store, when the cache does not show them, since they may be new. */
  reads?(request: AdmissionRequest, object: KubeObject): readonly ObjectRef[];
  /**
   * Sets fields of `object`, a draft. Parts of it that the request does not write, as the status, may be shared with `old`, and must be
   * replaced, not changed. `old`: absent with a create. The request waits for a promise.
   */
  mutate?(
    request: AdmissionRequest,
    object: KubeObject,
    old: KubeObject | undefined,
    reader: Reader,
  ): void | Promise<void>;
  /**
   * Checks what is about to be stored; must change nothing but `request.warnings`. With delete and connect there is no `object`; `old`
   * is the object that is deleted. The request waits for a promise.
   */
  validate?(
    request: AdmissionRequest,
    object: KubeObject | undefined,
    old: KubeObject | undefined,
    reader: Reader,
  ): void | Promise<void>;
  /**
   * Guards and writes that join the object's own transaction: what must still hold when the object is stored. Called again with newer
   * states when a guard does not hold. A refusal counts only on the states that the store has.
   */
  contribute?(
    request: AdmissionRequest,
    object: KubeObject,
    old: KubeObject | undefined,
    states: StateReader,
    reader: Reader,
  ): Contribution | undefined;
  /**
   * The queue that the write is committed by, when all contributions of the plugin write one key. Writes of one queue are committed
   * one after another in this process, those that wait at the same time in one transaction.
   */
  queue?(request: AdmissionRequest, reader: Reader): string | undefined;
}

export type AdmissionVerb = 'create' | 'update' | 'delete' | 'connect';
export type MutatedVerb = 'create' | 'update';

export interface Rule {
  readonly verbs: readonly AdmissionVerb[];
  /** Absent: every kind. */
  readonly kinds?: readonly string[];
  /** Absent: the objects themselves. */
  readonly subresources?: readonly Subresource[];
}

/** A request as plugins see it. */
export interface AdmissionRequest {
  readonly identity: Identity;
  readonly verb: AdmissionVerb;
  readonly entry: KindDef;
  readonly subresource?: Subresource | undefined;
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly dryRun: boolean;
  /** Sent to the client. */
  readonly warnings: string[];
  /** Takes annotations of the audit event. Absent: the request is not audited. */
  readonly audit?: Pick<AuditTrail, 'note'> | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Aborted when the client has gone or the request's deadline has passed. */
  readonly signal: AbortSignal;
}

/** Other objects as the watch cache shows them: cheap, and possibly a moment old. */
export interface Reader {
  get<K extends Kind>(kind: K, name: string, namespace?: string): KindMap[K] | undefined;
  list<K extends Kind>(kind: K, namespace?: string): readonly KindMap[K][];
  count(kind: Kind, namespace?: string): number;
}

/** Other objects with the revisions that a contribution may guard: the newest known states. */
export interface StateReader {
  get(kind: Kind, name: string, namespace?: string): State | undefined;
  list(kind: Kind, namespace?: string): readonly State[];
  /** The key that an object of the kind is stored under. */
  key(kind: Kind, name: string, namespace?: string): string;
}

export type Contribution = Required<Pick<HookContribution, 'guards' | 'writes'>>;
