import { ApiError } from '../errors.ts';
import { Path } from './path.ts';
import { endOfText } from './values.ts';

/**
 * Refuses numbers that a double cannot represent, with their place: they would be stored as other numbers. JSON does not limit numbers,
 * and an int64 goes to 2^63. (The schema checks the range of each field.)
 */

/** A cheap check whether a text may have such a number. */
const suspicious = /[\d.]{16}|\d[eE][+-]?\d{3}/;
/** Parses a JSON text. Throws SyntaxError, and BadRequest for a number that a double cannot represent. */
export function parseExactly(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (suspicious.test(text)) checkNumbers(text);
  return value;
}

/** Whether a number's text is the same number after a conversion to a double and back. */
export function isExact(literal: string): boolean {
  const value = Number(literal);
  return Number.isFinite(value) && decimal(literal) === decimal(String(value));
}

/** The digits without leading and trailing zeros, and the power of ten of the last one. */
function decimal(literal: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(literal) ?? [];
  const digits = `${whole}${fraction}`;
  // Not by a regular expression, which is quadratic in the number of zeros.
  let first = 0;
  while (digits[first] === '0') first++;
  if (first === digits.length) return '0';
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  return `${sign}${digits.slice(first, end)}e${Number(exponent) - fraction.length + digits.length - end}`;
}

/** A walk through valid JSON without recursion: no schema limits the depth of a body. */
function checkNumbers(text: string): void {
  /** For each open container: the index of the item, or where the member's name begins. */
  const open: Array<{ list: boolean; at: number }> = [];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const inner = open.at(-1);
    if (code === 0x22) {
      const end = endOfText(text, i);
      // A string before a colon is a name.
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
