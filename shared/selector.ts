import { ApiError } from './errors.ts';
import type { LabelSelector, NodeSelector, NodeSelectorTerm, StatusCause } from './generated/types.ts';
import { forbidden, invalid, required } from './schema/causes.ts';
import { isLabelValue, isQualifiedName } from './schema/formats.ts';

/** Labels are matched when all requirements are; a selector without requirements matches everything. */
export interface Selector {
  readonly requirements: readonly Requirement[];
  /** Matches no object, regardless of the requirements. */
  readonly nothing?: true;
}

export interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  /** One for Equals, NotEquals, Gt and Lt; none for Exists and DoesNotExist. */
  readonly values: readonly string[];
}

export type Operator = 'Equals' | 'NotEquals' | 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';

type Labels = Readonly<Record<string, string>> | undefined;

export const everything: Selector = { requirements: [] };
export const nothing: Selector = { requirements: [], nothing: true };

/** The longest text of a selector, in characters: it bounds the cost of matching. */
const maxText = 64 * 1024;

/** kubectl's -l: `app=web,tier in (a,b),!canary`. Throws ApiError BadRequest in Kubernetes' words. */
export function parseLabelSelector(text: string): Selector {
  if (text.length > maxText) throw new ApiError('BadRequest', 'unable to parse requirement: the selector is too long');
  const requirements = new SelectorParser(text).parse();
  for (const requirement of requirements) checkRequirement(requirement);
  return { requirements };
}

/** A LabelSelector object as a Selector. Absent: nothing; without rules: everything. The object must be valid. */
export function selectorOf(selector: LabelSelector | undefined): Selector {
  if (!selector) return nothing;
  const requirements: Requirement[] = equalities(selector.matchLabels);
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    if (!isSetOperator(operator))
      throw new ApiError('BadRequest', `${JSON.stringify(operator)} is not a valid label selector operator`);
    requirements.push({ key, operator, values });
  }
  return { requirements };
}

/** The selector of a plain map (ReplicationController, nodeSelector): all pairs must be there. Empty: everything. */
export function selectorOfMap(labels: Labels): Selector {
  return { requirements: equalities(labels) };
}

export function matchesLabels(selector: Selector, labels: Labels): boolean {
  if (selector.nothing) return false;
  for (const requirement of selector.requirements) {
    if (!matchesRequirement(requirement, labelOf(labels, requirement.key))) return false;
  }
  return true;
}

/** As text that parseLabelSelector reads, sorted by key: what kubectl shows. */
export function formatSelector(selector: Selector): string {
  if (selector.nothing) return '<none>';
  const sorted = [...selector.requirements].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return sorted.map(formatRequirement).join(',');
}

/** The faults of a LabelSelector object at path `field`, but for fields that are required and missing. */
export function validateLabelSelector(selector: LabelSelector, field: string, causes: StatusCause[]): void {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    const keyFault = isQualifiedName(key);
    if (keyFault) causes.push(invalid(`${field}.matchLabels`, key, keyFault));
    const valueFault = isLabelValue(value);
    if (valueFault) causes.push(invalid(`${field}.matchLabels`, value, valueFault));
  }
  for (const [index, expression] of (selector.matchExpressions ?? []).entries()) {
    const path = `${field}.matchExpressions[${index}]`;
    const { key, operator, values = [] } = expression;
    if (!operator) continue;
    if (!isSetOperator(operator)) {
      causes.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'));
    } else if (takesValues(operator) && values.length === 0) {
      causes.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if (!takesValues(operator) && values.length > 0) {
      causes.push(forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
    }
    const keyFault = key && isQualifiedName(key);
    if (keyFault) causes.push(invalid(`${path}.key`, key, keyFault));
    for (const [at, value] of values.entries()) {
      const fault = isLabelValue(value);
      if (fault) causes.push(invalid(`${path}.values[${at}]`, value, fault));
    }
  }
}

/** Whether a node is one of those selected: its terms are alternatives, a term without rules selects nothing. */
export function matchesNodeSelector(selector: NodeSelector, node: { name: string; labels: Labels }): boolean {
  return selector.nodeSelectorTerms.some((term) => matchesNodeTerm(term, node));
}

export function matchesNodeTerm(term: NodeSelectorTerm, node: { name: string; labels: Labels }): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length + matchFields.length === 0) return false;
  return (
    matchExpressions.every(({ key, operator, values = [] }) =>
      matchesRequirement({ operator, values }, labelOf(node.labels, key)),
    ) &&
    matchFields.every(
      ({ key, operator, values = [] }) =>
        key === 'metadata.name' && matchesRequirement({ operator, values }, node.name),
    )
  );
}

