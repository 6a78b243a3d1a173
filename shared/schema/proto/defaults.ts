import { messages } from '../../generated/schema.ts';
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
  for (const name of Object.keys(messages)) if (hasDefaults(name, new Set())) all.set(name, new Filler());
  const add = (filler: Filler, message: string): void => {
    for (const [name, schema] of Object.entries(messages[message]?.fields ?? {})) {
      if (schema.inline) add(filler, schema.type);
      else filler.add(name, schema, all.get(schema.type));
    }
  };
  for (const [name, filler] of all) add(filler, name);
  return all;
}

function hasDefaults(message: string, seen: Set<string>): boolean {
  if (seen.has(message)) return false;
  seen.add(message);
  return Object.values(messages[message]?.fields ?? {}).some(
    (schema) => schema.default !== undefined || hasDefaults(schema.type, seen),
  );
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
