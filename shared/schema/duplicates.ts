import { Path } from './path.ts';
import { endOfText } from './values.ts';

/** The most faults of one answer. */
const maxFaults = 32;
/** The deepest level that is checked: no object is nested deeper. */
const maxDepth = 256;

/**
 * The duplicate members of a JSON text, each as `duplicate field "spec.replicas"`: parsing keeps only the last of them.
 * `value`: what the text was parsed to; the text must be valid.
 */
export function duplicateFields(text: string, value: unknown): string[] {
  // As many names as members: no duplicates. That is the common case, and a cheap check.
  if (namesIn(text) === membersOf(value)) return [];
  const scan = new Scan(text);
  scan.value();
  return scan.faults();
}

/** The number of strings that a colon follows. */
function namesIn(text: string): number {
  let count = 0;
  for (let open = text.indexOf('"'); open >= 0; ) {
    const close = endOfText(text, open);
    let next = close + 1;
    let code = text.charCodeAt(next);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = text.charCodeAt(++next);
    if (code === 0x3a) count++;
    open = text.indexOf('"', next);
  }
  return count;
}

/** Without recursion: no schema limits the depth of a body. */
function membersOf(value: unknown): number {
  let count = 0;
  const waiting: unknown[] = [value];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (Array.isArray(at)) {
      for (const item of at) if (typeof item === 'object' && item !== null) waiting.push(item);
      continue;
    }
    if (typeof at !== 'object' || at === null) continue;
    for (const name in at) {
      count++;
      const inner = (at as Record<string, unknown>)[name];
      if (typeof inner === 'object' && inner !== null) waiting.push(inner);
    }
  }
  return count;
}

/** A walk through valid JSON that keeps the names of the open objects. */
class Scan {
  readonly #text: string;
  readonly #path = new Path();
  readonly #found = new Set<string>();
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  faults(): string[] {
    return [...this.#found].slice(0, maxFaults).map((path) => `duplicate field ${JSON.stringify(path)}`);
  }

  value(): void {
    this.#skipSpace();
    const first = this.#text[this.#at];
    if ((first === '{' || first === '[') && this.#depth === maxDepth) {
      this.#at = this.#text.length;
      return;
    }
    this.#depth++;
    if (first === '{') this.#object();
    else if (first === '[') this.#list();
    else if (first === '"') this.#at = endOfText(this.#text, this.#at) + 1;
    else while (this.#at < this.#text.length && !/[,\]}\s]/.test(this.#text[this.#at] ?? '')) this.#at++;
    this.#depth--;
  }

  #object(): void {
    const names = new Set<string>();
    this.#at++;
    for (this.#skipSpace(); this.#text[this.#at] === '"'; this.#skipSpace()) {
      const end = endOfText(this.#text, this.#at) + 1;
      const name = JSON.parse(this.#text.slice(this.#at, end)) as string;
      if (names.has(name)) this.#found.add(this.#path.text(name));
      names.add(name);
      this.#at = end;
      this.#skipSpace();
      this.#at++;
      this.#path.push(name);
      this.value();
      this.#path.pop();
      this.#skipSpace();
      if (this.#text[this.#at] === ',') this.#at++;
    }
    this.#at++;
  }

  #list(): void {
    this.#at++;
    this.#skipSpace();
    for (let index = 0; this.#at < this.#text.length && this.#text[this.#at] !== ']'; index++) {
      this.#path.push(index);
      this.value();
      this.#path.pop();
      this.#skipSpace();
      if (this.#text[this.#at] === ',') this.#at++;
      this.#skipSpace();
    }
    this.#at++;
  }

  #skipSpace(): void {
    while (' \n\r\t'.includes(this.#text[this.#at] ?? '-')) this.#at++;
  }
}
