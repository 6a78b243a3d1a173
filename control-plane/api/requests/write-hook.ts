import type { KindDef, KindId } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { Guard, Item, Write } from '../../store/store.ts';
import type { Identity } from '../auth/identity.ts';
import type { Observed } from './observed.ts';

/** One change of one object, before it is stored. Both states are shared: a hook must not change them. */
export interface ObjectChange {
  readonly identity: Identity;
  readonly def: KindDef;
  /** Absent: a create. */
  readonly before: KubeObject | undefined;
  /** Absent: a removal. */
  readonly after: KubeObject | undefined;
}

/**
 * What is stored along with the objects of some kinds, in the object's own transaction. The table of all hooks is
 * `resources/write-hooks.ts`.
 */
export interface WriteHook {
  /** Absent: all kinds. */
  readonly kinds?: readonly KindId[];
  /** Called before each transaction of a write. `observed`: what earlier ones showed. Throws ApiError to refuse the write. */
  contribute(change: ObjectChange, observed: Observed): Contribution | undefined;
}

export interface Contribution {
  /** The object with what the hook fills in. Absent: `after` as it is. */
  readonly object?: KubeObject;
  readonly guards?: readonly Guard[];
  readonly writes?: readonly Write[];
  /** Grants the lease that the object is stored with. */
  readonly lease?: () => Promise<string>;
  /**
   * Called when a guard did not hold, but the object is still the one that the write was decided on. `current`: the guarded keys that
   * exist. The write is tried again unless this throws an ApiError.
   */
  refused?(current: ReadonlyMap<string, Item>): void;
}
