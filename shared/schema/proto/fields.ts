import { messages } from '../../generated/schema.ts';
import type { FieldSchema } from './message.ts';

/** A message's fields by their names in JSON: those of an inline message are fields of its parent. */
export function flatFields(message: string): Array<[string, FieldSchema]> {
  return Object.entries(messages[message]?.fields ?? {}).flatMap(
    ([name, schema]): Array<[string, FieldSchema]> => (schema.inline ? flatFields(schema.type) : [[name, schema]]),
  );
}

/** The messages with a field for which `has` holds, in them or in a message below. `follows`: of which fields the messages count. */
export function messagesWith(
  has: (field: FieldSchema) => boolean,
  follows: (field: FieldSchema) => boolean = () => true,
): ReadonlySet<string> {
  const found = new Set<string>();
  const holders = new Map<string, string[]>();
  for (const [name, { fields }] of Object.entries(messages)) {
    for (const field of Object.values(fields)) {
      if (has(field)) found.add(name);
      if (!(field.type in messages) || !follows(field)) continue;
      const known = holders.get(field.type);
      if (known) known.push(name);
      else holders.set(field.type, [name]);
    }
  }
  // What is added meanwhile is visited too.
  for (const name of found) for (const holder of holders.get(name) ?? []) found.add(holder);
  return found;
}