/** One equality of a field selector: `spec.nodeName=a` or `status.phase!=Running`. */
export interface FieldRequirement {
  readonly path: string;
  readonly equal: boolean;
  readonly value: string;
}

/** kubectl's --field-selector. Throws ApiError BadRequest; whether a path can be selected is for the kind to say. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  if (text.length > maxText) throw new ApiError('BadRequest', 'invalid field selector: too long');
  const found: FieldRequirement[] = [];
  for (const term of splitUnescaped(text)) {
    const match = /^(.*?)(!=|==|=)(.*)$/s.exec(term);
    if (!match) throw new ApiError('BadRequest', `invalid selector: '${text}'; can't understand '${term}'`);
    const [, path = '', operator = '', value = ''] = match;
    found.push({ path, equal: operator !== '!=', value: unescapeValue(value) });
  }
  return found;
}

/** `fieldOf` gives the object's value of a selectable field; an absent one is the empty text. */
export function matchesFields(requirements: readonly FieldRequirement[], fieldOf: (path: string) => string): boolean {
  return requirements.every(({ path, equal, value }) => (fieldOf(path) === value) === equal);
}

export function formatFieldSelector(requirements: readonly FieldRequirement[]): string {
  return requirements
    .map(({ path, equal, value }) => `${path}${equal ? '=' : '!='}${value.replace(/[\\,=]/g, '\\$&')}`)
    .join(',');
}

/** Not what every JavaScript object inherits: `constructor` is a fine label. */
function labelOf(labels: Labels, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function matchesRequirement(rule: { operator: string; values: readonly string[] }, value: string | undefined): boolean {
  const { operator, values } = rule;
  switch (operator) {
    case 'Equals':
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotEquals':
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const [left, right] = [integer(value), integer(values[0])];
      if (left === undefined || right === undefined || values.length !== 1) return false;
      return operator === 'Gt' ? left > right : left < right;
    }
    default:
      return false;
  }
}

/** A whole number of 64 bits; a label has no more than 63 characters. */
function integer(text = ''): bigint | undefined {
  if (!/^[+-]?\d{1,63}$/.test(text)) return undefined;
  const number = BigInt(text.replace('+', ''));
  return BigInt.asIntN(64, number) === number ? number : undefined;
}

function equalities(labels: Labels): Requirement[] {
  return Object.entries(labels ?? {}).map(([key, value]) => ({ key, operator: 'Equals', values: [value] }));
}

function isSetOperator(operator: string): operator is 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' {
  return operator === 'In' || operator === 'NotIn' || operator === 'Exists' || operator === 'DoesNotExist';
}

function takesValues(operator: string): boolean {
  return operator === 'In' || operator === 'NotIn';
}

function formatRequirement({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'Exists':
      return key;
    case 'DoesNotExist':
      return `!${key}`;
    case 'Equals':
      return `${key}=${values[0] ?? ''}`;
    case 'NotEquals':
      return `${key}!=${values[0] ?? ''}`;
    case 'Gt':
    case 'Lt':
      return `${key}${operator === 'Gt' ? '>' : '<'}${values[0] ?? ''}`;
    case 'In':
    case 'NotIn':
      return `${key} ${operator === 'In' ? 'in' : 'notin'} (${[...values].sort().join(',')})`;
  }
}

function checkRequirement({ key, operator, values }: Requirement): void {
  const keyFault = isQualifiedName(key);
  const cause = keyFault ? invalid('<nil>', key, keyFault) : valueFault(key, operator, values);
  if (cause) throw new ApiError('BadRequest', `unable to parse requirement: ${cause.field}: ${cause.message}`);
}

function valueFault(key: string, operator: Operator, values: readonly string[]): StatusCause | undefined {
  for (const [index, value] of values.entries()) {
    if ((operator === 'Gt' || operator === 'Lt') && integer(value) === undefined)
      return invalid(`values[${index}]`, value, "for 'Gt', 'Lt' operators, the value must be an integer");
    const fault = isLabelValue(value);
    if (fault) return invalid(`values[${index}][${key}]`, value, fault);
  }
  return undefined;
}

/** The terms between commas that no backslash precedes; none is empty. */
function splitUnescaped(text: string): string[] {
  return text.match(/(?:\\.|[^,])+/gs) ?? [];
}

