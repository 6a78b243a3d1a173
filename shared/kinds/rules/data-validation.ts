import { isDeepStrictEqual } from 'node:util';
import type { StatusCause } from '../../generated/types.ts';
import { forbidden, invalid, tooLong } from '../../schema/causes.ts';
import { isConfigKey } from '../../schema/formats.ts';

/** Bytes that a ConfigMap or a Secret may hold in all. */
const dataLimit = 1024 * 1024;
const fixed = 'field is immutable when `immutable` is set';

/** Plain text or base64, by key, at the field `name`. */
export interface DataField {
  readonly name: string;
  readonly data: Readonly<Record<string, string>> | undefined;
  readonly base64: boolean;
}

/** Keys that can be file names, none twice, and no more than 1 MiB in all. */
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
  // As Kubernetes says it: of a Secret its data are too long, of a ConfigMap, whose data are two fields, all of it.
  const [only, ...more] = fields;
  if (size > dataLimit) causes.push(tooLong(only && more.length === 0 ? only.name : '[]', dataLimit));
}

interface Freezable {
  immutable?: boolean;
  data?: unknown;
  binaryData?: unknown;
}

/** Once frozen, always frozen. */
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
