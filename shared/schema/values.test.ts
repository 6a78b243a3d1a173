import { describe, expect, it } from 'vitest';
import { kindNamed } from '../kinds/index.ts';
import { decodeKind, encodeObject } from '../rpc/convert.ts';
import { boundValues, countValues, maxBodyValues } from './values.ts';

const tooLarge = expect.objectContaining({ reason: 'RequestEntityTooLarge' });

describe('values', () => {
  it('are counted at all levels', () => {
    expect(countValues({ a: 1, b: [1, { c: {} }] })).toBe(5);
    expect(countValues('text')).toBe(0);
  });

  it('are bounded in a JSON text before it is parsed, whatever stands inside of its strings', () => {
    const items = (count: number): string => `[${Array(count).fill('"a"').join(',')}]`;
    expect(() => boundValues(items(maxBodyValues - 1))).not.toThrow();
    expect(() => boundValues(items(maxBodyValues + 1))).toThrow(tooLarge);
    expect(() => boundValues('['.repeat(maxBodyValues + 1))).toThrow(tooLarge);
    expect(() => boundValues(JSON.stringify({ a: `${'\\",{['.repeat(maxBodyValues)}` }))).not.toThrow();
    expect(() => boundValues(`{"a":"${'\\'.repeat(maxBodyValues)}`)).not.toThrow();
  });

  it('are bounded in a protobuf message while it is read', () => {
    const data = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, '']));
    const entry = kindNamed('ConfigMap');
    const bytes = encodeObject(entry.message, { data });
    expect(countValues(decodeKind(entry, bytes, 3_001))).toBe(1_004);
    expect(() => decodeKind(entry, bytes, 999)).toThrow(tooLarge);
  });
});
