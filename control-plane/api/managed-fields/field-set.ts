/**
 * A set of fields in the form of `managedFields[].fieldsV1` (structured-merge-diff, `fieldpath`): a tree of path elements. A node
 * without children is a member; a node with children is a member only when it has the child `.`.
 *
 *   f:NAME  a field or a map's entry      k:{…}  the item of a list with these keys
 *   v:JSON  the item of a set             i:N    the item at an index
 *
 * Sets are immutable, so that they share parts. Their elements are in Kubernetes' order.
 */
export interface FieldSet {
  readonly [element: string]: FieldSet;
}

/** A set under construction. */
export type MutableSet = Record<string, FieldSet>;

/** A member without children. */
export const member: FieldSet = Object.freeze({});

const self = '.';

export function isEmpty(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

/** Whether the node is a field itself, not only the parent of some. */
export function isMember(node: FieldSet): boolean {
  return self in node || isEmpty(node);
}

/** Whether anything below the node is a member. */
export function hasChildren(node: FieldSet): boolean {
  for (const element in node) if (element !== self) return true;
  return false;
}

/** A node with these children; undefined when neither it nor a child is a member. */
export function nodeOf(isSelf: boolean, children: FieldSet | undefined): FieldSet | undefined {
  if (!children || isEmpty(children)) return isSelf ? member : undefined;
  return isSelf ? { [self]: member, ...children } : children;
}

/** Members of either. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  return a === b ? a : unionOf([a, b]);
}

/** Members of any; linear in the sizes of the sets. */
export function unionOf(sets: readonly FieldSet[]): FieldSet {
  const [only] = sets;
  if (sets.length < 2) return only ?? {};
  const nodes = new Map<string, FieldSet[]>();
  for (const set of sets) {
    for (const element in set) {
      const node = set[element];
      if (element === self || !node) continue;
      const same = nodes.get(element);
      if (same) same.push(node);
      else nodes.set(element, [node]);
    }
  }
  const out: MutableSet = {};
  for (const element of sorted([...nodes.keys()])) {
    const found = nodes.get(element) ?? [];
    const [first = member] = found;
    if (found.every((node) => node === first)) out[element] = first;
    else out[element] = nodeOf(found.some(isMember), unionOf(found)) ?? member;
  }
  return out;
}

/** Members of `a` that are not in `b`. Removing a member keeps its children. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const out: MutableSet = {};
  for (const element in a) {
    const [left, right] = [a[element], b[element]];
    if (element === self || !left || left === right) continue;
    const rest = right ? nodeOf(isMember(left) && !isMember(right), difference(left, right)) : left;
    if (rest) out[element] = rest;
  }
  return out;
}

/** Members of both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const out: MutableSet = {};
  for (const element in a) {
    const [left, right] = [a[element], b[element]];
    if (element === self || !left || !right) continue;
    const both = left === right ? left : nodeOf(isMember(left) && isMember(right), intersection(left, right));
    if (both) out[element] = both;
  }
  return out;
}

function elementsOf(set: FieldSet): string[] {
  return Object.keys(set).filter((element) => element !== self);
}

/** The members, each as its path, in order. */
export function* pathsOf(set: FieldSet, prefix: readonly string[] = []): Generator<readonly string[]> {
  for (const element of elementsOf(set)) {
    const node = set[element];
    if (node && isMember(node)) yield [...prefix, element];
  }
  for (const element of elementsOf(set)) {
    const node = set[element];
    if (node && hasChildren(node)) yield* pathsOf(node, [...prefix, element]);
  }
}

export function hasPath(set: FieldSet, path: readonly string[]): boolean {
  let node: FieldSet | undefined = set;
  for (const element of path) node = node?.[element];
  return node !== undefined && path.length > 0 && isMember(node);
}

/** As Kubernetes prints a path: `.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]`. */
export function printPath(path: readonly string[]): string {
  return path.map(printElement).join('');
}

export function printElement(element: string): string {
  const rest = element.slice(2);
  switch (element[0]) {
    case 'f':
      return `.${rest}`;
    case 'k': {
      const keys = Object.entries(JSON.parse(rest) as Record<string, unknown>);
      return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`;
    }
    case 'v':
      return `[=${rest}]`;
    default:
      return `[${rest}]`;
  }
}

/** `k:{…}`: the pairs must come in the order of their names. */
export function keyElement(pairs: readonly (readonly [string, unknown])[]): string {
  return `k:{${pairs.map(([name, value]) => `${goJson(name)}:${goJson(value)}`).join(',')}}`;
}

export function valueElement(value: unknown): string {
  return `v:${goJson(value)}`;
}

/** JSON as Go's encoder writes it, with HTML characters escaped. */
function goJson(value: unknown): string {
  const text = JSON.stringify(value);
  return /[<>&\u2028\u2029]/.test(text)
    ? text.replace(/[<>&\u2028\u2029]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : text;
}

/** Elements in Kubernetes' order, without duplicates. Each is parsed once. */
export function sorted(elements: readonly string[]): string[] {
  const once = [...new Set(elements)];
  if (once.every((element) => element.startsWith('f:'))) return once.sort();
  return once
    .map(ranked)
    .sort(compareRanked)
    .map(({ element }) => element);
}

const kinds = 'fkvi';

interface Ranked {
  readonly element: string;
  /** The text after the colon; of keys and values, parsed. */
  readonly value: unknown;
}

function ranked(element: string): Ranked {
  const rest = element.slice(2);
  const kind = element[0];
  if (kind === 'f') return { element, value: rest };
  return { element, value: kind === 'k' || kind === 'v' ? JSON.parse(rest) : Number(rest) };
}

function compareRanked(a: Ranked, b: Ranked): number {
  const [kind, other] = [a.element[0] ?? '', b.element[0] ?? ''];
  if (kind !== other) return kinds.indexOf(kind) - kinds.indexOf(other);
  if (kind === 'k') return compareKeys(a.value as Record<string, unknown>, b.value as Record<string, unknown>);
  return compareValues(a.value, b.value);
}

function compareKeys(a: Record<string, unknown>, b: Record<string, unknown>): number {
  const [left, right] = [Object.entries(a), Object.entries(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [[name, value], [otherName, otherValue]] = [left[i] ?? ['', 0], right[i] ?? ['', 0]];
    if (name !== otherName) return name < otherName ? -1 : 1;
    const order = compareValues(value, otherValue);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** Numbers before strings before booleans, as structured-merge-diff orders values. */
export function compareValues(a: unknown, b: unknown): number {
  if (typeof a !== typeof b) return rankOf(a) - rankOf(b);
  const [left, right] = [a as string, b as string];
  return left < right ? -1 : left > right ? 1 : 0;
}

function rankOf(value: unknown): number {
  return ['number', 'string', 'boolean'].indexOf(typeof value);
}

/**
 * A set that a client sent, in Kubernetes' order and without invalid path elements. Throws SyntaxError when a key of a list is no JSON.
 */
export function readFieldSet(value: unknown, depth = 0): FieldSet {
  const out: MutableSet = {};
  if (typeof value !== 'object' || value === null || depth > maxDepth) return out;
  const found = new Map<string, unknown>();
  let isSelf = false;
  for (const [element, below] of Object.entries(value)) {
    if (element === self) isSelf = true;
    else if (/^[fkvi]:/.test(element)) found.set(normal(element), below);
  }
  if (isSelf && found.size > 0 && depth > 0) out[self] = member;
  for (const element of sorted([...found.keys()])) out[element] = readFieldSet(found.get(element), depth + 1);
  return out;
}

const maxDepth = 64;

function normal(element: string): string {
  if (element.startsWith('k:')) {
    const keys: unknown = JSON.parse(element.slice(2));
    if (typeof keys !== 'object' || keys === null || Array.isArray(keys))
      throw new SyntaxError('keys must be an object');
    return keyElement(Object.entries(keys).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  if (element.startsWith('v:')) return valueElement(JSON.parse(element.slice(2)));
  return element;
}
