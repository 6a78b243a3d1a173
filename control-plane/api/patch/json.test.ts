import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyJsonPatch } from './json.ts';

/** The examples of RFC 6902, appendix A. */
describe('the examples of RFC 6902', () => {
  it.each<[string, unknown, unknown[], unknown]>([
    ['A.1', { foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { baz: 'qux', foo: 'bar' }],
    ['A.2', { foo: ['bar', 'baz'] }, [{ op: 'add', path: '/foo/1', value: 'qux' }], { foo: ['bar', 'qux', 'baz'] }],
    ['A.3', { baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
    ['A.4', { foo: ['bar', 'qux', 'baz'] }, [{ op: 'remove', path: '/foo/1' }], { foo: ['bar', 'baz'] }],
    ['A.5', { baz: 'qux', foo: 'bar' }, [{ op: 'replace', path: '/baz', value: 'boo' }], { baz: 'boo', foo: 'bar' }],
    [
      'A.6',
      { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } },
      [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
      { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } },
    ],
    [
      'A.7',
      { foo: ['all', 'grass', 'cows', 'eat'] },
      [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
      { foo: ['all', 'cows', 'eat', 'grass'] },
    ],
    [
      'A.8',
      { baz: 'qux', foo: ['a', 2, 'c'] },
      [
        { op: 'test', path: '/baz', value: 'qux' },
        { op: 'test', path: '/foo/1', value: 2 },
      ],
      { baz: 'qux', foo: ['a', 2, 'c'] },
    ],
    [
      'A.10',
      { foo: 'bar' },
      [{ op: 'add', path: '/child', value: { grandchild: {} } }],
      { foo: 'bar', child: { grandchild: {} } },
    ],
    ['A.11', { foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux', xyz: 123 }], { foo: 'bar', baz: 'qux' }],
    ['A.14', { '/': 9, '~1': 10 }, [{ op: 'test', path: '/~01', value: 10 }], { '/': 9, '~1': 10 }],
    [
      'A.16',
      { foo: ['bar'] },
      [{ op: 'add', path: '/foo/-', value: ['abc', 'def'] }],
      { foo: ['bar', ['abc', 'def']] },
    ],
  ])('%s', (_name, document, patch, expected) => {
    expect(applyJsonPatch(document, patch)).toStrictEqual(expected);
  });

  it.each([
    ['A.9: a test that fails', { baz: 'qux' }, { op: 'test', path: '/baz', value: 'bar' }],
    ['A.12: a member of what is not there', { foo: 'bar' }, { op: 'add', path: '/baz/bat', value: 'qux' }],
    ['A.15: a number and its text', { '/': 9, '~1': 10 }, { op: 'test', path: '/~01', value: '10' }],
  ])('%s is refused', (_name, document, step) => {
    expect(() => applyJsonPatch(document, [step])).toThrow('the server rejected our request due to an error');
  });
});

describe('a JSON patch', () => {
  const document = { list: [1, 2], text: 'abc', none: null, number: 1, deep: { a: { b: [{}] } } };

  it.each([
    ['behind the end of a list', { op: 'add', path: '/list/3', value: 0 }, 'the list has 2 items'],
    ['before its beginning', { op: 'add', path: '/list/-4', value: 0 }, 'the list has 2 items'],
    ['at no place that is a number', { op: 'add', path: '/list/1x', value: 0 }, '/list/1x does not exist'],
    ['at a place that begins with text', { op: 'add', path: '/list/x1', value: 0 }, '/list/x1 does not exist'],
    ['at a place with a leading zero', { op: 'add', path: '/list/01', value: 0 }, '/list/01 does not exist'],
    ['in a text', { op: 'add', path: '/text/x', value: 0 }, '/text/x does not exist'],
    ['in nothing', { op: 'add', path: '/none/x', value: 0 }, '/none/x does not exist'],
    ['in a number', { op: 'add', path: '/number/x', value: 0 }, '/number/x does not exist'],
    ['without a slash', { op: 'add', path: 'list', value: 0 }, 'the path "list" must start with "/"'],
  ])('adds nothing %s', (_what, step, message) => {
    expect(() => applyJsonPatch(document, [step])).toThrow(message);
  });

  it.each([
    ['the item behind the last', '/list/2'],
    ['the place behind the last', '/list/-'],
    ['a member that is not there', '/missing'],
    ['what every text has', '/text/length'],
    ['what every list has', '/list/length'],
    ['a member of nothing', '/none/x'],
    ['a member of what is not there', '/missing/why'],
    ['a path without a slash', 'text'],
  ])('takes, replaces and copies nothing but what is there: not %s', (_what, path) => {
    for (const step of [
      { op: 'remove', path },
      { op: 'replace', path, value: 1 },
      { op: 'copy', from: path, path: '/to' },
      { op: 'move', from: path, path: '/to' },
    ]) {
      expect(() => applyJsonPatch(document, [step])).toThrow('the server rejected our request due to an error');
    }
  });

  it.each([
    ['none', 1, 'a JSON patch must be a list of operations'],
    ['an operation that is nothing', [null], 'an operation must be an object'],
    ['an operation that is a text', ['add'], 'an operation must be an object'],
    ['no path', [{ op: 'remove' }], 'an operation needs a path'],
    ['no value to add', [{ op: 'add', path: '/x' }], 'the operation needs a value'],
    ['no value to put in place', [{ op: 'replace', path: '/text' }], 'the operation needs a value'],
    ['nowhere to move from', [{ op: 'move', path: '/x' }], 'the operation needs a "from" path'],
    ['nowhere to copy from', [{ op: 'copy', path: '/x', from: 1 }], 'the operation needs a "from" path'],
    ['a move into itself', [{ op: 'move', from: '/deep', path: '/deep/a/c' }], 'cannot move /deep into itself'],
    ['the whole object removed', [{ op: 'remove', path: '' }], 'the whole object cannot be removed'],
    ['another operation', [{ op: 'merge', path: '/x' }], 'unexpected kind of operation: "merge"'],
    ['a test that fails', [{ op: 'test', path: '/text', value: 'b' }], 'testing path /text failed'],
    ['a test of nothing against null', [{ op: 'test', path: '/list/0', value: null }], 'testing path /list/0 failed'],
  ])('is refused: %s', (_what, patch, message) => {
    expect(() => applyJsonPatch(document, patch)).toThrow(message);
  });

  it('takes a member that its object does not have for null in a test, and nothing else that is missing', () => {
    const test = (path: string) => applyJsonPatch({ ...document, 'a/b': {} }, [{ op: 'test', path, value: null }]);
    for (const path of ['/none', '/missing', '/deep/missing', '/list~1', '/deep/a/b/0/missing', '/a~1b/x']) {
      expect(test(path)).toStrictEqual({ ...document, 'a/b': {} });
    }
    const missing = ['/missing/why', '/list/2', '/list/-', '/list/x', '/text/length', '/none/x', 'missing'];
    for (const path of missing) expect(() => test(path), path).toThrow('the server rejected our request');
    for (const path of ['', '/deep', '/a~1b']) expect(() => test(path), path).toThrow('failed: the value is another');
  });

  it('moves to where a name only begins like the source, and to where it stands', () => {
    expect(applyJsonPatch({ a: 1 }, [{ op: 'move', from: '/a', path: '/ab' }])).toStrictEqual({ ab: 1 });
    expect(applyJsonPatch({ a: 1 }, [{ op: 'move', from: '/a', path: '/a' }])).toStrictEqual({ a: 1 });
  });

  it('adds, replaces, tests and copies the whole document', () => {
    expect(applyJsonPatch({ a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }])).toStrictEqual({ b: 2 });
    const steps = [
      { op: 'add', path: '', value: { c: 3 } },
      { op: 'test', path: '', value: { c: 3 } },
      { op: 'copy', from: '', path: '/d' },
    ];
    expect(applyJsonPatch({ a: 1 }, steps)).toStrictEqual({ c: 3, d: { c: 3 } });
  });

  it('may have ten thousand operations, and copy 3 MiB of text', () => {
    const tests = Array.from({ length: 10_000 }, () => ({ op: 'test', path: '/a', value: 1 }));
    expect(applyJsonPatch({ a: 1 }, tests)).toStrictEqual({ a: 1 });
    expect(() => applyJsonPatch({ a: 1 }, [...tests, ...tests.slice(0, 1)])).toThrow('10000, got 10001');
    const most = 'x'.repeat(3 * 1024 * 1024 - 2);
    const copies = (text: string) => applyJsonPatch({ text }, [{ op: 'copy', from: '/text', path: '/copy' }]);
    expect(copies(most)).toStrictEqual({ text: most, copy: most });
    expect(() => copies(`${most}x`)).toThrow('exceeding the limit 3145728');
  });

  it('finds the twelfth of a list, from either end', () => {
    const list = Array.from({ length: 12 }, (_, i) => i);
    const patch = ['/list/10', '/list/-1', '/list/-10'].map((path) => ({ op: 'remove', path }));
    expect(applyJsonPatch({ list }, patch)).toStrictEqual({ list: [1, 2, 3, 4, 5, 6, 7, 8, 9] });
  });
});

const names = fc.constantFrom('a', 'b', 'x/y', '~', '0');
const { value: json } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.constantFrom<unknown>(0, 'text', null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(names, tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));
const pointer = fc
  .array(fc.constantFrom('a', 'b', 'x~1y', '~0', '0', '1', '2', '-', '-1'), { minLength: 1, maxLength: 3 })
  .map((tokens) => tokens.map((token) => `/${token}`).join(''));
const operation = fc.oneof(
  fc.record({ op: fc.constantFrom('add', 'replace', 'test'), path: pointer, value: json }),
  fc.record({ op: fc.constant('remove'), path: pointer }),
  fc.record({ op: fc.constantFrom('move', 'copy'), from: pointer, path: pointer }),
);
interface Step {
  op: string;
  path: string;
  from?: string;
  value?: unknown;
}

it('law: each operation does what RFC 6902 says of it, or the patch is refused; neither document nor patch changes', () => {
  fc.assert(
    fc.property(json, fc.array(operation, { minLength: 1, maxLength: 3 }), (document, patch) => {
      fc.pre(document !== null && typeof document === 'object');
      const given = JSON.stringify([document, patch]);
      const expected = outcome(() => patch.reduce((made: unknown, step: Step) => applied(made, step), document));
      expect(outcome(() => applyJsonPatch(document, patch))).toStrictEqual(expected);
      expect(JSON.stringify([document, patch])).toBe(given);
    }),
    { numRuns: 300 },
  );
});

function outcome(run: () => unknown): unknown {
  try {
    return { made: run() };
  } catch {
    return 'refused';
  }
}

/** One operation by the words of the RFC, on a copy of the whole document. */
function applied(document: unknown, step: Step): unknown {
  const made: unknown = structuredClone(document);
  const { op, path, from = '' } = step;
  if (op === 'test') {
    const { parent, last } = parentOf(made, path);
    const absent = !Array.isArray(parent) && !Object.hasOwn(parent, last);
    if (sortedText(absent ? null : read(made, path)) !== sortedText(step.value)) throw new Error('test');
    return made;
  }
  if (op === 'remove') return without(made, path);
  if (op === 'replace') {
    read(made, path);
    return written(made, path, step.value, true);
  }
  if (op === 'add') return written(made, path, step.value, false);
  const value = read(made, from);
  if (op === 'copy') return written(made, path, structuredClone(value), false);
  if (path.startsWith(`${from}/`)) throw new Error('into itself');
  return written(without(made, from), path, value, false);
}

function read(value: unknown, path: string): unknown {
  let at = value;
  for (const token of tokensOf(path)) {
    const key = Array.isArray(at) ? placeOf(token, at.length) : token;
    if (at === null || typeof at !== 'object' || !Object.hasOwn(at, key)) throw new Error('missing');
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

function without(made: unknown, path: string): unknown {
  read(made, path);
  const { parent, last } = parentOf(made, path);
  if (Array.isArray(parent)) parent.splice(Number(placeOf(last, parent.length)), 1);
  else delete parent[last];
  return made;
}

function written(made: unknown, path: string, value: unknown, inPlace: boolean): unknown {
  const { parent, last } = parentOf(made, path);
  if (!Array.isArray(parent)) parent[last] = value;
  else if (inPlace) parent[Number(placeOf(last, parent.length))] = value;
  else if (last === '-') parent.push(value);
  else parent.splice(Number(placeOf(last, parent.length + 1)), 0, value);
  return made;
}

function parentOf(made: unknown, path: string): { parent: Record<string, unknown> | unknown[]; last: string } {
  const tokens = tokensOf(path);
  const parent = read(made, path.slice(0, path.lastIndexOf('/')));
  if (parent === null || typeof parent !== 'object') throw new Error('no parent');
  return { parent: parent as Record<string, unknown>, last: tokens.at(-1) ?? '' };
}

function tokensOf(path: string): string[] {
  return path
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The place among so many; Kubernetes counts -1 from the end. */
function placeOf(token: string, places: number): string {
  const at = token === '-1' ? places - 1 : Number(token);
  if (!(at >= 0 && at < places)) throw new Error('no such place');
  return String(at);
}

function sortedText(value: unknown): string {
  return JSON.stringify(value, (_name, one: unknown) =>
    one !== null && typeof one === 'object' && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
}
