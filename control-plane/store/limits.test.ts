import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../../shared/errors.ts';
import { checkTxn, chunkLength, chunkTxns, closed, compacted, tooLarge } from './limits.ts';
import type { Txn } from './store.ts';

const put = (...keys: string[]): Txn => ({
  guards: [],
  writes: keys.map((key) => ({ type: 'put', key, value: '' })),
});
const guard = (...keys: string[]): Txn => ({ guards: keys.map((key) => ({ key, revision: 1 })), writes: [] });
const many = (count: number, prefix = 'k'): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const lengths = (txns: readonly Txn[]): number[] => chunkTxns(txns).map((chunk) => chunk.length);

describe('a transaction', () => {
  it('may have at most 128 guards and 128 writes', () => {
    expect(checkTxn({ guards: guard(...many(128)).guards, writes: put(...many(128)).writes })).toBeUndefined();
    for (const txn of [put(...many(129)), guard(...many(129))]) {
      expect(() => checkTxn(txn)).toThrow(expect.objectContaining({ reason: 'BadRequest' }));
    }
  });

  it('may write no key twice, but guard a key that it writes', () => {
    const twice: Txn = { guards: [], writes: [...put('a', 'b').writes, { type: 'delete', key: 'a' }] };
    expect(() => checkTxn(twice)).toThrow(ApiError);
    expect(checkTxn({ guards: guard('a', 'a').guards, writes: put('a').writes })).toBeUndefined();
  });
});

describe('transactions sent together', () => {
  it('have at most 128 operations, counted with the widest of them', () => {
    // etcd counts one operation for each nested transaction, and those of the largest one.
    expect(lengths(many(200).map((key) => put(key)))).toEqual([127, 73]);
    expect(lengths([put(...many(100, 'a')), ...many(40).map((key) => put(key))])).toEqual([28, 13]);
    expect(lengths([...many(27).map((key) => put(key)), guard(...many(100, 'b'))])).toEqual([28]);
    expect(lengths([...many(28).map((key) => put(key)), guard(...many(100, 'b'))])).toEqual([28, 1]);
    expect(lengths([put(...many(128)), put('x')])).toEqual([1, 1]);
  });

  it('have at most a MiB together; a single larger one is sent alone', () => {
    const sized = (key: string, size: number): Txn => ({
      guards: [],
      writes: [{ type: 'put', key, value: 'x'.repeat(size) }],
    });
    const mib = 1024 * 1024;
    expect(lengths([sized('a', mib / 2 - 100), sized('b', mib / 2 - 100)])).toEqual([2]);
    expect(lengths([sized('a', mib / 2 + 100), sized('b', mib / 2 + 100)])).toEqual([1, 1]);
    expect(lengths([sized('a', 2 * mib), sized('b', 1)])).toEqual([1, 1]);
    expect(lengths([put('a'), sized('b', 2 * mib), put('c')])).toEqual([1, 1, 1]);
    const long = 'k'.repeat(300_000);
    expect(lengths([guard(`${long}a`), guard(`${long}b`)])).toEqual([1, 1]);
    expect(lengths([guard('a'), { guards: [], writes: [{ type: 'delete', key: 'k'.repeat(mib) }] }])).toEqual([1, 1]);
  });

  it('do not touch a key that an earlier one writes, nor write one that an earlier one guards', () => {
    expect(lengths([put('a'), put('a')])).toEqual([1, 1]);
    expect(lengths([put('a'), guard('a')])).toEqual([1, 1]);
    expect(lengths([guard('a'), put('a')])).toEqual([1, 1]);
    expect(lengths([guard('a'), guard('a')])).toEqual([2]);
    expect(lengths([put('a', 'b'), put('c', 'b')])).toEqual([1, 1]);
    expect(lengths([guard('a', 'b'), guard('c'), put('x', 'b')])).toEqual([2, 1]);
    expect(lengths([put('a'), put('b'), put('a'), put('b')])).toEqual([2, 2]);
  });

  it('are all of them, in order, in groups as large as allowed', () => {
    const key = fc.integer({ min: 0, max: 12 }).map(String);
    const txn = fc
      .record({ guards: fc.uniqueArray(key, { maxLength: 2 }), writes: fc.uniqueArray(key, { maxLength: 2 }) })
      .map(({ guards, writes }): Txn => ({ guards: guard(...guards).guards, writes: put(...writes).writes }));
    const clash = (earlier: Txn, later: Txn): boolean => {
      const written = new Set(earlier.writes.map((write) => write.key));
      const guarded = new Set(earlier.guards.map((one) => one.key));
      return (
        later.writes.some((write) => written.has(write.key) || guarded.has(write.key)) ||
        later.guards.some((one) => written.has(one.key))
      );
    };
    fc.assert(
      fc.property(fc.array(txn, { maxLength: 12 }), (txns) => {
        const chunks = chunkTxns(txns);
        expect(chunks.flat()).toEqual(txns);
        for (const [c, chunk] of chunks.entries()) {
          expect(chunk.length).toBeGreaterThan(0);
          for (const [i, later] of chunk.entries()) {
            expect(chunk.slice(0, i).some((earlier) => clash(earlier, later))).toBe(false);
          }
          const next = chunks[c + 1]?.[0];
          if (next) expect(chunk.some((earlier) => clash(earlier, next))).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('of an empty list are none, and can be counted from any index', () => {
    expect(chunkTxns([])).toEqual([]);
    expect([chunkLength([]), chunkLength([put('a')], 1)]).toEqual([0, 0]);
    expect(chunkLength([put('a'), put('b'), put('c'), put('b')], 1)).toBe(2);
  });
});

it('the refusals of a store have the reasons that callers depend on', () => {
  expect([compacted(3).reason, closed().reason]).toEqual(['Expired', 'ServiceUnavailable']);
  // Kubernetes: storage.NewTooLargeResourceVersionError
  expect(tooLarge(9, 4)).toMatchObject({
    reason: 'Timeout',
    message: 'Timeout: Too large resource version: 9, current: 4',
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  });
});
