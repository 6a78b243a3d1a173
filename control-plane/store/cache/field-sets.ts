import type { KubeObject } from '../../../shared/object.ts';
import { endOfText } from '../../../shared/schema/values.ts';

/** A tree of field names, as it stands in `metadata.managedFields[].fieldsV1`. Never changed once read: parts of it are shared. */
interface Tree {
  readonly [element: string]: Tree;
}

/** How many different sets a generation remembers. */
const generationSize = 512;
/** The longest text of a set that is remembered: a longer one is no template's. */
const longestShared = 16 * 1024;
/** About what one more value takes in memory, beside its text, in bytes. */
const valueBytes = 100;
/** The deepest tree that is read here; a deeper one is left to the plain parser. */
const maxDepth = 64;

const begin = '"managedFields":[';
const field = '"fieldsV1":{';

const leaf: Tree = Object.freeze({});

/** Sets of fields by their texts: each once, as long as it is in use. */
export class SharedFieldSets {
  /** What was read lately; what is used again passes on to the younger generation. */
  #young = new Map<string, Tree>();
  #old = new Map<string, Tree>();
  /** About how much memory the sets take that were made, in bytes. */
  made = 0;

  /** The set that `text` stands for. Throws SyntaxError when it is no JSON. */
  of(text: string): Tree {
    const young = this.#young.get(text);
    if (young) return young;
    const old = this.#old.get(text);
    const tree = old ?? new TreeParser(text).parse();
    if (!old) this.made += heapBytes(text);
    if (text.length > longestShared) return tree;
    if (this.#young.size >= generationSize) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    // A copy: a part of a text keeps the whole of it in memory.
    this.#young.set(Buffer.from(text).toString(), tree);
    return tree;
  }
}

/**
 * Reads stored objects in which the sets of owned fields are shared: pods of one template have the same, and a set's leaves
 * are one object in all of them. As plain JSON they would be three quarters of what a pod takes in memory.
 */
export class ObjectReader {
  readonly #sets = new SharedFieldSets();
  /** About how much memory the last object takes that was read, without what others share with it, in bytes. */
  cost = 0;

  /** Throws SyntaxError when the text is no JSON. */
  read(text: string): unknown {
    const start = text.indexOf(begin);
    const made = this.#sets.made;
    if (start < 0) return this.#plain(text);
    const trees: Tree[] = [];
    let rest = '';
    let from = 0;
    for (let at = text.indexOf(field, start); at >= 0; at = text.indexOf(field, from)) {
      const open = at + field.length - 1;
      const end = endOf(text, open);
      if (end < 0) return this.#plain(text);
      trees.push(this.#sets.of(text.slice(open, end)));
      rest += `${text.slice(from, open)}0`;
      from = end;
    }
    rest += text.slice(from);
    const object: unknown = JSON.parse(rest);
    if (!fill(object, trees)) return this.#plain(text);
    this.cost = heapBytes(rest) + this.#sets.made - made;
    return object;
  }

  #plain(text: string): unknown {
    this.cost = heapBytes(text);
    return JSON.parse(text);
  }
}

/** About how much memory the value of a JSON text takes: its values are a comma apart. */
export function heapBytes(text: string): number {
  let values = 1;
  for (let at = text.indexOf(','); at >= 0; at = text.indexOf(',', at + 1)) values++;
  return text.length + values * valueBytes;
}

/** False when the places are others than the object's own entries: some other member is called so. */
function fill(object: unknown, trees: readonly Tree[]): boolean {
  const entries = (object as Partial<KubeObject> | null)?.metadata?.managedFields;
  if (!Array.isArray(entries)) return false;
  let next = 0;
  for (const entry of entries as { fieldsV1?: unknown }[]) {
    if (entry?.fieldsV1 === undefined) continue;
    if (entry.fieldsV1 !== 0 || next === trees.length) return false;
    entry.fieldsV1 = trees[next++];
  }
  return next === trees.length;
}

/** The index after the object that opens at `open`; -1 when it does not close. */
function endOf(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) i = endOfText(text, i);
    else if (code === 0x7b) depth++;
    else if (code === 0x7d && --depth === 0) return i + 1;
    if (depth > maxDepth || i < 0) return -1;
  }
  return -1;
}

/** JSON of nothing but objects and their members' names, written without spaces, as it is stored. */
class TreeParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Tree {
    const tree = this.#object();
    return this.#at === this.#text.length ? tree : (JSON.parse(this.#text) as Tree);
  }

  #object(): Tree {
    const text = this.#text;
    if (text.charCodeAt(this.#at) !== 0x7b) return this.#give();
    if (text.charCodeAt(this.#at + 1) === 0x7d) {
      this.#at += 2;
      return leaf;
    }
    const out: Record<string, Tree> = {};
    do {
      const open = this.#at + 1;
      if (text.charCodeAt(open) !== 0x22) return this.#give();
      const close = endOfText(text, open);
      const quoted = text.slice(open, close + 1);
      const name = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
      if (text.charCodeAt(close + 1) !== 0x3a || name === '__proto__') return this.#give();
      this.#at = close + 2;
      out[name] = this.#object();
    } while (text.charCodeAt(this.#at) === 0x2c);
    if (text.charCodeAt(this.#at) !== 0x7d) return this.#give();
    this.#at++;
    return out;
  }

  /** It is written otherwise: not ours to read. */
  #give(): Tree {
    this.#at = Number.NaN;
    return leaf;
  }
}
