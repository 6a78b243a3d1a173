import { ApiError } from '../errors.ts';

/** The deepest nesting of a body, far beyond that of any object. */
const maxDepth = 256;

/**
 * Refuses nesting that could exhaust the stack of recursive code, for values without a schema. Objects of a kind need no such check:
 * decoding follows their schema.
 */
export function checkDepth(text: string): void {
  if (text.length < 2 * maxDepth) return;
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (quoted) {
      if (code === 0x5c) i++;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) {
      quoted = true;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > maxDepth) throw new ApiError('BadRequest', `the body is nested deeper than ${maxDepth} levels`);
    } else if (code === 0x7d || code === 0x5d) {
      depth--;
    }
  }
}
