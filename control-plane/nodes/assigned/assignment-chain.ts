import type { Kind, KindMap } from '../../../shared/generated/types.ts';
import type { Change, Informers, ObjectStore } from '../../../shared/informer.ts';
import { keyOf, splitKey } from '../../../shared/object.ts';
import type { Assignment, ToNode } from '../../../shared/session.ts';
import type { AssignedKind, Reference } from './assigned-kind.ts';

type AssignmentsMessage = Extract<ToNode, { type: 'assignments' }>;

/**
 * What one node is assigned, as a chain of messages: the first is COMPLETE, the others are INCREMENTAL, each for exactly the state
 * that the one before resulted in. `note` marks what may have changed, `next` makes the message.
 */
export class AssignmentChain {
  readonly #kinds: readonly AssignedObjects[];
  readonly #byKind: ReadonlyMap<string, AssignedObjects>;
  readonly #bySource: ReadonlyMap<Kind, readonly AssignedObjects[]>;
  #sequence = 0;

  /** `table`: what an object refers to stands before its own kind. */
  constructor(node: string, informers: Informers, table: readonly AssignedKind[]) {
    this.#kinds = table.map((entry) => new AssignedObjects(entry, node, informers.of(entry.source)));
    this.#byKind = new Map(this.#kinds.map((objects) => [objects.entry.kind, objects]));
    const bySource = new Map<Kind, AssignedObjects[]>();
    for (const objects of this.#kinds) {
      const { source } = objects.entry;
      bySource.set(source, [...(bySource.get(source) ?? []), objects]);
    }
    this.#bySource = bySource;
  }

  /** Takes note of changes; true if one of them may have to be sent. */
  note(changes: readonly Change[]): boolean {
    let found = false;
    for (const change of changes) {
      const kinds = this.#bySource.get(change.kind);
      if (kinds) for (const objects of kinds) if (objects.note(change)) found = true;
    }
    return found;
  }

  /** The next message; undefined if the node is up to date. */
  next(): AssignmentsMessage | undefined {
    const complete = this.#sequence === 0;
    if (complete) for (const objects of this.#kinds) objects.markAll();
    // The last kind first: its objects refer to those of the kinds before it.
    const taken = this.#kinds.toReversed().map((objects) => objects.take((to, by) => this.#refer(to, by)));
    const all = taken.reverse().flat();
    const changes = [...all.filter(({ removed }) => !removed), ...all.filter(({ removed }) => removed)];
    if (!complete && changes.length === 0) return undefined;
    const appliesTo = this.#sequence++;
    return {
      type: 'assignments',
      mode: complete ? 'COMPLETE' : 'INCREMENTAL',
      appliesTo,
      resultsIn: this.#sequence,
      changes,
    };
  }

  #refer({ kind, key }: Reference, by: 1 | -1): void {
    this.#byKind.get(kind)?.refer(key, by);
  }
}

/** The objects of one kind: what was sent of them, and what may have to be sent. */
class AssignedObjects {
  readonly entry: AssignedKind;
  /** Keys that may have changed since they were sent. */
  readonly #dirty = new Set<string>();
  readonly #node: string;
  readonly #source: ObjectStore<KindMap[Kind]>;
  /** Key → the fingerprint of what was sent. */
  readonly #sent = new Map<string, string>();
  /** Key → the number of assigned objects that refer to it. */
  readonly #referrers = new Map<string, number>();
  /** Key → what the object refers to. */
  readonly #references = new Map<string, readonly Reference[]>();

  constructor(entry: AssignedKind, node: string, source: ObjectStore<KindMap[Kind]>) {
    this.entry = entry;
    this.#node = node;
    this.#source = source;
  }

  /** Marks an object that has changed; false if it neither was nor is assigned. */
  note({ key, before, after }: Change): boolean {
    if (!(after && this.#assigned(key, after)) && !(before && this.#assigned(key, before))) return false;
    this.#dirty.add(key);
    return true;
  }

  markAll(): void {
    const { entry } = this;
    for (const object of entry.candidates?.(this.#source, this.#node) ?? []) this.#dirty.add(keyOf(object));
  }

  /** Counts a reference to an object, or one less. */
  refer(key: string, by: 1 | -1): void {
    const before = this.#referrers.get(key) ?? 0;
    const after = before + by;
    if (after === 0) this.#referrers.delete(key);
    else this.#referrers.set(key, after);
    if (before === 0 || after === 0) this.#dirty.add(key);
  }

  /** The differences between what is assigned and what was sent, which count as sent. `refer` is called for references that come and go. */
  take(refer: (reference: Reference, by: 1 | -1) => void): Assignment[] {
    const { kind } = this.entry;
    const changes: Assignment[] = [];
    for (const key of this.#dirty) {
      const source = this.#source.get(key);
      const object = source && this.#assigned(key, source);
      this.#updateReferences(key, object, refer);
      const fingerprint = object && (this.entry.fingerprint?.(object) ?? JSON.stringify(object));
      if (this.#sent.get(key) === fingerprint) continue;
      if (fingerprint === undefined) this.#sent.delete(key);
      else this.#sent.set(key, fingerprint);
      changes.push({ kind, ...splitKey(key), removed: object === undefined, ...(object ? { object } : {}) });
    }
    this.#dirty.clear();
    return changes;
  }

  #assigned(key: string, source: KindMap[Kind]): object | undefined {
    if (!this.entry.candidates && !this.#referrers.has(key)) return undefined;
    return this.entry.wantedBy(this.#node, source);
  }

  #updateReferences(key: string, object: object | undefined, refer: (reference: Reference, by: 1 | -1) => void): void {
    if (!this.entry.references) return;
    const before = this.#references.get(key) ?? [];
    const after = object ? [...this.entry.references(object)] : [];
    // The new ones first: an object that stays referred to is not taken away in between.
    for (const reference of after) refer(reference, 1);
    for (const reference of before) refer(reference, -1);
    if (object) this.#references.set(key, after);
    else this.#references.delete(key);
  }
}
