import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareValues,
  difference,
  type FieldSet,
  hasChildren,
  hasPath,
  intersection,
  isEmpty,
  isMember,
  keyElement,
  nodeOf,
  pathsOf,
  printPath,
  readFieldSet,
  sorted,
  union,
  unionOf,
  valueElement,
} from './field-set.ts';

type Path = readonly string[];

const element = fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'v:"1"');
const somePaths = fc.array(fc.array(element, { minLength: 1, maxLength: 3 }), { maxLength: 6 });

/** The tree of some paths, made without the code under test. */
function treeOf(paths: readonly Path[], within = false): FieldSet {
  const below = paths.filter((path) => path.length > 0);
  const self = within && below.length < paths.length && below.length > 0;
  const names = [...new Set(below.map(([first = '']) => first))].sort();
  const children = names.map((name) => [
    name,
    treeOf(
      below.filter(([first]) => first === name).map((path) => path.slice(1)),
      true,
    ),
  ]);
  return { ...(self ? { '.': {} } : {}), ...Object.fromEntries(children) };
}

function backwards(set: FieldSet): FieldSet {
  return Object.fromEntries(
    Object.entries(set)
      .reverse()
      .map(([name, node]) => [name, backwards(node)]),
  );
}

const texts = (paths: Iterable<Path>) => [...new Set([...paths].map((path) => JSON.stringify(path)))].sort();

