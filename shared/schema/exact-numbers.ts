import { ApiError } from '../errors.ts';
import { Path } from './path.ts';
import { endOfText } from './values.ts';

/**
 * Numbers of a text that a double does not hold: they would be stored as others. JSON has no bound for numbers, and an int64 of Kubernetes
 * goes to 2^63; here they are refused by their place. (What is kept may still be too large for its field: the schema says.)
 */

/** Whether a text may have such a number at all: most have not, and this is cheap to see. */
const suspicious = /[\d.]{16}|\d[eE][+-]?\d{3}/;
/** A JSON text as a value, with all of its numbers as they were. Throws SyntaxError, and BadRequest for a number that cannot be kept. */
export function parseExactly(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (suspicious.test(text)) checkNumbers(text);
  return value;
}

/** Whether a number's text is the same number once it has been a double: as that is written out again. */
export function isExact(literal: string): boolean {
  const value = Number(literal);
  return Number.isFinite(value) && decimal(literal) === decimal(String(value));
}

/** Digits without zeros around them, and the power of ten of the last. */
function decimal(literal: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(literal) ?? [];
  const digits = `${whole}${fraction}`;
  // By hand: a search for zeros at the end would begin anew at each zero within.
  let first = 0;
  while (digits[first] === '0') first++;
  if (first === digits.length) return '0';
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  return `${sign}${digits.slice(first, end)}e${Number(exponent) - fraction.length + digits.length - end}`;
}

/** One walk through valid JSON, not by recursion: no schema bounds how deep a body goes. */
function checkNumbers(text: string): void {
  /** For each container that is open: the index of the item, or where the member's name begins. */
  const open: Array<{ list: boolean; at: number }> = [];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const inner = open.at(-1);
    if (code === 0x22) {
      const end = endOfText(text, i);
      // A name, unless a value is to follow: a value is looked at after its name, and moves nothing.
      if (inner && !inner.list && isName(text, end)) inner.at = i;
      i = end;
    } else if (code === 0x7b || code === 0x5b) open.push({ list: code === 0x5b, at: 0 });
    else if (code === 0x7d || code === 0x5d) open.pop();
    else if (code === 0x2c) {
      if (inner?.list) inner.at++;
    } else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      const literal = numberAt(text, i);
      if (literal.length >= 5 && !isExact(literal)) throw inexact(placeOf(text, open), literal);
      i += literal.length - 1;
    }
  }
}

function isName(text: string, end: number): boolean {
  let next = end + 1;
  while (' \n\r\t'.includes(text[next] ?? '-')) next++;
  return text[next] === ':';
}

function numberAt(text: string, start: number): string {
  let end = start;
  while (end < text.length && '+-.eE0123456789'.includes(text[end] ?? '')) end++;
  return text.slice(start, end);
}

function placeOf(text: string, open: ReadonlyArray<{ list: boolean; at: number }>): string {
  const path = new Path();
  for (const { list, at } of open)
    path.push(list ? at : (JSON.parse(text.slice(at, endOfText(text, at) + 1)) as string));
  return path.text();
}

export function inexact(field: string, literal: string): ApiError {
  const shown = literal.length > 64 ? `${literal.slice(0, 64)}…` : literal;
  const message = `Invalid value: ${shown}: a number that cannot be kept exactly: integers have at most 53 bits, others at most 17 digits`;
  return new ApiError('BadRequest', field === '' ? message : `${field}: ${message}`, {
    causes: [{ reason: 'FieldValueTypeInvalid', field, message }],
  });
}
