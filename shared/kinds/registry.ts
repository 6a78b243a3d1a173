import type { KindDef, KindId } from './kind.ts';
import { apiVersionOf } from './names.ts';
import { isStored } from './table.ts';

/**
 * The kinds that are served, as a value: it is passed to routes, discovery, OpenAPI and all other code that handles any kind. Code about
 * one built-in kind uses `kindNamed` (`index.ts`).
 */
export interface KindLookup {
  /** Increases with each change of the kinds. */
  readonly revision: number;
  /** All kinds, each version by itself. */
  readonly served: readonly KindDef[];
  /** The kinds that are stored, each once. */
  readonly stored: readonly KindDef[];
  byId(id: KindId): KindDef | undefined;
  /** By an object's `apiVersion` and `kind`. */
  ofObject(apiVersion: string, kind: string): KindDef | undefined;
  /** By a URL: `/apis/GROUP/VERSION/…/PLURAL`, or `/api/v1/…/PLURAL` with the empty group. */
  ofResource(group: string, version: string, plural: string): KindDef | undefined;
  hasGroup(group: string): boolean;
  /** By its plural, singular, short name or kind, also with its group: `deployments.apps`. */
  find(word: string): KindDef | undefined;
}

/** Kinds may be added and removed while the server runs. */
export class KindRegistry implements KindLookup {
  #index: Index;
  #revision = 0;
  readonly #listeners = new Set<() => void>();

  constructor(kinds: readonly KindDef[]) {
    this.#index = indexOf(kinds);
  }

  get revision(): number {
    return this.#revision;
  }

  get served(): readonly KindDef[] {
    return this.#index.served;
  }

  get stored(): readonly KindDef[] {
    return this.#index.stored;
  }

  byId(id: KindId): KindDef | undefined {
    return this.#index.byId.get(id);
  }

  ofObject(apiVersion: string, kind: string): KindDef | undefined {
    return this.#index.byObject.get(`${apiVersion}/${kind}`);
  }

  ofResource(group: string, version: string, plural: string): KindDef | undefined {
    return this.#index.byResource.get(`${group}/${version}/${plural}`);
  }

  hasGroup(group: string): boolean {
    return this.#index.groups.has(group);
  }

  find(word: string): KindDef | undefined {
    return this.#index.byWord.get(word.toLowerCase());
  }

  /** Throws when a version of one of them is served already. */
  add(kinds: readonly KindDef[]): void {
    for (const { group, version, plural } of kinds) {
      if (this.ofResource(group, version, plural)) throw new Error(`${plural}.${version}.${group} is served already`);
    }
    this.#replace([...this.served, ...kinds]);
  }

  /** Removes all versions of a kind. */
  remove(id: KindId): void {
    this.#replace(this.served.filter((kind) => kind.id !== id));
  }

  /** Calls the listener after each change, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #replace(kinds: readonly KindDef[]): void {
    this.#index = indexOf(kinds);
    this.#revision++;
    for (const listener of this.#listeners) listener();
  }
}

/** A value that is derived from the kinds when it is first read, and again after each change. */
export function derivedFrom<T>(kinds: KindLookup, derive: (kinds: KindLookup) => T): () => T {
  let derived: { readonly revision: number; readonly value: T } | undefined;
  return () => {
    if (derived?.revision !== kinds.revision) derived = { revision: kinds.revision, value: derive(kinds) };
    return derived.value;
  };
}

interface Index {
  readonly served: readonly KindDef[];
  readonly stored: readonly KindDef[];
  readonly byId: ReadonlyMap<KindId, KindDef>;
  readonly byObject: ReadonlyMap<string, KindDef>;
  readonly byResource: ReadonlyMap<string, KindDef>;
  readonly groups: ReadonlySet<string>;
  readonly byWord: ReadonlyMap<string, KindDef>;
}

function indexOf(served: readonly KindDef[]): Index {
  return {
    served,
    stored: served.filter(isStored),
    byId: new Map(served.filter((kind) => !kind.secondVersion).map((kind) => [kind.id, kind])),
    byObject: new Map(served.map((kind) => [`${apiVersionOf(kind)}/${kind.kind}`, kind])),
    byResource: new Map(served.map((kind) => [`${kind.group}/${kind.version}/${kind.plural}`, kind])),
    groups: new Set(served.map(({ group }) => group)),
    byWord: wordsOf(served),
  };
}

/** A name of several kinds is that of the first. */
function wordsOf(served: readonly KindDef[]): Map<string, KindDef> {
  const words = new Map<string, KindDef>();
  for (const kind of served) {
    for (const word of [kind.plural, kind.singular, ...kind.shortNames, kind.kind.toLowerCase()]) {
      if (!words.has(word)) words.set(word, kind);
      if (kind.group) {
        words.set(`${word}.${kind.group}`, kind);
        words.set(`${word}.${kind.version}.${kind.group}`, kind);
      }
    }
  }
  return words;
}
