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

/** One entry of the kind table, whole: its data and its behaviour. */
export interface KindDef<T extends KubeObject = KubeObject> extends KindEntry {
  readonly id: KindId;
  /** The fields of the objects, in the version that is served. */
  readonly schema: ObjectSchema;
  /** Of objects as they are stored. */
  readonly strategy: Strategy<T>;
  readonly columns: readonly Column<T>[];
  /** The kind as it is stored: itself, but for a second version. */
  readonly stored: KindDef;
  /** Between a second version and the stored one; absent for what is stored as it is served. */
  readonly conversion?: Conversion<T>;
}

/**
 * A second version of a kind, beside the kind that is stored. All of it is pure and tolerates objects that are not valid yet.
 * There and back again nothing is lost: what one version has no field for, it keeps in annotations.
 */
export interface Conversion<T extends KubeObject = KubeObject, Stored extends KubeObject = KubeObject> {
  toStored(object: T): Stored;
  fromStored(object: Stored): T;
  /** Field selectors of this version: its name for a field → the stored one's. The entry's selectableFields when absent. */
  readonly fields?: Readonly<Record<string, string>>;
  /** What a create in this version must obey beyond what the kind demands; the fields' names are the stored version's. */
  validateCreate?(object: Stored, causes: StatusCause[]): void;
  validateUpdate?(object: Stored, old: Stored, causes: StatusCause[]): void;
}

/** A kind's own half of its entry: what its file in this folder says. The rules of metadata are added to it. */
export interface Behaviour<T extends KubeObject = KubeObject> {
  /** What a name must look like. */
  readonly nameFormat: Format;
  readonly strategy: Strategy<T>;
  readonly columns: readonly Column<T>[];
}

/**
 * What a kind does beyond what the field options in `proto/` say. All hooks are pure; those that change
 * something change the draft that they are given, which nobody else holds.
 */
export interface Strategy<T extends KubeObject = KubeObject> {
  /** Fills in what depends on other fields. Runs after the defaults of the field options. */
  default?(object: T): void;
  /** Clears what a client may not set (status), sets what a new object starts with. */
  prepareCreate?(object: T): void;
  /**
   * Sets what follows from a generated name. Runs before `prepareCreate`, and again with the `previous` name when that was taken and another
   * one is generated.
   */
  nameGenerated?(object: T, previous?: string): void;
  /** The same for an update; generation is bumped by the pipeline when spec has changed. */
  prepareUpdate?(object: T, old: T): void;
  /** Cross-field rules. Push one cause a fault: `{ field, reason, message }`, in Kubernetes' words. */
  validate?(object: T, causes: StatusCause[]): void;
  validateUpdate?(object: T, old: T, causes: StatusCause[]): void;
  /**
   * What Kubernetes 1.32 tells a client about a valid object that it creates, or makes of `old`: deprecated fields, and values that are
   * hardly meant. In Kubernetes' words; none of internal fields and feature gates.
   */
  warnings?(object: T, old?: T): string[];
  /** What happens when only a part of the object is written, by the subresource that is that part. */
  readonly parts?: Partial<Record<Subresource, PartStrategy<T>>>;
  /**
   * What a new generation is counted by: the spec, the template, or the whole body and the labels. Absent: the spec of kinds that have a
   * status to observe it; other kinds have no generation.
   */
  readonly generation?: 'spec' | 'template' | 'body' | 'none';
  readonly deletion?: DeletionStrategy<T>;
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
