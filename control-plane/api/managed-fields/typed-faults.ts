import { messages } from '../../../shared/generated/schema.ts';
import { kindTable } from '../../../shared/kinds/table.ts';
import type { FieldSchema } from '../../../shared/schema/schema.ts';
import { isRecord } from '../patch/merge.ts';
import { printedMap } from '../patch/refusal.ts';
import { keyElement, printElement, valueElement } from './field-set.ts';
import { fieldsOf, listKeys } from './shapes.ts';

/**
 * The faults of a configuration, each with its path, in the words of Kubernetes' structured merge: unknown fields, values of another type,
 * list items without their key or with a duplicate one (structured-merge-diff, `typed/validate.go`). `message`: the full name of the
 * object's message. Empty: none.
 */
export function typedFaults(message: string, value: unknown): string[] {
  const faults: string[] = [];
  checkStruct(message, value, { path: '', faults });
  return faults;
}

interface At {
  readonly path: string;
  readonly faults: string[];
}

/** The most faults that one refusal lists. */
const maxFaults = 32;
/** The longest value that a fault repeats, in characters of JSON. */
const longestValue = 4_096;

/** Objects may be embedded in others with apiVersion and kind: a claim template in a StatefulSet. */
const objects: ReadonlySet<string> = new Set(kindTable.map(({ message }) => message));

const numeric: ReadonlySet<string> = new Set(['int32', 'uint32', 'int64', 'uint64', 'double']);
const texts: ReadonlySet<string> = new Set([...['string', 'bytes'], 'k8s.io.apimachinery.pkg.apis.meta.v1.Duration']);
const anyScalar: ReadonlySet<string> = new Set([
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString',
  'k8s.io.apimachinery.pkg.api.resource.Quantity',
  'k8s.io.apimachinery.pkg.apis.meta.v1.Time',
  'k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime',
]);
const freeForm: ReadonlySet<string> = new Set([
  'k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1',
  'k8s.io.apimachinery.pkg.runtime.RawExtension',
]);

function checkStruct(message: string, value: unknown, at: At): void {
  const fields = fieldsOf(message);
  for (const [name, inner] of membersOf(value, at)) {
    const below = { ...at, path: `${at.path}.${name}` };
    const field = fields.get(name);
    if (field) checkField(field, inner, below);
    else if (objects.has(message) && (name === 'apiVersion' || name === 'kind')) checkOne('string', inner, below);
    else report(below, 'field not declared in schema');
  }
}

function checkField(field: FieldSchema, value: unknown, at: At): void {
  if (field.map) {
    for (const [name, inner] of membersOf(value, at))
      checkOne(field.type, inner, { ...at, path: `${at.path}.${name}` });
  } else if (field.repeated) {
    checkList(field, value, at);
  } else {
    checkOne(field.type, value, at);
  }
}

function checkList(field: FieldSchema, value: unknown, at: At): void {
  if (value === null) return;
  if (!Array.isArray(value)) {
    report(at, `expected list, got &{${printedMap(value)}}`);
    return;
  }
  const keys = listKeys(field);
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    if (at.faults.length >= maxFaults) return;
    if (keys.length === 0 && field.listType !== 'set') {
      checkOne(field.type, item, { ...at, path: `${at.path}[${index}]` });
      continue;
    }
    const fault = keys.length > 0 ? keyedFault(keys, item) : setFault(item);
    // An item without its key has no path: its other faults cannot be named.
    if (fault) {
      report(at, `element ${index}: ${fault}`);
      return;
    }
    const element = keys.length > 0 ? keyElement(pairsOf(keys, item as Record<string, unknown>)) : valueElement(item);
    const printed = printElement(element);
    if (seen.has(element)) report(at, `duplicate entries for key ${printed}`);
    seen.add(element);
    checkOne(field.type, item, { ...at, path: `${at.path}${printed}` });
  }
}

type Keys = ReturnType<typeof listKeys>;

function keyedFault(keys: Keys, item: unknown): string | undefined {
  if (item === null) return 'associative list with keys may not have a null element';
  if (!isRecord(item)) return 'associative list with keys may not have non-map elements';
  const missing = keys.find(({ name, default: otherwise }) => !Object.hasOwn(item, name) && otherwise === undefined);
  if (!missing) return undefined;
  return `associative list with keys has an element that omits key field ${JSON.stringify(missing.name)} (and doesn't have default value)`;
}

function setFault(item: unknown): string | undefined {
  if (item === null) return "associative list without keys has an element that's an explicit null";
  if (Array.isArray(item)) return 'not supported: associative list with lists as elements';
  return isRecord(item) ? "associative list without keys has an element that's a map type" : undefined;
}

function pairsOf(keys: Keys, item: Record<string, unknown>): Array<[string, unknown]> {
  return keys.map(({ name, default: otherwise }) => [name, Object.hasOwn(item, name) ? item[name] : otherwise]);
}

function checkOne(type: string, value: unknown, at: At): void {
  if (value === null || freeForm.has(type)) return;
  if (numeric.has(type)) {
    if (typeof value !== 'number') report(at, `expected numeric (int or float), got ${goType(value)}`);
  } else if (texts.has(type)) {
    if (typeof value !== 'string') report(at, `expected string, got &value.valueUnstructured{Value:${goValue(value)}}`);
  } else if (type === 'bool') {
    if (typeof value !== 'boolean') report(at, `expected boolean, got &{${printedMap(value)}}`);
  } else if (anyScalar.has(type)) {
    if (typeof value === 'object') report(at, `expected any scalar, got &{${printedMap(value)}}`);
  } else if (type in messages) {
    checkStruct(type, value, at);
  }
}

function membersOf(value: unknown, at: At): Array<[string, unknown]> {
  if (isRecord(value)) return Object.entries(value);
  if (value !== null) report(at, `expected map, got &{${printedMap(value)}}`);
  return [];
}

function report({ path, faults }: At, why: string): void {
  if (faults.length < maxFaults) faults.push(path === '' ? why : `${path}: ${why}`);
}

/** The type that Go's decoder gives a JSON value. */
function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'string' ? 'string' : 'map[string]interface {}';
}

/** A JSON value in Go syntax (%#v); of a large one only the type. */
function goValue(value: unknown): string {
  const text = JSON.stringify(value);
  if (text.length > longestValue) return `${goType(value)}{…}`;
  return goText(value);
}

function goText(value: unknown): string {
  if (Array.isArray(value)) return `[]interface {}{${value.map(goText).join(', ')}}`;
  if (!isRecord(value)) return value === null ? 'interface {}(nil)' : JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `map[string]interface {}{${members.map((name) => `${JSON.stringify(name)}:${goText(value[name])}`).join(', ')}}`;
}
