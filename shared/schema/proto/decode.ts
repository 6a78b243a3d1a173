import { ApiError } from '../../errors.ts';
import { messages } from '../../generated/schema.ts';
import type { StatusCause } from '../../generated/types.ts';
import { apiVersionOf } from '../../kinds/names.ts';
import { type KindEntry, kindTable } from '../../kinds/table.ts';
import type { KubeObject } from '../../object.ts';
import { isRecord, setMember } from '../../records.ts';
import { typeInvalid } from '../causes.ts';
import type { Decoded, DecodeOptions } from '../object-schema.ts';
import { Path } from '../path.ts';
import { type ReadValue, scalarReaders } from '../scalars.ts';
import { countValues, maxValues, tooManyInObject } from '../values.ts';
import { flatFields } from './fields.ts';
import type { FieldSchema } from './message.ts';

/** A kind whose objects are a message. */
export type ObjectType = Pick<KindEntry, 'group' | 'version' | 'kind' | 'message'>;

/**
 * JSON from a client as an object of the kind: every field known, of its type and in its normal form (quantities
 * canonical, times in UTC, no nulls). Throws ApiError BadRequest with a cause for each field of a wrong type, and
 * in Strict mode for unknown fields; RequestEntityTooLarge for more than `maxValues`.
 */
export function decodeObject(entry: ObjectType, value: unknown, options: DecodeOptions = {}): Decoded<KubeObject> {
  const apiVersion = apiVersionOf(entry);
  const whole = isRecord(value) ? value : {};
  const { apiVersion: givenVersion = apiVersion, kind: givenKind = entry.kind, ...rest } = whole;
  if (!isRecord(value) || givenVersion !== apiVersion || givenKind !== entry.kind) {
    throw new ApiError(
      'BadRequest',
      isRecord(value)
        ? `the object provided is of kind ${printed(givenKind)} and version ${printed(givenVersion)}, not ${entry.kind} of ${apiVersion}`
        : `the object provided is no ${entry.kind}: it must be a JSON object`,
    );
  }
  const { object, warnings } = decodeMessage(entry.message, rest, options, entry);
  return { object: { apiVersion, kind: entry.kind, metadata: {}, ...object } as unknown as KubeObject, warnings };
}

/** The same for any message by its full name, such as DeleteOptions. `called`: its name in errors. */
export function decodeMessage(
  message: string,
  value: unknown,
  { validation = 'Warn', duplicates = [], present }: DecodeOptions = {},
  called: { kind: string; version: string } = { kind: message.slice(message.lastIndexOf('.') + 1), version: 'v1' },
): Decoded<Json> {
  const reader = readers.get(message);
  if (!reader) throw new Error(`no message ${message}`);
  const walk: Walk = { path: new Path(), causes: [], unknown: [], values: maxValues, fieldSets: maxValues, present };
  const object = reader.read(value, walk) as Json;
  const refuse = (why: string): never => {
    const head = `${called.kind} in version ${JSON.stringify(called.version)} cannot be handled as a ${called.kind}`;
    throw new ApiError('BadRequest', `${head}: ${why}`, { kind: called.kind, causes: walk.causes });
  };
  if (walk.causes.length > 0) refuse(walk.causes.map((cause) => `${cause.field}: ${cause.message}`).join(', '));
  if (validation === 'Ignore') return { object, warnings: [] };
  const strict = strictFaults(walk.unknown, duplicates);
  if (validation === 'Strict' && strict.length > 0) refuse(`strict decoding error: ${strict.join(', ')}`);
  return { object, warnings: validation === 'Warn' ? strict.flatMap(warningsOf) : [] };
}

/** One warning a fault; YAML's faults come in one text. */
export function warningsOf(fault: string): string[] {
  if (!fault.startsWith(yamlFaults)) return [fault];
  return fault
    .slice(yamlFaults.length)
    .split('\n')
    .map((line) => line.trim());
}

const yamlFaults = 'yaml: unmarshal errors:\n';

/** YAML's duplicates come first, as Kubernetes parses it first. A duplicate of an unknown field is not reported again. */
function strictFaults(unknown: readonly string[], duplicates: readonly string[]): string[] {
  if (duplicates.length === 0) return unknown as string[];
  const names = new Set(unknown.map((fault) => fault.replace(/^unknown/, 'duplicate')));
  const yaml = duplicates.filter((fault) => fault.startsWith(yamlFaults));
  return [...yaml, ...unknown, ...duplicates.filter((fault) => !yaml.includes(fault) && !names.has(fault))];
}

type Json = Record<string, unknown>;

interface Walk {
  readonly path: Path;
  readonly causes: StatusCause[];
  readonly unknown: string[];
  /** How many more values the object may have, outside and inside of its sets of owned fields. */
  values: number;
  fieldSets: number;
  /** Counted once, when the limit is exceeded. */
  present: KubeObject | undefined;
}

/** Reads one value. After a fault, which goes into the walk, the result has no meaning. */
interface Reader {
  read(value: unknown, walk: Walk): unknown;
}

/** The most faults of one answer. */
const maxFaults = 32;