describe('sets of fields', () => {
  it('have the members that sets of paths would have', () => {
    fc.assert(
      fc.property(somePaths, somePaths, (a, b) => {
        const [left, right] = [treeOf(a), treeOf(b)];
        const [inA, inB] = [new Set(texts(a)), new Set(texts(b))];
        expect(texts(pathsOf(left))).toEqual([...inA]);
        expect(texts(pathsOf(union(left, right)))).toEqual([...new Set([...inA, ...inB])].sort());
        expect(texts(pathsOf(intersection(left, right)))).toEqual([...inA].filter((path) => inB.has(path)));
        expect(texts(pathsOf(difference(left, right)))).toEqual([...inA].filter((path) => !inB.has(path)));
        expect(isEmpty(difference(left, right))).toBe([...inA].every((path) => inB.has(path)));
        for (const path of [...a, ...b, ['f:a'], ['f:b', 'f:c'], []]) {
          expect(hasPath(left, path)).toBe(inA.has(JSON.stringify(path)));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('have one form, whichever way they were made', () => {
    fc.assert(
      fc.property(fc.array(somePaths, { maxLength: 4 }), (sets) => {
        const all = unionOf(sets.map((paths) => treeOf(paths)));
        expect(JSON.stringify(all)).toBe(JSON.stringify(treeOf(sets.flat())));
        expect(JSON.stringify(readFieldSet(backwards(all)))).toBe(JSON.stringify(all));
      }),
    );
  });

  it('do not take what lies below a field with it', () => {
    const whole = { 'f:a': { '.': {}, 'f:b': {} } };
    expect(difference(whole, { 'f:a': {} })).toEqual({ 'f:a': { 'f:b': {} } });
    expect(difference(whole, { 'f:a': { 'f:b': {} } })).toEqual({ 'f:a': {} });
    expect(intersection(whole, { 'f:a': {} })).toEqual({ 'f:a': {} });
    expect(intersection({ 'f:a': { 'f:b': {} } }, { 'f:a': {} })).toEqual({});
  });

  it('are not changed, and share what does not differ', () => {
    const [left, right] = [Object.freeze({ 'f:a': { 'f:b': {} } }), Object.freeze({ 'f:c': {} })];
    expect(union(left, left)).toBe(left);
    expect(unionOf([left])).toBe(left);
    expect(unionOf([])).toEqual({});
    expect(union(left, right)['f:a']).toBe(left['f:a']);
    expect(union({ ...left }, { ...left })['f:a']).toBe(left['f:a']);
    expect(difference(left, right)['f:a']).toBe(left['f:a']);
    expect(intersection(left, { ...left })['f:a']).toBe(left['f:a']);
    expect(difference(left, { ...left })).toEqual({});
  });

  it('tell members from what only has some below it', () => {
    expect([isMember({}), isMember({ '.': {} }), isMember({ 'f:a': {} }), isMember({ '.': {}, 'f:a': {} })]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    expect([hasChildren({}), hasChildren({ '.': {} }), hasChildren({ 'f:a': {} })]).toEqual([false, false, true]);
    expect([nodeOf(true, undefined), nodeOf(false, {}), nodeOf(true, {})]).toEqual([{}, undefined, {}]);
    expect([nodeOf(true, { 'f:a': {} }), nodeOf(false, { 'f:a': {} })]).toEqual([
      { '.': {}, 'f:a': {} },
      { 'f:a': {} },
    ]);
  });

  it('name their members with those above before those below', () => {
    const set = { 'f:b': { '.': {}, 'f:c': {} }, 'f:d': {} };
    expect([...pathsOf(set)]).toEqual([['f:b'], ['f:d'], ['f:b', 'f:c']]);
  });
});

describe('elements of paths', () => {
  it('stand by kind, then by what they say: numbers as numbers, before texts, before truths', () => {
    const ordered = [
      'f:a',
      'f:b',
      'k:{"a":1}',
      'k:{"a":1,"b":1}',
      'k:{"a":2}',
      'k:{"a":10}',
      'k:{"a":"1"}',
      'k:{"b":0}',
      'v:2',
      'v:10',
      'v:"1"',
      'v:"x"',
      'v:false',
      'v:true',
      'i:2',
      'i:10',
    ];
    expect(sorted([...ordered].reverse())).toEqual(ordered);
    expect(sorted([...ordered, ...ordered])).toEqual(ordered);
    expect(sorted(['f:b', 'f:a', 'f:b'])).toEqual(['f:a', 'f:b']);
    expect([compareValues(2, 10), compareValues('b', 'a'), compareValues('a', 'a')]).toEqual([-1, 1, 0]);
    expect(compareValues(1, 'a') < 0 && compareValues(true, 'a') > 0).toBe(true);
  });

  it('are written as Go writes JSON', () => {
    expect(keyElement([['name', '<a & b>']])).toBe('k:{"name":"\\u003ca \\u0026 b\\u003e"}');
    expect(
      keyElement([
        ['ip', '::1'],
        ['port', 80],
      ]),
    ).toBe('k:{"ip":"::1","port":80}');
    expect(valueElement('\u2028x\u2029')).toBe('v:"\\u2028x\\u2029"');
    expect(valueElement(1)).toBe('v:1');
  });

  it('are shown as Kubernetes prints them', () => {
    expect(printPath(['f:spec', 'f:ports', 'k:{"port":80,"protocol":"TCP"}', 'f:name'])).toBe(
      '.spec.ports[port=80,protocol="TCP"].name',
    );
    expect(printPath(['f:finalizers', 'v:"a"'])).toBe('.finalizers[="a"]');
    expect(printPath(['f:args', 'i:3'])).toBe('.args[3]');
  });
});

describe('a set that a client sends', () => {
  it('is read in order, in one way of writing, without what is no element', () => {
    const sent = {
      '.': {},
      'v:"<"': {},
      'k:{"b": 1, "a": 2}': { '.': {}, 'f:x': { '.': {} } },
      'f:b': null,
      'f:a': { text: {}, 'x:y': {} },
      'i:1': 'text',
      other: { 'f:z': {} },
    };
    expect(JSON.stringify(readFieldSet(sent))).toBe(
      JSON.stringify({
        'f:a': {},
        'f:b': {},
        'k:{"a":2,"b":1}': { '.': {}, 'f:x': {} },
        'v:"\\u003c"': {},
        'i:1': {},
      }),
    );
    expect([readFieldSet(undefined), readFieldSet(null), readFieldSet('f:a')]).toEqual([{}, {}, {}]);
  });

  it('is refused when a key or a value in it is no JSON, or a key no object', () => {
    for (const wrong of ['k:{', 'k:[1]', 'k:null', 'k:1', 'v:{']) {
      expect(() => readFieldSet({ [wrong]: {} })).toThrow(SyntaxError);
      expect(() => readFieldSet({ 'f:a': { [wrong]: {} } })).toThrow(SyntaxError);
    }
  });

  it('is read 64 levels deep', () => {
    const deep = (levels: number): object => (levels === 0 ? {} : { 'f:a': deep(levels - 1) });
    expect(readFieldSet(deep(65))).toEqual(deep(65));
    expect(readFieldSet(deep(80))).toEqual(deep(65));
  });
});
