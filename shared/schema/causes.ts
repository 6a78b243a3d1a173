import { ApiError } from '../errors.ts';
import type { StatusCause } from '../generated/types.ts';

/**
 * One fault of an object each, in the words Kubernetes uses (apimachinery, `util/validation/field`). A cause's `field`
 * is the path, its `message` says what is wrong with the value without repeating the path.
 */
export function required(field: string, detail = ''): StatusCause {
  return cause('FieldValueRequired', field, 'Required value', detail);
}

export function invalid(field: string, value: unknown, detail: string): StatusCause {
  return cause('FieldValueInvalid', field, `Invalid value: ${printed(value)}`, detail);
}

/** For a fault of a field as a whole: Kubernetes shows no value. */
export function invalidWhole(field: string, detail: string): StatusCause {
  return cause('FieldValueInvalid', field, 'Invalid value', detail);
}

export function typeInvalid(field: string, value: unknown, detail: string): StatusCause {
  return cause('FieldValueTypeInvalid', field, `Invalid value: ${printed(value)}`, detail);
}

/** `supported` is shown sorted, unless its order is one that Kubernetes keeps. */
export function notSupported(
  field: string,
  value: unknown,
  supported: readonly string[],
  order: 'sorted' | 'as given' = 'sorted',
): StatusCause {
  const list = supported.map((one) => JSON.stringify(one));
  if (order === 'sorted') list.sort();
  const detail = list.length > 0 ? `supported values: ${list.join(', ')}` : '';
  return cause('FieldValueNotSupported', field, `Unsupported value: ${printed(value)}`, detail);
}

export function duplicate(field: string, value: unknown): StatusCause {
  return cause('FieldValueDuplicate', field, `Duplicate value: ${printed(value)}`, '');
}

export function notFound(field: string, value: unknown): StatusCause {
  return cause('FieldValueNotFound', field, `Not found: ${printed(value)}`, '');
}

export function forbidden(field: string, detail: string): StatusCause {
  return cause('FieldValueForbidden', field, 'Forbidden', detail);
}

/** `limit` in bytes. */
export function tooLong(field: string, limit: number): StatusCause {
  return cause('FieldValueTooLong', field, 'Too long', `may not be more than ${limit} bytes`);
}

export function tooMany(field: string, count: number, limit: number): StatusCause {
  return cause('FieldValueTooMany', field, `Too many: ${count}`, `must have at most ${limit} items`);
}

/** The most causes of an answer. Kubernetes lists all: megabytes for an object with 100,000 faults. */
const maxCauses = 256;

/** Thrown when the most causes are found. */
class Enough extends Error {}

class CauseList extends Array<StatusCause> {
  override push(...causes: StatusCause[]): number {
    super.push(...causes);
    if (this.length >= maxCauses) throw new Enough();
    return this.length;
  }
}

/** The first causes that `find` pushes, at most `maxCauses`: then the validation ends. */
export function collectCauses(look: (causes: StatusCause[]) => void): StatusCause[] {
  const causes = new CauseList();
  try {
    look(causes);
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  return Array.from(causes);
}

/** The refusal of an object for its causes; `kind` and `group` as in the kind table. Reason Invalid. */
export function invalidError(
  entry: { readonly kind: string; readonly group: string },
  name: string,
  found: readonly StatusCause[],
): ApiError {
  const causes = found.length > maxCauses ? found.slice(0, maxCauses) : found;
  const lines = causes.map(({ field, message }) => (field ? `${field}: ${message}` : (message ?? '')));
  const list = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`;
  const kind = entry.group ? `${entry.kind}.${entry.group}` : entry.kind;
  return new ApiError('Invalid', `${kind} ${JSON.stringify(name)} is invalid: ${list}`, {
    kind: entry.kind,
    ...(entry.group ? { group: entry.group } : {}),
    name,
    causes,
  });
}

function cause(reason: string, field: string, head: string, detail: string): StatusCause {
  return { reason, message: detail ? `${head}: ${detail}` : head, field };
}

/** A value that Kubernetes prints as a Go struct: `rbac.RoleRef{Kind:"Role"}`. */
export class GoValue {
  readonly text: string;

  constructor(type: string, fields: string) {
    this.text = `${type}{${fields}}`;
  }

  /** A list of strings: `[]core.ResourceQuotaScope{"BestEffort"}`. */
  static list(values: readonly string[], type = 'string'): GoValue {
    return new GoValue(`[]${type}`, values.map((one) => JSON.stringify(one)).join(', '));
  }
}

/** The most characters of a value in a cause. */
const longestValue = 16_384;

/** A value as Kubernetes prints it in a cause: strings quoted, lists of them and nil in Go's syntax, objects as JSON. */
function printed(value: unknown): string {
  if (value === undefined || value === null) return '"null"';
  if (value instanceof GoValue) return value.text;
  const texts = Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string');
  const text = texts ? GoValue.list(value).text : JSON.stringify(value);
  return text.length > longestValue ? `${text.slice(0, longestValue)}…` : text;
}
