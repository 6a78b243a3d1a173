import { ApiError } from '../errors.ts';

/**
 * The most values of one object: fields that are set, map entries and list items, at all levels. Sets of owned fields
 * (`fieldsV1`) are counted apart, to the same bound. The largest of Kubernetes' own kinds, an EndpointSlice of 1,000
 * endpoints, comes to 17,000. A value takes 60 to 140 bytes of heap and some microseconds of each step of a request.
 */
export const maxValues = 20_000;
/** The most values of a request's body, whatever it is: two objects' worth and their sets of owned fields. */
export const maxBodyValues = 80_000;

/** The number of values below `value`. Stops just beyond `most`. */
export function countValues(value: unknown, most = Number.POSITIVE_INFINITY): number {
  let count = 0;
  const waiting: unknown[] = [value];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (typeof at !== 'object' || at === null) continue;
    const inner: readonly unknown[] = Array.isArray(at) ? at : Object.values(at);
    count += inner.length;
    if (count > most) return count;
    for (const one of inner) if (typeof one === 'object' && one !== null) waiting.push(one);
  }
  return count;
}

/** Refuses a JSON text of more values than `maxBodyValues` before it is parsed. Throws RequestEntityTooLarge. */
export function boundValues(text: string): void {
  if (text.length <= maxBodyValues) return;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) i = endOfText(text, i);
    else if ((code === 0x2c || code === 0x7b || code === 0x5b) && ++count > maxBodyValues) throw tooManyInBody();
  }
}

/** The index of the quote that closes the JSON text opened at `open`, or the end when there is none. */
export function endOfText(text: string, open: number): number {
  for (let close = text.indexOf('"', open + 1); close >= 0; close = text.indexOf('"', close + 1)) {
    let slashes = 0;
    while (text.charCodeAt(close - 1 - slashes) === 0x5c) slashes++;
    if (slashes % 2 === 0) return close;
  }
  return text.length;
}

export function tooManyInBody(): ApiError {
  return tooMany(`limit is ${maxBodyValues} values (fields, map entries and list items) in a body`);
}

export function tooManyInObject(): ApiError {
  return tooMany(`limit is ${maxValues} values (fields, map entries and list items) in an object`);
}

function tooMany(why: string): ApiError {
  return new ApiError('RequestEntityTooLarge', `Request entity too large: ${why}`);
}
