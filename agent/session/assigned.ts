import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import { keyOf } from '../../shared/object.ts';
import type { Assignment, ToNode } from '../../shared/session.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { Unusable } from './unusable.ts';

/** How the agent reads and keeps one kind of assigned object. */
export interface AssignedKind<T extends object = object> {
  /** The typed value of an object off the wire. Throws Unusable to leave the object out; any other error ends the session. */
  parse(object: unknown): T;
  /** Whether subscribers see no difference between the two. Absent: deep equality. */
  equal?(a: T, b: T): boolean;
  /** The folder of the checkpoint that holds the objects. Absent: the subscribers keep what they need. */
  readonly checkpoint?: string;
}

/** The kinds by their names on the wire. */
export type AssignedTable = Readonly<Record<string, AssignedKind>>;

type KindOf<Table> = Extract<keyof Table, string>;
type ObjectOf<Table extends AssignedTable, K extends keyof Table> = ReturnType<Table[K]['parse']>;

/** What one message changed. */
export interface AssignedChanges<K extends string = string> {
  /** The message named everything that is assigned. */
  readonly complete: boolean;
  /** The keys of objects that were added, changed or removed. */
  of(kind: K): ReadonlySet<string>;
}

/**
 * The objects that the control plane has assigned to this node: kind → key (`namespace/name`, or `name`) → object.
 * Subscribers are called after a message has been applied whole.
 */
export class Assigned<Table extends AssignedTable> {
  readonly #kinds: ReadonlyMap<string, AssignedObjects>;
  readonly #checkpoint: Pick<Checkpoint, 'put' | 'remove'>;
  readonly #log: Log;
  readonly #subscribers: Array<(changes: AssignedChanges) => void> = [];
  /** Kinds off the wire that are not in the table, and have been logged. */
  readonly #unknown = new Set<string>();

  constructor(table: Table, deps: { checkpoint: Pick<Checkpoint, 'put' | 'remove'>; log: Log }) {
    this.#kinds = new Map(Object.entries(table).map(([kind, entry]) => [kind, new AssignedObjects(entry)]));
    this.#checkpoint = deps.checkpoint;
    this.#log = deps.log.child({ component: 'assigned' });
  }

  of<K extends KindOf<Table>>(kind: K): ReadonlyMap<string, ObjectOf<Table, K>> {
    return this.#objectsOf(kind).byKey as Map<string, ObjectOf<Table, K>>;
  }

  /** Calls `notify` after each message that changed objects of `kinds`, and after each COMPLETE message. */
  subscribe<K extends KindOf<Table>>(kinds: readonly K[], notify: (changes: AssignedChanges<K>) => void): void {
    this.#subscribers.push((changes) => {
      if (changes.complete || kinds.some((kind) => changes.of(kind).size > 0)) notify(changes);
    });
  }

  /** Applies a message; a COMPLETE one removes what it does not name. Throws, and changes nothing, if an object cannot be parsed. */
  apply({ mode, changes }: Pick<Extract<ToNode, { type: 'assignments' }>, 'mode' | 'changes'>): void {
    const complete = mode === 'COMPLETE';
    const parsed = changes.flatMap((change) => this.#parse(change) ?? []);
    for (const objects of this.#kinds.values()) objects.begin(complete);
    for (const { objects, key, object } of parsed) objects.put(key, object);
    for (const objects of this.#kinds.values()) {
      objects.end();
      this.#save(objects);
    }
    const changed = { complete, of: (kind: string) => this.#objectsOf(kind).changed };
    for (const notify of this.#subscribers) notify(changed);
  }

  /** Takes over what the checkpoint holds of the kinds that are kept there. No subscriber is called. */
  restore(documents: ReadonlyMap<string, unknown>): void {
    for (const [document, object] of documents) {
      const slash = document.indexOf('/');
      for (const objects of this.#kinds.values()) {
        const { entry, byKey } = objects;
        if (slash < 0 || entry.checkpoint !== document.slice(0, slash)) continue;
        try {
          byKey.set(document.slice(slash + 1), entry.parse(object));
        } catch (error) {
          this.#log.error({ document, err: messageOf(error) }, 'object of the checkpoint left out');
        }
      }
    }
  }

  /** Takes over an object that a subscriber has kept. No subscriber is called. */
  put<K extends KindOf<Table>>(kind: K, key: string, object: ObjectOf<Table, K>): void {
    this.#objectsOf(kind).byKey.set(key, object);
  }

  #objectsOf(kind: string): AssignedObjects {
    const objects = this.#kinds.get(kind);
    if (!objects) throw new Error(`no assigned kind ${kind}`);
    return objects;
  }

  #parse(change: Assignment): { objects: AssignedObjects; key: string; object: object | undefined } | undefined {
    const { kind, name, removed } = change;
    const objects = this.#kinds.get(kind);
    if (!objects) {
      // A control plane of a later version may assign kinds that this agent has no use for.
      if (!this.#unknown.has(kind)) this.#log.info({ kind: kind.slice(0, 63) }, 'assigned kind ignored: not known');
      this.#unknown.add(kind);
      return undefined;
    }
    const key = keyOf({ metadata: change });
    if (removed) return { objects, key, object: undefined };
    try {
      return { objects, key, object: objects.entry.parse(change.object) };
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      this.#log.warn({ kind, name: name.slice(0, 253), reason: error.message }, 'assigned object left out');
      return { objects, key, object: undefined };
    }
  }

  #save({ entry, byKey, changed }: AssignedObjects): void {
    if (entry.checkpoint === undefined) return;
    for (const key of changed) {
      const object = byKey.get(key);
      if (object) this.#checkpoint.put(`${entry.checkpoint}/${key}`, object);
      else this.#checkpoint.remove(`${entry.checkpoint}/${key}`);
    }
  }
}

/** The objects of one kind, and which of them the last message changed. */
class AssignedObjects {
  readonly entry: AssignedKind;
  readonly byKey = new Map<string, object>();
  changed = new Set<string>();
  /** Keys that a COMPLETE message has not named yet. */
  #unnamed = new Set<string>();

  constructor(entry: AssignedKind) {
    this.entry = entry;
  }

  begin(complete: boolean): void {
    this.changed = new Set();
    this.#unnamed = new Set(complete ? this.byKey.keys() : []);
  }

  put(key: string, object: object | undefined): void {
    const { byKey, entry } = this;
    const before = byKey.get(key);
    this.#unnamed.delete(key);
    if (!object) {
      if (byKey.delete(key)) this.changed.add(key);
      return;
    }
    byKey.set(key, object);
    if (!before || !(entry.equal?.(before, object) ?? isDeepStrictEqual(before, object))) this.changed.add(key);
  }

  end(): void {
    for (const key of this.#unnamed) this.put(key, undefined);
  }
}