function unescapeValue(value: string): string {
  return value.replace(/\\(.?)|[,=]/gs, (all: string, escaped: string | undefined) => {
    if (escaped === undefined)
      throw new ApiError('BadRequest', `invalid field selector: unescaped character in value: ${all}`);
    if (escaped !== '' && '\\,='.includes(escaped)) return escaped;
    throw new ApiError('BadRequest', `invalid field selector: invalid escape sequence: ${all}`);
  });
}

type Token = { readonly type: 'symbol' | 'identifier' | 'end'; readonly text: string };

const symbols = /^(?:!=|==|=|!|\(|\)|,|<|>)/;
const binaryOperators: ReadonlyMap<string, Operator> = new Map([
  ['in', 'In'],
  ['notin', 'NotIn'],
  ['=', 'Equals'],
  ['==', 'Equals'],
  ['!=', 'NotEquals'],
  ['>', 'Gt'],
  ['<', 'Lt'],
]);

/** Reads the selector grammar of apimachinery's `labels.Parse`, with its words for what it did not expect. */
class SelectorParser {
  readonly #tokens: Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  parse(): Requirement[] {
    const found: Requirement[] = [];
    const first = this.#peek();
    if (first.type === 'end') return found;
    if (!beginsRequirement(first)) fail(`found '${first.text}', expected: !, identifier, or 'end of string'`);
    for (;;) {
      found.push(this.#requirement());
      const next = this.#next();
      if (next.type === 'end') return found;
      if (next.text !== ',') fail(`found '${next.text}', expected: ',' or 'end of string'`);
      const after = this.#peek();
      if (!beginsRequirement(after)) fail(`found '${after.text}', expected: identifier after ','`);
    }
  }

  #requirement(): Requirement {
    const absent = this.#peek().text === '!';
    if (absent) this.#next();
    const key = this.#next();
    if (key.type !== 'identifier') failRequirement(`found '${key.text}', expected: identifier`);
    if (absent) return { key: key.text, operator: 'DoesNotExist', values: [] };
    const follows = this.#peek();
    if (follows.type === 'end' || follows.text === ',') return { key: key.text, operator: 'Exists', values: [] };
    const token = this.#next();
    const operator = binaryOperators.get(token.text);
    if (!operator) failRequirement(`found '${token.text}', expected: in, notin, =, ==, !=, gt, lt`);
    if (operator === 'In' || operator === 'NotIn') return { key: key.text, operator, values: this.#values() };
    return { key: key.text, operator, values: [this.#exactValue()] };
  }

  /** After `=` and its like; nothing at all is the empty value. */
  #exactValue(): string {
    const next = this.#peek();
    if (next.type === 'end' || next.text === ',') return '';
    if (next.type !== 'identifier') failRequirement(`found '${next.text}', expected: identifier`);
    return this.#next().text;
  }

  /** After `in` and `notin`: `(a,b)`. An empty place between commas is the empty value. */
  #values(): string[] {
    const open = this.#next();
    if (open.text !== '(') failRequirement(`found '${open.text}' expected: '('`);
    const values = new Set<string>();
    for (;;) {
      const token = this.#next();
      if (token.type === 'identifier') {
        values.add(token.text);
        const next = this.#next();
        if (next.text === ')') return [...values];
        if (next.text !== ',') failRequirement(`found '${next.text}', expected: ',' or ')'`);
      } else if (token.text === ',') {
        values.add('');
      } else if (token.text === ')') {
        values.add('');
        return [...values];
      } else {
        failRequirement(`found '${token.text}', expected: ',', ')' or identifier`);
      }
    }
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { type: 'end', text: '' };
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }
}

function beginsRequirement({ type, text }: Token): boolean {
  return type === 'identifier' || text === '!';
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const rest = text.slice(at, at + 2);
    const symbol = symbols.exec(rest)?.[0];
    if (symbol) {
      tokens.push({ type: 'symbol', text: symbol });
      at += symbol.length;
    } else if (/^\s/.test(rest)) {
      at++;
    } else {
      let end = at;
      while (end < text.length && !/[\s=!(),<>]/.test(text.charAt(end))) end++;
      tokens.push({ type: 'identifier', text: text.slice(at, end) });
      at = end;
    }
  }
  return tokens;
}

function failRequirement(message: string): never {
  return fail(`unable to parse requirement: ${message}`);
}

function fail(message: string): never {
  throw new ApiError('BadRequest', message);
}
