import type { FieldSet } from './field-set.ts';

/** A set that knows its JSON text, so that it need not be made again. */
const known = Symbol('text');

export function withText(set: FieldSet, text: string): FieldSet {
  if (!Object.hasOwn(set, known) && Object.isExtensible(set)) Object.defineProperty(set, known, { value: text });
  return set;
}

export function textOf(set: object | undefined): string | undefined {
  return (set as { [known]?: string } | undefined)?.[known];
}
