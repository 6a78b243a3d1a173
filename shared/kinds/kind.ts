import type { KindMap, StatusCause } from '../generated/types.ts';
import type { KubeObject } from '../object.ts';
import type { Format } from '../schema/formats.ts';
import type { ObjectSchema } from '../schema/object-schema.ts';
import type { KindEntry, Subresource } from './table.ts';

/**
 * The name of a kind among all, whatever its version. A built-in kind is named by its kind alone, one that is added at run time with
 * its group: `Widget.example.com`.
 */
export type KindId = keyof ObjectTypes;

/** The type of the objects of each kind. */
export interface ObjectTypes extends KindMap {
  readonly [id: `${string}.${string}`]: KubeObject;
}

/** A kind in one version: its entry of the table, its schema and its behaviour. */
export interface KindDef<T extends KubeObject = KubeObject> extends KindEntry {
  readonly id: KindId;
  /** The fields of the objects, in the version that is served. */
  readonly schema: ObjectSchema;
  /** Of objects as they are stored. */
  readonly strategy: Strategy<T>;
  readonly columns: readonly Column<T>[];
  /** The version that is stored: itself, or of a second version the first one. */
  readonly stored: KindDef;
  /** Between a second version and the stored one. Absent for the stored version. */
  readonly conversion?: Conversion<T>;
}

/**
 * Converts between a second version of a kind and the stored one. Pure; tolerates invalid objects. A round trip loses nothing:
 * annotations keep what one version has no field for.
 */
export interface Conversion<T extends KubeObject = KubeObject, Stored extends KubeObject = KubeObject> {
  toStored(object: T): Stored;
  fromStored(object: Stored): T;
  /** Field selectors of this version: its name of a field → that of the stored version. Absent: the entry's selectableFields. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Rules of a create in this version beyond those of the kind; causes name the stored version's fields. */
  validateCreate?(object: Stored, causes: StatusCause[]): void;
  validateUpdate?(object: Stored, old: Stored, causes: StatusCause[]): void;
}

/** The functions of a kind, exported by its file. `index.ts` adds the rules of metadata. */
export interface Behaviour<T extends KubeObject = KubeObject> {
  /** The format of names. */
  readonly nameFormat: Format;
  readonly strategy: Strategy<T>;
  readonly columns: readonly Column<T>[];
}

/**
 * The rules of a kind beyond the options of its fields in `proto/`. All hooks are pure but for the draft that they are given and
 * may change.
 */
export interface Strategy<T extends KubeObject = KubeObject> {
  /** Sets defaults that depend on other fields, after those of the field options. */
  default?(object: T): void;
  /** Clears fields that a client may not set (status), and sets the initial state of a new object. */
  prepareCreate?(object: T): void;
  /**
   * Sets fields that follow from a generated name. Runs before `prepareCreate`, and again with the `previous` name if that existed and
   * another one was generated.
   */
  nameGenerated?(object: T, previous?: string): void;
  /** The same for an update. */
  prepareUpdate?(object: T, old: T): void;
  /** Rules across fields. Pushes one cause a fault: `{ field, reason, message }`, in Kubernetes' words. */
  validate?(object: T, causes: StatusCause[]): void;
  validateUpdate?(object: T, old: T, causes: StatusCause[]): void;
  /**
   * The warnings of Kubernetes 1.32 for a valid object that a client creates, or makes of `old`: deprecated fields and suspicious
   * values, in Kubernetes' words. None of internal fields and feature gates.
   */
  warnings?(object: T, old?: T): string[];
  /** How a subresource that stands for a part of the object writes that part. */
  readonly parts?: Partial<Record<Subresource, PartStrategy<T>>>;
  /**
   * The part whose changes increase the generation: the spec, the template, or the whole body and the labels. Absent: the spec, if the
   * kind has a status; other kinds have no generation.
   */
  readonly generation?: 'spec' | 'template' | 'body' | 'none';
  readonly deletion?: DeletionStrategy<T>;
  /**
   * Managed fields are tracked from the first apply on: programs write the objects often, and do not share them. The first apply adds
   * an entry of the manager `before-first-apply`, as Kubernetes does for untracked objects.
   */
  readonly tracksAfterApply?: true;
  /** The store removes an object by itself some time after its last write (`ApiDeps.eventTtlSeconds`). */
  readonly expires?: true;
}

/** What a deletion of an object waits for, marks and answers. Absent fields: the object is removed at once, the answer is a Status. */
export interface DeletionStrategy<T extends KubeObject = KubeObject> {
  /** Seconds in which the object's node stops it, if the client names no other number. Undefined: nothing runs, no grace period. */
  gracePeriod?(object: T): number | undefined;
  /** Finalizers outside of the metadata that must be gone as well: a namespace's `spec.finalizers`. */
  finalizers?(object: T): readonly string[];
  /** Changes an object that is being deleted, beyond the times in its metadata: a namespace's phase. */
  mark?(object: T): void;
  /** Dependents are orphaned if the client names no propagation policy, as by the oldest API versions of Kubernetes. */
  readonly orphans?: true;
  /** The warning for a client that names no propagation policy. */
  readonly warning?: string;
  /** What a client gets once the object is gone. Absent: a Status. */
  readonly answer?: 'object';
}

export interface PartStrategy<T extends KubeObject = KubeObject> {
  /** A write of the status changes the labels too. Annotations it always changes. */
  readonly labels?: true;
  /** Restores in `object` what this part does not cover; for `status` that is done already. `now`: milliseconds since the epoch. */
  prepare?(object: T, old: T, now: number): void;
  validate?(object: T, old: T, causes: StatusCause[]): void;
}

/** A column of kubectl's table. */
export interface Column<T extends KubeObject = KubeObject> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  readonly format?: 'name';
  readonly description: string;
  /** 0: always shown; 1: only with -o wide. */
  readonly priority: 0 | 1;
  /** `now`: milliseconds since the epoch, for ages. */
  value(object: T, now: number): string | number | boolean;
}
