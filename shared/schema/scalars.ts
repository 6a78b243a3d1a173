import { toUSVString } from 'node:util';
import { formatGoDuration, parseGoDuration } from '../go-duration.ts';
import { canonicalQuantity, QuantityError } from '../quantity.ts';
import { isRecord } from '../records.ts';

/** Reads a scalar, or a message whose JSON is not an object of its fields. */
export interface ReadValue {
  /** The normal form; undefined for a value of another type. */
  read(value: unknown): unknown;
  /** The value of a null inside of a list or map. */
  readonly empty: unknown;
  /** Ends the sentence "must be …". */
  readonly expected: string;
  /** For free-form values: how their content is counted (`values.ts`). */
  readonly count?: 'values' | 'fieldSets';
}

const meta = 'k8s.io.apimachinery.pkg.apis.meta.v1';
/** The deepest nesting of free-form fields: recursive code must be able to walk them. */
const maxDepth = 64;

const freeForm: ReadValue = {
  read: (value) => (isRecord(value) && depthWithin(value, maxDepth) ? structuredClone(value) : undefined),
  empty: {},
  expected: `an object of at most ${maxDepth} levels`,
  count: 'values',
};

/** Sets of owned fields never change: they may be shared, and most come back from clients unchanged. */
const fieldSet: ReadValue = {
  ...freeForm,
  read: (value) => (isRecord(value) && depthWithin(value, maxDepth) ? value : undefined),
  count: 'fieldSets',
};

export const scalarReaders: Readonly<Record<string, ReadValue>> = {
  // An unpaired surrogate becomes U+FFFD, as in Go's decoder.
  string: {
    read: (value) => (typeof value === 'string' ? toUSVString(value) : undefined),
    empty: '',
    expected: 'a string',
  },
  bool: { read: (value) => (typeof value === 'boolean' ? value : undefined), empty: false, expected: 'a boolean' },
  int32: integer(-(2 ** 31), 2 ** 31 - 1, 'a 32 bit integer'),
  uint32: integer(0, 2 ** 32 - 1, 'a 32 bit unsigned integer'),
  int64: integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 'an integer of at most 53 bits'),
  uint64: integer(0, Number.MAX_SAFE_INTEGER, 'an unsigned integer of at most 53 bits'),
  double: { read: (value) => (typeof value === 'number' ? value : undefined), empty: 0, expected: 'a number' },
  bytes: { read: (value) => base64(value), empty: '', expected: 'base64 text' },
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': {
    read: (value) => (typeof value === 'string' ? value : int32(value)),
    empty: 0,
    expected: 'an integer or a string',
  },
  'k8s.io.apimachinery.pkg.api.resource.Quantity': {
    read: (value) => (typeof value === 'string' || typeof value === 'number' ? quantity(value) : undefined),
    empty: '0',
    expected: "a quantity: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  },
  [`${meta}.Time`]: {
    read: (value) => time(value),
    empty: undefined,
    expected: 'a time such as "2026-01-31T12:00:00Z"',
  },
  [`${meta}.MicroTime`]: {
    read: (value) => microTime(value),
    empty: undefined,
    expected: 'a time such as "2026-01-31T12:00:00.000000Z"',
  },
  [`${meta}.Duration`]: {
    read: (value) => (typeof value === 'string' ? duration(value) : undefined),
    empty: '0s',
    expected: 'a length of time such as "1m30s"',
  },
  [`${meta}.FieldsV1`]: fieldSet,
  'k8s.io.apimachinery.pkg.runtime.RawExtension': freeForm,
  'k8s.io.api.authentication.v1.ExtraValue': { read: texts, empty: [], expected: 'a list of strings' },
};

function integer(min: number, max: number, expected: string): ReadValue {
  return {
    read: (value) =>
      typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : undefined,
    empty: 0,
    expected,
  };
}

function int32(value: unknown): unknown {
  return scalarReaders.int32?.read(value);
}

function quantity(value: string | number): string | undefined {
  try {
    return canonicalQuantity(value);
  } catch (error) {
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
}

function texts(value: unknown): string[] | undefined {
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string' || item === null)) return undefined;
  return value.map((item: string | null) => item ?? '');
}

/** Standard base64 with padding; line breaks are dropped, as Go's decoder does. */
function base64(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const text = value.includes('\n') || value.includes('\r') ? value.replace(/[\r\n]/g, '') : value;
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? text : undefined;
}

const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.(\d+))?(?:Z|[+-]\d{2}:\d{2})$/;

function duration(text: string): string | undefined {
  const nanoseconds = parseGoDuration(text);
  return nanoseconds === undefined ? undefined : formatGoDuration(nanoseconds);
}

function time(value: unknown): string | undefined {
  return moment(value)?.seconds;
}

function microTime(value: unknown): string | undefined {
  const at = moment(value);
  return at && `${at.seconds.slice(0, -1)}.${at.fraction.slice(0, 6).padEnd(6, '0')}Z`;
}

/** In UTC: `seconds` without its fraction, `fraction` its digits. */
function moment(value: unknown): { seconds: string; fraction: string } | undefined {
  if (typeof value !== 'string' || value.length > 64) return undefined;
  const match = rfc3339.exec(value);
  const at = match ? Date.parse(value) : Number.NaN;
  if (!match || Number.isNaN(at)) return undefined;
  return { seconds: `${new Date(at).toISOString().slice(0, 19)}Z`, fraction: match[1] ?? '' };
}

function depthWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (levels === 0) return false;
  for (const item of Object.values(value)) if (!depthWithin(item, levels - 1)) return false;
  return true;
}
