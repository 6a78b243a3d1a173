import { isRecord, setMember } from '../../../shared/records.ts';
import { deepEqual } from './equal.ts';
import { Pieces } from './pieces.ts';
import { shownPath, unfit } from './refusal.ts';

type Container = Record<string, unknown> | unknown[];

/** Lists that are longer are changed in pieces. */
const longList = 1_024;

/** Why a path leads to nothing. */
class Missing {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

/**
 * A JSON document under the operations of one patch. The value that it begins with is not changed: each object or list is
 * copied before its first change, once. So all of a patch costs about its own size and that of what it changes.
 * Paths are JSON pointers (RFC 6901); one that leads to nothing throws Invalid.
 */
export class PatchedDocument {
  #root: unknown;
  /** What has been copied, and so may be changed in place. */
  readonly #own = new Set<Container>();
  /** What is in the long lists that were changed; their arrays are filled when the patch is done. */
  readonly #pieces = new Map<readonly unknown[], Pieces>();

  constructor(root: unknown) {
    this.#root = root;
  }

  /** The document as it is now. Nothing may be changed after. */
  finish(): unknown {
    for (const [list, pieces] of this.#pieces) {
      const items = list as unknown[];
      items.length = 0;
      for (const item of pieces.whole()) items.push(item);
    }
    return this.#root;
  }

  /** Whether the path names a member that its object does not have. */
  isAbsentMember(path: string): boolean {
    const slash = path.lastIndexOf('/');
    if (slash < 0) return false;
    const parent = this.#find(path.slice(0, slash));
    return isRecord(parent) && !(parent instanceof Missing) && !Object.hasOwn(parent, unescaped(path.slice(slash + 1)));
  }

  /** Whether the value at a path is this one. */
  is(path: string, value: unknown): boolean {
    return deepEqual(this.#read(path), value, (list) => this.#items(list));
  }

  /** The JSON text of the value at a path. */
  text(path: string): string {
    const value = this.#read(path);
    if (this.#pieces.size === 0) return JSON.stringify(value);
    return JSON.stringify(value, (_name, one: unknown) => (Array.isArray(one) ? this.#items(one) : one));
  }

  replace(path: string, value: unknown): void {
    this.#read(path);
    if (path === '') {
      this.#root = value;
      return;
    }
    const { parent, last } = this.#writable(path);
    if (Array.isArray(parent)) this.#setItem(parent, this.#indexIn(parent, last, path), value);
    else setMember(parent, last, value);
  }

  add(path: string, value: unknown): void {
    if (path === '') {
      this.#root = value;
      return;
    }
    const { parent, last } = this.#writable(path);
    if (Array.isArray(parent)) this.#insertItem(parent, last, path, value);
    else setMember(parent, last, value);
  }

  /** Answers what was there. */
  remove(path: string): unknown {
    const value = this.#read(path);
    if (path === '') throw unfit('the whole object cannot be removed');
    const { parent, last } = this.#writable(path);
    if (Array.isArray(parent)) this.#removeItem(parent, this.#indexIn(parent, last, path));
    else delete parent[last];
    return value;
  }

  #read(path: string): unknown {
    const found = this.#find(path);
    if (found instanceof Missing) throw unfit(found.why);
    return found;
  }

  #find(path: string): unknown {
    const fault = malformed(path);
    if (fault) return fault;
    let at = this.#root;
    for (const token of tokensOf(path)) {
      at = this.#child(at, token, path);
      if (at instanceof Missing) return at;
    }
    return at;
  }

  /** The object or list that holds the last token of the path, ready to be changed. */
  #writable(path: string): { parent: Container; last: string } {
    const fault = malformed(path);
    if (fault) throw unfit(fault.why);
    const slash = path.lastIndexOf('/');
    let at = this.#owned(this.#root, path);
    this.#root = at;
    for (const token of tokensOf(path.slice(0, slash))) {
      const below = this.#child(at, token, path);
      if (below instanceof Missing) throw unfit(below.why);
      const own = this.#owned(below, path);
      if (Array.isArray(at)) this.#setItem(at, this.#indexIn(at, token, path), own);
      else setMember(at, token, own);
      at = own;
    }
    return { parent: at, last: unescaped(path.slice(slash + 1)) };
  }

  #owned(value: unknown, path: string): Container {
    if (value === null || typeof value !== 'object') throw unfit(noSuch(path));
    const there = value as Container;
    if (this.#own.has(there)) return there;
    const copy = Array.isArray(there) ? there.slice() : { ...there };
    this.#own.add(copy);
    return copy;
  }

  #child(at: unknown, token: string, path: string): unknown {
    if (Array.isArray(at)) {
      const index = indexAmong(this.#lengthOf(at), token, path);
      if (index instanceof Missing) return index;
      const pieces = this.#pieces.get(at);
      return pieces ? pieces.get(index) : at[index];
    }
    if (at !== null && typeof at === 'object' && Object.hasOwn(at, token)) {
      return (at as Record<string, unknown>)[token];
    }
    return new Missing(noSuch(path));
  }

  #indexIn(list: readonly unknown[], token: string, path: string, more = 0): number {
    const length = this.#lengthOf(list);
    const index = indexAmong(length, token, path, length + more);
    if (index instanceof Missing) throw unfit(index.why);
    return index;
  }

