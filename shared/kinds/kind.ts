import type { StatusCause } from '../generated/types.ts';
import type { KubeObject } from '../object.ts';
import type { Format } from '../schema/formats.ts';
import type { KindEntry, Subresource } from './table.ts';

/** One entry of the kind table, whole: its data and its behaviour. */
export interface KindDef<T extends KubeObject = KubeObject> extends KindEntry {
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
  /** The same for an update; generation is bumped by the pipeline when spec has changed. */
  prepareUpdate?(object: T, old: T): void;
  /** Cross-field rules. Push one cause a fault: `{ field, reason, message }`, in Kubernetes' words. */
  validate?(object: T, causes: StatusCause[]): void;
  validateUpdate?(object: T, old: T, causes: StatusCause[]): void;
  /** What happens when only a part of the object is written, by the subresource that is that part. */
  readonly parts?: Partial<Record<Subresource, PartStrategy<T>>>;
  /**
   * What a new generation is counted by: the spec, the template, or the whole body and the labels. Absent: the spec of kinds that have a
   * status to observe it; other kinds have no generation.
   */
  readonly generation?: 'spec' | 'template' | 'body' | 'none';
  /** Seconds that a deletion waits for whoever runs the object (pods), unless the client says how many. Absent: nobody does, it is removed at once. */
  gracePeriod?(object: T): number | undefined;
}

export interface PartStrategy<T extends KubeObject = KubeObject> {
  /** Keeps in `object` what this part does not cover. For `status`, the pipeline has done so. `now`: milliseconds since the epoch. */
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
