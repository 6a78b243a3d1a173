import {
  Composer,
  type CST,
  type Document,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  YAMLParseError,
} from 'yaml';
import { ApiError } from '../errors.ts';
import { checkDepth } from './depth.ts';
import { duplicateFields } from './duplicates.ts';
import { parseExactly } from './exact-numbers.ts';
import { boundValues } from './values.ts';
import { checkYamlNumbers } from './yaml-numbers.ts';

/** Tokens of a YAML text. Each takes its reader some five microseconds, in which no other request is served; JSON takes a hundredth of that. */
const maxTokens = 30_000;
/** Characters: a long text of many lines is one token. The store takes no larger object. */
const maxText = 1536 * 1024;
/** The deepest nesting. The library follows it by recursion, and a stack that ends inside of it can end the process. */
const maxDepth = 256;
/** The most faults of one answer. */
const maxFaults = 32;

/**
 * Parses YAML; `duplicates` in the words of Go's YAML reader. Throws YAMLParseError; BadRequest for nesting deeper than
 * `maxDepth` and for a number that a double cannot represent; RequestEntityTooLarge for more than `maxTokens` or `maxText`.
 */
export function readYaml(text: string): { value: unknown; duplicates: string[] } {
  const json = jsonOf(text);
  if (json !== undefined) return { value: json, duplicates: [] };
  if (text.length > maxText) throw tooLarge(`${maxText} characters of YAML`);
  const lines = new LineCounter();
  const document = compose(tokensOf(text, lines), text, lines);
  checkYamlNumbers(document, text);
  const faults: string[] = [];
  findDuplicates(document.contents, lines, faults);
  const duplicates = faults.length > 0 ? [`yaml: unmarshal errors:\n  ${faults.join('\n  ')}`] : [];
  return { value: document.toJS({ maxAliasCount: 100 }), duplicates };
}

/** JSON is YAML too, and much faster to parse as JSON. Undefined: the text is no JSON, or has duplicates. */
function jsonOf(text: string): unknown {
  if (!text.startsWith('{')) return undefined;
  boundValues(text);
  checkDepth(text);
  try {
    const value = parseExactly(text);
    return duplicateFields(text, value).length > 0 ? undefined : value;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Ends at the first fault. */
function tokensOf(text: string, lines: LineCounter): CST.Token[] {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  const tokens: CST.Token[] = [];
  const take = (token: CST.Token): void => {
    if (token.type === 'error') throw located(token.message, token.offset, lines);
    tokens.push(token);
  };
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (++count > maxTokens) throw tooLarge(`${maxTokens} tokens of YAML`);
    for (const token of parser.next(lexeme)) take(token);
    if (parser.stack.length > maxDepth) {
      throw new ApiError('BadRequest', `the body is nested deeper than ${maxDepth} levels`);
    }
  }
  for (const token of parser.end()) take(token);
  return tokens;
}

function compose(tokens: readonly CST.Token[], text: string, lines: LineCounter): Document.Parsed {
  const composer = new Composer({ uniqueKeys: false, prettyErrors: false });
  const [document, more] = composer.compose(tokens, true, text.length);
  if (!document) throw new Error('a text without any document');
  const [error] = document.errors;
  if (error) throw located(error.message, error.pos[0], lines);
  if (more) throw located('more than one document', more.range[0], lines);
  return document;
}

function located(message: string, offset: number, lines: LineCounter): YAMLParseError {
  const { line, col } = lines.linePos(offset);
  return new YAMLParseError([offset, offset + 1], 'UNEXPECTED_TOKEN', `${message} at line ${line}, column ${col}`);
}

function tooLarge(limit: string): ApiError {
  return new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${limit}`);
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