function compileAll(): ReadonlyMap<string, Reader> {
  const all = new Map<string, MessageReader>();
  for (const name of Object.keys(messages)) all.set(name, new MessageReader());
  const valueReader = (schema: FieldSchema): Reader => {
    const scalar = scalarReaders[schema.type];
    if (scalar) return scalar.count ? new TreeReader(scalar, scalar.count) : new ScalarReader(scalar);
    return all.get(schema.type) ?? fail(schema.type);
  };
  const readerOf = (schema: FieldSchema): Reader => {
    const one = valueReader(schema);
    if (schema.repeated) return new ListReader(one);
    if (schema.map) return new MapReader(one);
    return schema.enum ? new EnumReader() : one;
  };
  for (const [name, reader] of all) {
    for (const [field, schema] of flatFields(name)) reader.fields.set(field, readerOf(schema));
  }
  // An object may be a field of another, with apiVersion and kind: a claim template in a stateful set.
  const text = scalarReaders.string;
  for (const { message } of kindTable) {
    if (text) for (const field of ['apiVersion', 'kind']) all.get(message)?.fields.set(field, new ScalarReader(text));
  }
  return all;
}

class MessageReader implements Reader {
  readonly fields = new Map<string, Reader>();

  read(value: unknown, walk: Walk): unknown {
    if (value === null) return {};
    if (!isRecord(value)) return wrongType(walk, value, 'an object');
    const out: Json = {};
    for (const name in value) {
      const given = value[name];
      if (given === null || given === undefined) {
        if (!this.fields.has(name)) unknownField(walk, name);
        continue;
      }
      const reader = this.fields.get(name);
      if (!reader) {
        unknownField(walk, name);
        continue;
      }
      spend(walk, 1);
      walk.path.push(name);
      const read = reader.read(given, walk);
      if (read !== undefined) out[name] = read;
      walk.path.pop();
    }
    return out;
  }
}

class ListReader implements Reader {
  readonly #item: Reader;

  constructor(item: Reader) {
    this.#item = item;
  }

  read(value: unknown, walk: Walk): unknown {
    if (!Array.isArray(value)) return wrongType(walk, value, 'an array');
    spend(walk, value.length);
    return value.map((item, index) => {
      walk.path.push(index);
      const read = this.#item.read(item, walk);
      walk.path.pop();
      return read;
    });
  }
}

class MapReader implements Reader {
  readonly #value: Reader;

  constructor(value: Reader) {
    this.#value = value;
  }

  read(value: unknown, walk: Walk): unknown {
    if (!isRecord(value)) return wrongType(walk, value, 'an object');
    const out: Json = {};
    for (const key in value) {
      spend(walk, 1);
      walk.path.push(key);
      setMember(out, key, this.#value.read(value[key], walk));
      walk.path.pop();
    }
    return out;
  }
}

class ScalarReader implements Reader {
  readonly #scalar: ReadValue;

  constructor(scalar: ReadValue) {
    this.#scalar = scalar;
  }

  read(value: unknown, walk: Walk): unknown {
    const read = this.#scalar.read(value === null ? this.#scalar.empty : value);
    return read === undefined ? wrongType(walk, value, this.#scalar.expected) : read;
  }
}

/** A free-form value: its content is counted too. */
class TreeReader extends ScalarReader {
  readonly #kind: 'values' | 'fieldSets';

  constructor(scalar: ReadValue, kind: 'values' | 'fieldSets') {
    super(scalar);
    this.#kind = kind;
  }

  override read(value: unknown, walk: Walk): unknown {
    spend(walk, countValues(value), this.#kind);
    return super.read(value, walk);
  }
}

/** An empty string counts as absent. */
class EnumReader implements Reader {
  read(value: unknown, walk: Walk): unknown {
    if (typeof value !== 'string') return wrongType(walk, value, 'a string');
    return value === '' ? undefined : value;
  }
}

function spend(walk: Walk, count: number, kind: 'values' | 'fieldSets' = 'values'): void {
  walk[kind] -= count;
  if (walk[kind] >= 0) return;
  const { present } = walk;
  if (present) {
    walk.present = undefined;
    const { metadata } = present;
    walk.values += Math.max(0, countValues({ ...present, metadata: { ...metadata, managedFields: [] } }) - maxValues);
    walk.fieldSets += Math.max(0, countValues(metadata.managedFields) - maxValues);
  }
  if (walk[kind] < 0) throw tooManyInObject();
}

function wrongType(walk: Walk, value: unknown, expected: string): undefined {
  if (walk.causes.length < maxFaults)
    walk.causes.push(typeInvalid(walk.path.text(), brief(value), `must be ${expected}`));
  return undefined;
}

function unknownField(walk: Walk, name: string): void {
  if (walk.unknown.length < maxFaults) walk.unknown.push(`unknown field ${JSON.stringify(walk.path.text(name))}`);
}

/** A value for an error message: empty containers, long strings cut. */
function brief(value: unknown): unknown {
  if (Array.isArray(value)) return [];
  if (isRecord(value)) return {};
  return typeof value === 'string' && value.length > 128 ? `${value.slice(0, 128)}…` : value;
}

function printed(value: unknown): string {
  return JSON.stringify(brief(value)) ?? 'nothing';
}

function fail(message: string): never {
  throw new Error(`no message ${message}`);
}

/** All messages, compiled once. */
const readers = compileAll();