  #insertItem(list: unknown[], token: string, path: string, value: unknown): void {
    const length = this.#lengthOf(list);
    const index = token === '-' ? length : this.#indexIn(list, token, path, 1);
    const pieces = this.#piecesOf(list);
    if (pieces) pieces.insert(index, value);
    else list.splice(index, 0, value);
  }

  #removeItem(list: unknown[], index: number): void {
    const pieces = this.#piecesOf(list);
    if (pieces) pieces.remove(index);
    else list.splice(index, 1);
  }

  #setItem(list: unknown[], index: number, value: unknown): void {
    const pieces = this.#pieces.get(list);
    if (pieces) pieces.set(index, value);
    else list[index] = value;
  }

  #piecesOf(list: unknown[]): Pieces | undefined {
    let pieces = this.#pieces.get(list);
    if (!pieces && list.length > longList) {
      pieces = new Pieces(list);
      this.#pieces.set(list, pieces);
    }
    return pieces;
  }

  #lengthOf(list: readonly unknown[]): number {
    return this.#pieces.get(list)?.length ?? list.length;
  }

  #items(list: readonly unknown[]): readonly unknown[] {
    return this.#pieces.get(list)?.whole() ?? list;
  }
}

/** The place that a token names among so many; -1 is the last, as Kubernetes' patches have it beyond the RFC. */
function indexAmong(length: number, token: string, path: string, places = length): number | Missing {
  const named = /^-?(0|[1-9][0-9]{0,8})$/.test(token) ? Number(token) : Number.NaN;
  const at = named < 0 ? named + places : named;
  return at >= 0 && at < places ? at : new Missing(`${noSuch(path)}: the list has ${length} items`);
}

function malformed(path: string): Missing | undefined {
  if (path === '' || path.startsWith('/')) return undefined;
  return new Missing(`the path ${JSON.stringify(shownPath(path))} must start with "/"`);
}

/** One after the other: a path may name more levels than any document has. */
function* tokensOf(path: string): Generator<string> {
  for (let at = 0; at < path.length; ) {
    const next = path.indexOf('/', at + 1);
    const end = next < 0 ? path.length : next;
    yield unescaped(path.slice(at + 1, end));
    at = end;
  }
}

function unescaped(token: string): string {
  return token.includes('~') ? token.replaceAll('~1', '/').replaceAll('~0', '~') : token;
}

function noSuch(path: string): string {
  return `the path ${shownPath(path)} does not exist`;
}
