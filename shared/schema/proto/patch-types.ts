import { messages } from '../../generated/schema.ts';
import type { PatchField, PatchType } from '../object-schema.ts';
import type { MessageSchema } from './message.ts';

/** How strategic merge patches merge the fields of messages, by a message's full name. Each message is compiled when first used. */
export function patchTypes(
  schema: Readonly<Record<string, MessageSchema>>,
): (message: string) => PatchType | undefined {
  const compiled = new Map<string, PatchType>();
  const typeOf = (message: string): PatchType | undefined => {
    const known = compiled.get(message);
    if (known || !(message in schema)) return known;
    const type = new Map<string, PatchField>();
    // Set before its fields are compiled: a message may contain itself.
    compiled.set(message, type);
    const add = (fields: MessageSchema['fields'] = {}): void => {
      for (const [name, field] of Object.entries(fields)) {
        if (field.inline) add(schema[field.type]?.fields);
        else {
          const { patchStrategy: strategies = [], patchMergeKey: mergeKey } = field;
          type.set(name, { strategies, mergeKey, type: field.map ? undefined : typeOf(field.type) });
        }
      }
    };
    add(schema[message]?.fields);
    return type;
  };
  return typeOf;
}

export const patchTypeOf = patchTypes(messages);
