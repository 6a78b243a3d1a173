import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyJsonPatch } from './json.ts';
import { cutOff, Pieces } from './pieces.ts';

describe('a list in pieces', () => {
  it('is the list that it would be whole, whatever goes in and out of it', () => {
    const change = fc.record({
      at: fc.nat(),
      value: fc.nat(),
      kind: fc.constantFrom('insert', 'remove', 'set', 'get'),
    });
    fc.assert(
      fc.property(fc.nat(2_000), fc.array(change, { maxLength: 1_000, size: 'max' }), (length, changes) => {
        const plain: unknown[] = Array.from({ length }, (_, i) => i);
        const pieces = new Pieces(plain);
        for (const { at, value, kind } of changes) {
          const index = at % (plain.length + (kind === 'insert' ? 1 : 0));
          if (Number.isNaN(index)) continue;
          if (kind === 'insert') pieces.insert(index, value);
          else if (kind === 'remove') pieces.remove(index);
          else if (kind === 'set') pieces.set(index, value);
          else if (pieces.get(index) !== plain[index]) throw new Error(`another item at ${index}`);
          if (kind === 'insert') plain.splice(index, 0, value);
          else if (kind === 'remove') plain.splice(index, 1);
          else if (kind === 'set') plain[index] = value;
        }
        expect(pieces.whole()).toEqual(plain);
        expect(pieces.length).toBe(plain.length);
      }),
      { numRuns: 20 },
    );
  });

  it('stays in order however many items go in at one place', () => {
    const plain: unknown[] = Array.from({ length: 1_200 }, (_, i) => i);
    const pieces = new Pieces(plain);
    for (let i = 0; i < 1_500; i++) {
      const at = 600 + (i % 2);
      pieces.insert(at, `new ${i}`);
      plain.splice(at, 0, `new ${i}`);
    }
    expect(pieces.whole()).toEqual(plain);
    expect([0, 511, 599, 1_111, 1_112, 2_699].map((at) => pieces.get(at))).toEqual(
      [0, 511, 599, 1_111, 1_112, 2_699].map((at) => plain[at]),
    );
  });

  it('cuts a piece of 1,024 items in halves, and no shorter one', () => {
    const piece = Array.from({ length: 1_023 }, (_, i) => i);
    expect(cutOff(piece)).toBeUndefined();
    expect(piece).toHaveLength(1_023);
    piece.push(1_023);
    expect(cutOff(piece)).toEqual(Array.from({ length: 512 }, (_, i) => 512 + i));
    expect(piece).toEqual(Array.from({ length: 512 }, (_, i) => i));
  });

  it('has no items when it is made of none', () => {
    const pieces = new Pieces([]);
    expect([pieces.length, pieces.whole(), pieces.get(0)]).toEqual([0, [], undefined]);
  });

  it('can be emptied and filled again', () => {
    const pieces = new Pieces([1]);
    pieces.remove(0);
    pieces.insert(0, 2);
    pieces.insert(1, 3);
    expect(pieces.whole()).toEqual([2, 3]);
  });
});

describe('a JSON patch of long lists', () => {
  const list = Array.from({ length: 3_000 }, (_, i) => ({ n: i, inner: [i] }));

  it('adds, removes, moves, replaces, copies and tests as in a short one, and leaves what it was given alone', () => {
    const document = { list, other: [1] };
    const before = JSON.stringify(document);
    const patch = [
      { op: 'add', path: '/list/0', value: { n: -1, inner: [] } },
      { op: 'add', path: '/list/0/inner/-', value: 'x' },
      { op: 'test', path: '/list/0', value: { n: -1, inner: ['x'] } },
      { op: 'remove', path: '/list/1' },
      { op: 'move', from: '/list/0', path: '/list/-' },
      { op: 'replace', path: '/list/0/n', value: 'first' },
      { op: 'copy', from: '/list', path: '/copy' },
      { op: 'remove', path: '/list/-1' },
      { op: 'test', path: '/list/2998', value: list[2999] },
      { op: 'move', from: '/list', path: '/moved' },
    ];
    const given = JSON.stringify(patch);
    const made = applyJsonPatch(document, patch) as Record<string, unknown[]>;
    const rest = list.slice(2);
    expect(made.moved).toEqual([{ n: 'first', inner: [1] }, ...rest]);
    expect(made.copy).toEqual([{ n: 'first', inner: [1] }, ...rest, { n: -1, inner: ['x'] }]);
    expect(made).not.toHaveProperty('list');
    expect(made.other).toBe(document.other);
    expect(JSON.stringify(document)).toBe(before);
    expect(JSON.stringify(patch)).toBe(given);
  });

  it('says where the list ends', () => {
    const patch = [
      { op: 'remove', path: '/list/0' },
      { op: 'remove', path: '/list/2999' },
    ];
    expect(() => applyJsonPatch({ list }, patch)).toThrow(
      'the path /list/2999 does not exist: the list has 2999 items',
    );
  });

  it('walks no further along a path than the document goes, and repeats its beginning', () => {
    const patch = [{ op: 'add', path: '/'.repeat(3_000_000), value: 1 }];
    expect(() => applyJsonPatch({}, patch)).toThrow(/^.{1,1200}$/);
  });
});
