import type { Kind, KindMap } from '../../../shared/generated/types.ts';
import type { ObjectStore } from '../../../shared/informer.ts';

/** One kind of object that nodes are assigned. The agent's half is in `agent/session/assigned-kinds.ts`. */
export interface AssignedKind<K extends Kind = Kind, T extends object = object> {
  /** The name on the wire. */
  readonly kind: string;
  /** The kind of the API that the objects are made from, one of each, under the same key. */
  readonly source: K;
  /** The objects that the node may be assigned. Absent: only those that another assigned object refers to. */
  candidates?(objects: ObjectStore<KindMap[K]>, node: string): Iterable<KindMap[K]>;
  /** What the node is sent of the object; undefined if the object is not for this node. */
  wantedBy(node: string, object: KindMap[K]): T | undefined;
  /** The part that the agent reads, as text: the object is sent again when that changes. Absent: all of it. */
  fingerprint?(sent: T): string;
  /** The objects that the agent needs for this one. Their kinds stand before this kind in the table. */
  references?(sent: T): Iterable<Reference>;
}

/** An object of an assigned kind. */
export interface Reference {
  readonly kind: string;
  readonly key: string;
}
