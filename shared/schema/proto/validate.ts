import { isDeepStrictEqual } from 'node:util';
import { messages } from '../../generated/schema.ts';
import type { StatusCause } from '../../generated/types.ts';
import { duplicate, invalid, notSupported, required, tooLong, tooMany } from '../causes.ts';
import { type Format, formats, rangeFault } from '../formats.ts';
import { Path } from '../path.ts';
import { flatFields, messagesWith } from './fields.ts';
import type { FieldSchema } from './message.ts';

/**
 * The faults of a decoded object by the field options: required, enum, format, min, max, max_length, unique. A required string or
 * list must not be empty; in a `status` it must only exist.
 */
export function validateMessage(message: string, object: object): StatusCause[] {
  const walk: Walk = { path: new Path(), causes: [] };
  checkers.get(message)?.check(object as Json, walk);
  return walk.causes;
}

/** A fault for each immutable field that changed. */
export function validateImmutable(message: string, object: object, old: object): StatusCause[] {
  const causes: StatusCause[] = [];
  compareFixed(message, '', object as Json, old as Json, causes);
  return causes;
}

type Json = Record<string, unknown>;

interface Walk {
  readonly path: Path;
  readonly causes: StatusCause[];
}

/** The most faults of one answer. */
const maxFaults = 64;

function compileAll(): ReadonlyMap<string, MessageChecker> {
  const all = new Map<string, MessageChecker>();
  const keyOf = (type: string, lenient: boolean): string => (lenient ? `status:${type}` : type);
  const names = messagesWith((field) => Boolean(field.required || field.unique || scalarRules(field)));
  for (const lenient of [false, true]) {
    for (const name of names) all.set(keyOf(name, lenient), new MessageChecker(lenient));
  }
  for (const lenient of [false, true]) {
    for (const name of names) {
      const checker = all.get(keyOf(name, lenient));
      for (const [field, schema] of flatFields(name)) {
        checker?.add(field, schema, all.get(keyOf(schema.type, lenient || field === 'status')));
      }
    }
  }
  return all;
}

type ScalarRule = (value: unknown, walk: Walk) => void;

class MessageChecker {
  readonly #lenient: boolean;
  readonly #required: Array<{ name: string; why: string | undefined }> = [];
  readonly #fields: Array<{ name: string; check: (value: unknown, walk: Walk) => void }> = [];

  constructor(lenient: boolean) {
    this.#lenient = lenient;
  }

  add(name: string, schema: FieldSchema, below: MessageChecker | undefined): void {
    if (schema.required) this.#required.push({ name, why: schema.requiredWhy });
    const scalar = scalarRules(schema);
    const one: ScalarRule | undefined = below ? (value, walk) => below.check(value as Json, walk) : scalar;
    const unique = schema.unique ? schema.listMapKey : undefined;
    if (!one && !unique && !schema.maxLength) return;
    if (schema.repeated) this.#fields.push({ name, check: listCheck(one, unique, schema.maxLength) });
    else if (schema.map) this.#fields.push({ name, check: mapCheck(one) });
    else if (one) this.#fields.push({ name, check: one });
  }

  check(object: Json, walk: Walk): void {
    for (const { name, why } of this.#required) {
      const value = object[name];
      const empty = !this.#lenient && (value === '' || (Array.isArray(value) && value.length === 0));
      if (value === undefined || empty) report(walk, required(walk.path.text(name), why));
    }
    for (const { name, check } of this.#fields) {
      const value = object[name];
      if (value === undefined || value === '') continue;
      walk.path.push(name);
      check(value, walk);
      walk.path.pop();
    }
  }
}

function listCheck(
  one: ScalarRule | undefined,
  unique: readonly string[] | undefined,
  maxLength: number | undefined,
): ScalarRule {
  return (value, walk) => {
    const items = value as unknown[];
    if (maxLength !== undefined && items.length > maxLength)
      report(walk, tooMany(walk.path.text(), items.length, maxLength));
    if (one) {
      for (const [index, item] of items.entries()) {
        walk.path.push(index);
        one(item, walk);
        walk.path.pop();
      }
    }
    if (unique && items.length > 1) findDuplicates(items as Json[], unique, walk);
  };
}

function mapCheck(one: ScalarRule | undefined): ScalarRule {
  return (value, walk) => {
    for (const [key, item] of Object.entries(value as Json)) {
      walk.path.push(key);
      one?.(item, walk);
      walk.path.pop();
    }
  };
}

function findDuplicates(items: readonly Json[], keys: readonly string[], walk: Walk): void {
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const values = keys.map((key) => item[key]);
    const identity = JSON.stringify(values);
    if (seen.has(identity)) {
      const [only] = keys;
      const field = keys.length === 1 ? `${walk.path.text(index)}.${only}` : walk.path.text(index);
      report(walk, duplicate(field, keys.length === 1 ? values[0] : `{${values.join(', ')}}`));
    }
    seen.add(identity);
  }
}

/** The rules of a single value as one function; undefined without rules. */
function scalarRules(schema: FieldSchema): ScalarRule | undefined {
  const { enum: values, min, max, maxLength } = schema;
  const format: Format | undefined = schema.format === undefined ? undefined : formats[schema.format];
  if (schema.format !== undefined && !format) throw new Error(`no format ${schema.format}`);
  if (values) {
    const allowed = new Set<unknown>(values);
    return (value, walk) => {
      if (!allowed.has(value)) report(walk, notSupported(walk.path.text(), value, values));
    };
  }
  if (min !== undefined || max !== undefined) {
    const fault = max === undefined ? `must be greater than or equal to ${min}` : rangeFault(min ?? 0, max);
    const [low, high] = [min ?? Number.NEGATIVE_INFINITY, max ?? Number.POSITIVE_INFINITY];
    return (value, walk) => {
      if (typeof value === 'number' && (value < low || value > high))
        report(walk, invalid(walk.path.text(), value, fault));
    };
  }
  if (format || (maxLength !== undefined && !schema.repeated)) {
    return (value, walk) => {
      if (typeof value !== 'string') return;
      if (maxLength !== undefined && !schema.repeated && value.length > maxLength) {
        report(walk, tooLong(walk.path.text(), maxLength));
      }
      const fault = format?.(value);
      if (fault) report(walk, invalid(walk.path.text(), value, fault));
    };
  }
  return undefined;
}

function report(walk: Walk, cause: StatusCause): void {
  if (walk.causes.length < maxFaults) walk.causes.push(cause);
}

function compareFixed(message: string, path: string, object: Json, old: Json, causes: StatusCause[]): void {
  for (const [name, schema] of Object.entries(messages[message]?.fields ?? {})) {
    const [now, before] = [object[name], old[name]];
    const field = path ? `${path}.${name}` : name;
    if (schema.immutable) {
      if (!isDeepStrictEqual(now, before)) causes.push(invalid(field, now, 'field is immutable'));
    } else if (!schema.repeated && !schema.map && now !== undefined && before !== undefined && fixed.has(schema.type)) {
      compareFixed(schema.type, field, now as Json, before as Json, causes);
    }
  }
}

/** The messages with an immutable field, also below single messages. */
const fixed = messagesWith(
  ({ immutable }) => immutable === true,
  ({ repeated, map }) => !repeated && !map,
);

/** By message; a second set for messages in a status, by `status:` and the message. Only messages with rules. */
const checkers = compileAll();
