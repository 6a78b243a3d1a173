import { flatFields, messagesWith } from './fields.ts';
import type { FieldSchema } from './message.ts';

/**
 * Sets the `default` options of a message, by its full name, in place: each wherever the message that holds the field is present.
 * The kind's strategy sets defaults that depend on other fields, later.
 */
export function applyDefaults(message: string, object: object): void {
  fillers.get(message)?.fill(object as Json);
}

type Json = Record<string, unknown>;

function compileAll(): ReadonlyMap<string, Filler> {
  const all = new Map<string, Filler>();
  for (const name of messagesWith((field) => field.default !== undefined)) all.set(name, new Filler());
  for (const [name, filler] of all) {
    for (const [field, schema] of flatFields(name)) filler.add(field, schema, all.get(schema.type));
  }
  return all;
}

class Filler {
  readonly #scalars: Array<{ name: string; value: unknown }> = [];
  readonly #empties: string[] = [];
  readonly #children: Array<{ name: string; filler: Filler; each: 'one' | 'item' | 'value' }> = [];

  add(name: string, schema: FieldSchema, below: Filler | undefined): void {
    if (typeof schema.default === 'object') this.#empties.push(name);
    else if (schema.default !== undefined) this.#scalars.push({ name, value: schema.default });
    if (below)
      this.#children.push({ name, filler: below, each: schema.repeated ? 'item' : schema.map ? 'value' : 'one' });
  }

  fill(object: Json): void {
    for (const { name, value } of this.#scalars) if (object[name] === undefined) object[name] = value;
    for (const name of this.#empties) if (object[name] === undefined) object[name] = {};
    for (const { name, filler, each } of this.#children) {
      const child = object[name];
      if (child === undefined) continue;
      if (each === 'one') filler.fill(child as Json);
      else if (each === 'item') for (const item of child as Json[]) filler.fill(item);
      else for (const item of Object.values(child as Json)) filler.fill(item as Json);
    }
  }
}

/** By message; only those with defaults in them or below. */
const fillers = compileAll();
