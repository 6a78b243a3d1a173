import { isRecord } from '../../../shared/records.ts';
import type { KeyedList, ListKey, Scalar, ScalarSet, Shape, Struct } from '../../../shared/schema/shape.ts';
import { printedMap } from '../patch/refusal.ts';
import { keyElement, printElement, valueElement } from './field-set.ts';

/**
 * The faults of a configuration, each with its path, in the words of Kubernetes' structured merge: unknown fields, values of another type,
 * list items without their key or with a duplicate one (structured-merge-diff, `typed/validate.go`). `shape`: of the kind's objects.
 */
export function typedFaults(shape: Struct, value: unknown): string[] {
  const faults: string[] = [];
  checkStruct(shape, value, { path: '', faults });
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

type Inner = NonNullable<Extract<Shape, { type: 'leaf' }>['of']> | Shape;

function check(shape: Inner, value: unknown, at: At): void {
  if (typeof shape === 'string') {
    checkScalar(shape, value, at);
    return;
  }
  switch (shape.type) {
    case 'leaf':
      if (shape.of) check(shape.of, value, at);
      return;
    case 'struct':
      checkStruct(shape, value, at);
      return;
    case 'map':
      for (const [name, inner] of membersOf(value, at)) {
        check(shape.value, inner, { ...at, path: `${at.path}.${name}` });
      }
      return;
    case 'items':
      for (const [index, item] of itemsOf(value, at).entries()) {
        if (at.faults.length >= maxFaults) return;
        check(shape.item, item, { ...at, path: `${at.path}[${index}]` });
      }
      return;
    default:
      checkKeyed(shape, value, at);
  }
}

function checkStruct({ byName }: Struct, value: unknown, at: At): void {
  for (const [name, inner] of membersOf(value, at)) {
    const below = { ...at, path: `${at.path}.${name}` };
    const field = byName.get(name);
    if (field) check(field.shape, inner, below);
    else report(below, 'field not declared in schema');
  }
}

/** A list whose items are identified: by their keys, or each by its own value. */
function checkKeyed(shape: KeyedList | ScalarSet, value: unknown, at: At): void {
  const seen = new Set<string>();
  for (const [index, item] of itemsOf(value, at).entries()) {
    if (at.faults.length >= maxFaults) return;
    const fault = shape.type === 'list' ? keyedFault(shape.keys, item) : setFault(item);
    // Without its key an item has no path: nothing below it can be checked.
    if (fault) {
      report(at, `element ${index}: ${fault}`);
      return;
    }
    const element =
      shape.type === 'list' ? keyElement(pairsOf(shape.keys, item as Record<string, unknown>)) : valueElement(item);
    const printed = printElement(element);
    if (seen.has(element)) report(at, `duplicate entries for key ${printed}`);
    seen.add(element);
    check(shape.item, item, { ...at, path: `${at.path}${printed}` });
  }
}

function itemsOf(value: unknown, at: At): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (value !== null) report(at, `expected list, got &{${printedMap(value)}}`);
  return [];
}

type Keys = readonly ListKey[];

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

function checkScalar(type: Scalar, value: unknown, at: At): void {
  if (value === null) return;
  if (type === 'number') {
    if (typeof value !== 'number') report(at, `expected numeric (int or float), got ${goType(value)}`);
  } else if (type === 'string') {
    if (typeof value !== 'string') report(at, `expected string, got &value.valueUnstructured{Value:${goValue(value)}}`);
  } else if (type === 'boolean') {
    if (typeof value !== 'boolean') report(at, `expected boolean, got &{${printedMap(value)}}`);
  } else if (typeof value === 'object') {
    report(at, `expected any scalar, got &{${printedMap(value)}}`);
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

/** A JSON value as Go writes it in its own syntax; what is large, by its kind alone. */
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
