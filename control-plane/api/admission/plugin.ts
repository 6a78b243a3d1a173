import type { Kind, KindMap } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { Subresource } from '../../../shared/kinds/table.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { Guard, Write } from '../../store/store.ts';
import type { Identity } from '../auth/identity.ts';
import type { AuditTrail } from '../chain/audit/trail.ts';
import type { State } from '../requests/codec.ts';

/**
 * One rule of the cluster about what may be written (Kubernetes, "Admission Control"). All hooks throw ApiError to refuse.
 *
 *     mutate (all plugins, in order) → prepare, validate (the kind) → validate (all plugins) → charge → one transaction
 */
export interface AdmissionPlugin {
  readonly name: string;
  /** The requests that it is asked about; no other costs anything. */
  readonly rules: readonly Rule[];
  /**
   * The objects that `mutate` decides on and that may be so new that the cache does not show them yet: they are read from the store
   * then, and shown by the reader. Only with create.
   */
  needs?(request: Admission, object: KubeObject): readonly Needed[];
  /** Fills in what the cluster decides. Changes the draft `object`. Only with create. */
  mutate?(request: Admission, object: KubeObject, old: KubeObject | undefined, reader: Reader): void;
  /** Looks at what is about to be stored; must change nothing but `request.warnings`. With delete and connect there is no `object`; of a deletion, `old` is what goes. */
  validate?(request: Admission, object: KubeObject | undefined, old: KubeObject | undefined, reader: Reader): void;
  /**
   * What must be still true when the object is stored, and what is written along with it, in the object's own transaction.
   * When it is not true any more, `charge` is asked again on fresh state. A refusal counts only on fresh state, too.
   */
  charge?(
    request: Admission,
    object: KubeObject,
    old: KubeObject | undefined,
    present: Present,
    reader: Reader,
  ): Charge | undefined;
  /** Transactions of one lane go one after another in this process: for charges that all write one key. */
  lane?(request: Admission, reader: Reader): string | undefined;
}

export type AdmissionVerb = 'create' | 'update' | 'delete' | 'connect';

export interface Rule {
  readonly verbs: readonly AdmissionVerb[];
  /** Absent: every kind. */
  readonly kinds?: readonly string[];
  /** Absent: the objects themselves. */
  readonly subresources?: readonly Subresource[];
}

/** What is asked for, by whom. */
export interface Admission {
  readonly identity: Identity;
  readonly verb: AdmissionVerb;
  readonly entry: KindDef;
  readonly subresource?: Subresource;
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string;
  readonly name: string;
  readonly dryRun: boolean;
  /** Shown to the client. */
  readonly warnings: string[];
  /** Of a request that is audited: what else its event says. */
  readonly audit?: Pick<AuditTrail, 'note'> | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface Needed {
  readonly kind: Kind;
  readonly name: string;
  readonly namespace?: string | undefined;
}

/** Other objects, as the watch cache shows them: cheap, and perhaps a moment old. */
export interface Reader {
  get<K extends Kind>(kind: K, name: string, namespace?: string): KindMap[K] | undefined;
  list<K extends Kind>(kind: K, namespace?: string): readonly KindMap[K][];
  count(kind: Kind, namespace?: string): number;
}

/** Other objects with the revisions that a charge may guard: as new as is known. */
export interface Present {
  get(kind: Kind, name: string, namespace?: string): State | undefined;
  list(kind: Kind, namespace?: string): readonly State[];
  /** The key that an object of the kind is stored under. */
  key(kind: Kind, name: string, namespace?: string): string;
}

export interface Charge {
  readonly guards: readonly Guard[];
  readonly writes: readonly Write[];
}
