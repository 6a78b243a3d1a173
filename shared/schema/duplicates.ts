import { isMap, isScalar, isSeq, Lexer, LineCounter, type Node, parseDocument } from 'yaml';
import { ApiError } from '../errors.ts';
import { Path } from './path.ts';
import { endOfText } from './values.ts';

/** More faults than these tell a person nothing new. */
const maxFaults = 32;
/** No object is nested deeper; what is below is not looked at. */
const maxDepth = 256;

/**
 * The members that a JSON text has twice, each as `duplicate field "spec.replicas"`: parsing keeps only the last of them.
 * `value`: what the text was parsed to; the text must be valid.
 */
export function duplicateFields(text: string, value: unknown): string[] {
  // As many names as members: none stands there twice. That is nearly always so, and cheap to see.
  if (namesIn(text) === membersOf(value)) return [];
  const scan = new Scan(text);
  scan.value();
  return scan.faults();
}

/** Tokens of a YAML text. Each takes its reader some ten microseconds, in which nobody else is served; JSON takes a hundredth of that. */
const maxTokens = 100_000;

/**
 * YAML as a value, and what it has twice, in the words of Go's YAML reader. Throws YAMLParseError, and RequestEntityTooLarge for
 * more than `maxTokens`.
 */
export function readYaml(text: string): { value: unknown; duplicates: string[] } {
  boundTokens(text);
  const lines = new LineCounter();
  const document = parseDocument(text, { uniqueKeys: false, lineCounter: lines });
  const [error] = document.errors;
  if (error) throw error;
  const faults: string[] = [];
  findDuplicates(document.contents, lines, faults);
  const duplicates = faults.length > 0 ? [`yaml: unmarshal errors:\n  ${faults.join('\n  ')}`] : [];
  return { value: document.toJS({ maxAliasCount: 100 }), duplicates };
}

function boundTokens(text: string): void {
  if (text.length < maxTokens) return;
  let count = 0;
  for (const _token of new Lexer().lex(text)) {
    if (++count <= maxTokens) continue;
    throw new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${maxTokens} tokens of YAML`);
  }
}

function findDuplicates(node: Node | null, lines: LineCounter, faults: string[], depth = 0): void {
  if (faults.length >= maxFaults || depth > maxDepth) return;
  if (isSeq(node)) {
    for (const item of node.items) findDuplicates(item as Node | null, lines, faults, depth + 1);
  } else if (isMap(node)) {
    const seen = new Set<string>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : undefined;
      if (name !== undefined && seen.has(name)) {
        const at = isScalar(key) && key.range ? lines.linePos(key.range[0]).line : 0;
        faults.push(`line ${at}: key ${JSON.stringify(name)} already set in map`);
      }
      if (name !== undefined) seen.add(name);
      findDuplicates(value as Node | null, lines, faults, depth + 1);
    }
  }
}

/** Texts that are followed by a colon. */
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

/** Not by recursion: no schema bounds how deep a body goes. */
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

/** A walk through valid JSON that remembers the names of the objects that it is in. */
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
