import { isDeepStrictEqual } from 'node:util';
import type { StatusCause } from '../../generated/types.ts';
import { forbidden, invalid, tooLong } from '../../schema/causes.ts';
import { isConfigKey } from '../../schema/formats.ts';

/** The most bytes of a ConfigMap's or a Secret's data. */
const dataLimit = 1024 * 1024;
const fixed = 'field is immutable when `immutable` is set';

/** Text or base64 by key, in the field `name`. */
export interface DataField {
  readonly name: string;
  readonly data: Readonly<Record<string, string>> | undefined;
  readonly base64: boolean;
}

/** Keys must be file names without duplicates; all data at most 1 MiB. */
export function validateData(fields: readonly DataField[], causes: StatusCause[]): void {
  let size = 0;
  const seen = new Set<string>();
  for (const { name, data, base64 } of fields) {
    for (const [key, value] of Object.entries(data ?? {})) {
      const fault = isConfigKey(key);
      if (fault) causes.push(invalid(`${name}[${key}]`, key, fault));
      if (seen.has(key)) causes.push(invalid(`${name}[${key}]`, key, `duplicate of key present in ${fields[0]?.name}`));
      seen.add(key);
      size += base64 ? decodedLength(value) : Buffer.byteLength(value);
    }
  }
  // As in Kubernetes: the field is `data` for a Secret, and empty for a ConfigMap, which has two data fields.
  const [only, ...more] = fields;
  if (size > dataLimit) causes.push(tooLong(only && more.length === 0 ? only.name : '[]', dataLimit));
}

interface Freezable {
  immutable?: boolean;
  data?: unknown;
  binaryData?: unknown;
}

/** An immutable object cannot change, nor become mutable. */
export function validateFrozen(object: Freezable, old: Freezable, causes: StatusCause[]): void {
  if (!old.immutable) return;
  if (!object.immutable) causes.push(forbidden('immutable', fixed));
  for (const name of ['data', 'binaryData'] as const) {
    if (!isDeepStrictEqual(object[name] ?? {}, old[name] ?? {})) causes.push(forbidden(name, fixed));
  }
}

function decodedLength(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}
