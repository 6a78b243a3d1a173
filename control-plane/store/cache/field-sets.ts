import type { KubeObject } from '../../../shared/object.ts';
import { endOfText } from '../../../shared/schema/values.ts';

/** A tree of field names, the value of `metadata.managedFields[].fieldsV1`. It never changes once it is read: objects share it. */
interface Tree {
  readonly [element: string]: Tree;
}

/** How many different sets a generation holds. */
const generationSize = 512;
/** The longest text of a set that is shared, in characters: longer ones rarely repeat. */
const longestShared = 16 * 1024;
/** About the memory of one more value besides its text, in bytes. */
const valueBytes = 100;
/** The deepest set that is shared. */
const maxDepth = 64;

const begin = '"managedFields":[';
const field = '"fieldsV1":{';

const leaf: Tree = Object.freeze({});

/** Sets of fields by their texts, so that equal sets are one object. Sets that were not used for two generations are dropped. */
export class SharedFieldSets {
  /** The sets of the present generation, and of the one before. */
  #young = new Map<string, Tree>();
  #old = new Map<string, Tree>();
  /** About the memory of all sets that were parsed, in bytes. */
  made = 0;

  /** The set whose JSON is `text`. Throws SyntaxError when it is no JSON. */
  of(text: string): Tree {
    const young = this.#young.get(text);
    if (young) return young;
    const old = this.#old.get(text);
    const tree = old ?? (withSharedLeaves(JSON.parse(text)) as Tree);
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
 * Parses stored objects so that they share their sets of owned fields: pods of one template have equal sets, and all sets
 * share one leaf. Parsed as plain JSON, the sets would take two thirds of a pod's memory.
 */
export class ObjectReader {
  readonly #sets = new SharedFieldSets();
  /** About the memory of the last object that was read, without what it shares with others, in bytes. */
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

/** About the memory of a JSON text's value, in bytes: commas separate its values. */
export function heapBytes(text: string): number {
  let values = 1;
  for (let at = text.indexOf(','); at >= 0; at = text.indexOf(',', at + 1)) values++;
  return text.length + values * valueBytes;
}

/** Sets the trees into the entries. False when they do not fit: another member of the object has the same name. */
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

/** The tree with the shared leaf in the place of each of its empty objects: they are most of its nodes. Changes the tree. */
function withSharedLeaves(node: unknown): unknown {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) return node;
  const tree = node as Record<string, unknown>;
  let empty = true;
  for (const name in tree) {
    empty = false;
    tree[name] = withSharedLeaves(tree[name]);
  }
  return empty ? leaf : tree;
}
