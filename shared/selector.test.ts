import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  everything,
  formatFieldSelector,
  formatSelector,
  matchesFields,
  matchesLabels,
  matchesNodeSelector,
  nothing,
  parseFieldSelector,
  parseLabelSelector,
  selectorOf,
  selectorOfMap,
  validateLabelSelector,
} from './selector.ts';

describe('parseLabelSelector', () => {
  const labels = { app: 'web', tier: 'front', empty: '', version: '7', 'example.com/team': 'blue' };

  it.each([
    ['', true],
    ['  ', true],
    ['app=web', true],
    ['app==web', true],
    ['app = web , tier != back', true],
    ['app!=web', false],
    ['app=other', false],
    ['missing!=x', true],
    ['missing=', false],
    ['empty=', true],
    ['empty', true],
    ['!empty', false],
    ['!missing', true],
    ['missing', false],
    ['app in (web, api)', true],
    ['app in(api)', false],
    ['app notin (web)', false],
    ['missing notin (a)', true],
    ['empty in ()', true],
    ['empty in (a,)', true],
    ['empty in (,a)', true],
    ['empty in (a,,b)', true],
    ['empty in (a,b)', false],
    ['empty notin ()', false],
    ['\tapp=web\n', true],
    ['version>06,version<08', true],
    ['version<7', false],
    ['version>9223372036854775807', false],
    ['version<9223372036854775807', true],
    ['app in (,a)', false],
    ['version>6', true],
    ['version > 7', false],
    ['version<8,version>6', true],
    ['app>1', false],
    ['example.com/team=blue,app', true],
    ['constructor', false],
    ['constructor=x', false],
    ['!toString', true],
  ])('%s matches: %s', (text, expected) => {
    expect(matchesLabels(parseLabelSelector(text), labels)).toBe(expected);
  });

  it.each([
    ['a,', "found '', expected: identifier after ','"],
    [',a', "found ',', expected: !, identifier, or 'end of string'"],
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['a constructor b', "unable to parse requirement: found 'constructor', expected: in, notin, =, ==, !=, gt, lt"],
    ['a=b c', "found 'c', expected: ',' or 'end of string'"],
    ['a in b', "unable to parse requirement: found 'b' expected: '('"],
    ['a in (b', "unable to parse requirement: found '', expected: ',' or ')'"],
    ['a in (b c)', "unable to parse requirement: found 'c', expected: ',' or ')'"],
    ['a==(', "unable to parse requirement: found '(', expected: identifier"],
    ['!', "unable to parse requirement: found '', expected: identifier"],
    ['a,=', "found '=', expected: identifier after ','"],
    ['(a)', "found '(', expected: !, identifier, or 'end of string'"],
    ['a in (=)', "unable to parse requirement: found '=', expected: ',', ')' or identifier"],
    ['a in (', "unable to parse requirement: found '', expected: ',', ')' or identifier"],
    ['a=,b,', "found '', expected: identifier after ','"],
    ['!!a', "unable to parse requirement: found '!', expected: identifier"],
    ['!a=b', "found '=', expected: ',' or 'end of string'"],
    ['x>1a', "for 'Gt', 'Lt' operators, the value must be an integer"],
    ['x>a1', "for 'Gt', 'Lt' operators, the value must be an integer"],
    ['x<y', "for 'Gt', 'Lt' operators, the value must be an integer"],
    ['x<9223372036854775808', "for 'Gt', 'Lt' operators, the value must be an integer"],
    ['x>', "for 'Gt', 'Lt' operators, the value must be an integer"],
    ['=x', "found '=', expected: !, identifier, or 'end of string'"],
    [
      'x>y',
      `unable to parse requirement: values[0]: Invalid value: "y": for 'Gt', 'Lt' operators, the value must be an integer`,
    ],
  ])('%s is refused: %s', (text, message) => {
    expect(() => parseLabelSelector(text)).toThrow(message);
  });

  it('refuses keys and values that no label can have', () => {
    expect(() => parseLabelSelector('-a=b')).toThrow(
      'unable to parse requirement: <nil>: Invalid value: "-a": name part must',
    );
    expect(() => parseLabelSelector('a=b/c')).toThrow('values[0][a]: Invalid value: "b/c": a valid label must be');
    expect(() => parseLabelSelector(`a in (${'b,'.repeat(100_000)})`)).toThrow('too long');
  });

  it('takes 64 KiB of text and no more', () => {
    const longest = `${' '.repeat(64 * 1024 - 1)}a`;
    expect(matchesLabels(parseLabelSelector(longest), { a: '' })).toBe(true);
    expect(() => parseLabelSelector(`${longest} `)).toThrow('too long');
  });

  it('is matched as its rules say one by one', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 4 }), someLabels, (rules, labels) => {
        const selector = parseLabelSelector(rules.map(({ text }) => text).join(','));
        expect(matchesLabels(selector, labels)).toBe(
          rules.every(({ holds }) => holds(new Map(Object.entries(labels)))),
        );
        if (rules.length > 0)
          expect(matchesLabels(selector, undefined)).toBe(rules.every(({ holds }) => holds(new Map())));
      }),
    );
  });

  it('reads back what it writes, and that matches the same', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 4 }), someLabels, (rules, labels) => {
        const selector = parseLabelSelector(rules.map(({ text }) => text).join(','));
        const again = parseLabelSelector(formatSelector(selector));
        expect(formatSelector(again)).toBe(formatSelector(selector));
        expect(matchesLabels(again, labels)).toBe(matchesLabels(selector, labels));
      }),
    );
  });

  it('is written by key, with the values of each rule in order, as kubectl shows it', () => {
    const written = (text: string) => formatSelector(parseLabelSelector(text));
    expect(written('b notin (z,x), a in (y,x) ,!d,c,e!=1,f>2,g<3,h=,i==4')).toBe(
      'a in (x,y),b notin (x,z),c,!d,e!=1,f>2,g<3,h=,i=4',
    );
    expect(written('a=2,b,a=1')).toBe('a=2,a=1,b');
    expect(written('')).toBe('');
    expect(formatSelector(nothing)).toBe('<none>');
  });

  it('never fails but with a BadRequest', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab=!,()<> in') }), (text) => {
        try {
          parseLabelSelector(text);
        } catch (error) {
          expect(error).toMatchObject({ reason: 'BadRequest' });
        }
      }),
    );
  });
});

/** A rule as text, and the labels that it matches by Kubernetes' documentation. */
interface Rule {
  readonly text: string;
  readonly holds: (labels: ReadonlyMap<string, string>) => boolean;
}

const keys = fc.constantFrom('a', 'b', 'example.com/c');
const values = fc.constantFrom('', 'x', 'y', '5', '10');
const someLabels = fc.dictionary(keys, values, { maxKeys: 3 });
const rule: fc.Arbitrary<Rule> = fc.oneof(
  keys.map((key): Rule => ({ text: key, holds: (labels) => labels.has(key) })),
  keys.map((key): Rule => ({ text: `!${key}`, holds: (labels) => !labels.has(key) })),
  fc
    .tuple(keys, values, fc.constantFrom('=', '==', ' = '))
    .map(
      ([key, value, sign]): Rule => ({ text: `${key}${sign}${value}`, holds: (labels) => labels.get(key) === value }),
    ),
  fc
    .tuple(keys, values)
    .map(([key, value]): Rule => ({ text: `${key}!=${value}`, holds: (labels) => labels.get(key) !== value })),
  fc.tuple(keys, fc.array(values, { minLength: 1, maxLength: 3 })).map(
    ([key, of]): Rule => ({
      text: `${key} in (${of.join(',')})`,
      holds: (labels) => of.some((value) => labels.get(key) === value),
    }),
  ),
  fc.tuple(keys, fc.array(values, { minLength: 1, maxLength: 3 })).map(
    ([key, of]): Rule => ({
      text: `${key} notin (${of.join(', ')})`,
      holds: (labels) => !of.some((value) => labels.get(key) === value),
    }),
  ),
  fc.tuple(keys, fc.integer({ min: 4, max: 11 })).map(
    ([key, than]): Rule => ({
      text: `${key}>${than}`,
      holds: (labels) => Number.parseInt(labels.get(key) ?? '', 10) > than,
    }),
  ),
  fc.tuple(keys, fc.integer({ min: 4, max: 11 })).map(
    ([key, than]): Rule => ({
      text: `${key} < ${than}`,
      holds: (labels) => Number.parseInt(labels.get(key) ?? '', 10) < than,
    }),
  ),
);

describe('selectorOf', () => {
  it('takes both halves of a LabelSelector together', () => {
    const selector = selectorOf({
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['a', 'b'] },
        { key: 'canary', operator: 'DoesNotExist' },
      ],
    });
    expect(matchesLabels(selector, { app: 'web', tier: 'b' })).toBe(true);
    expect(matchesLabels(selector, { app: 'web', tier: 'c' })).toBe(false);
    expect(matchesLabels(selector, { app: 'web', tier: 'b', canary: '' })).toBe(false);
    expect(formatSelector(selector)).toBe('app=web,!canary,tier in (a,b)');
  });

  it('holds each kind of expression against the labels', () => {
    const holds = (operator: string, given: string[] | undefined, labels: Record<string, string>) =>
      matchesLabels(
        selectorOf({ matchExpressions: [{ key: 'a', operator, ...(given && { values: given }) }] }),
        labels,
      );
    expect([holds('In', ['x', 'y'], { a: 'y' }), holds('In', ['x', 'y'], { a: 'z' })]).toEqual([true, false]);
    expect([holds('NotIn', ['x', 'y'], { a: 'z' }), holds('NotIn', ['x', 'y'], { a: 'y' })]).toEqual([true, false]);
    expect([holds('NotIn', ['x'], {}), holds('In', ['x'], {})]).toEqual([true, false]);
    expect([holds('Exists', undefined, { a: '' }), holds('Exists', undefined, {})]).toEqual([true, false]);
    expect([holds('DoesNotExist', undefined, { a: '' }), holds('DoesNotExist', [], {})]).toEqual([false, true]);
    expect(() => holds('Gt', ['1'], { a: '2' })).toThrow('"Gt" is not a valid label selector operator');
    expect(selectorOf({ matchExpressions: [{ key: 'a', operator: 'Exists' }] })).toEqual({
      requirements: [{ key: 'a', operator: 'Exists', values: [] }],
    });
  });

  it('selects nothing without a selector, everything by an empty one', () => {
    expect(matchesLabels(selectorOf(undefined), { a: 'b' })).toBe(false);
    expect(matchesLabels(selectorOf({}), undefined)).toBe(true);
    expect([matchesLabels(everything, {}), matchesLabels(nothing, {})]).toEqual([true, false]);
    expect(matchesLabels(selectorOfMap({ a: 'b' }), { a: 'b', c: 'd' })).toBe(true);
  });

  it('names every fault of a LabelSelector', () => {
    const causes: Parameters<typeof validateLabelSelector>[2] = [];
    const matchExpressions = [
      { key: 'a', operator: 'In' },
      { key: 'a', operator: 'Exists', values: ['x'] },
      { key: '-', operator: 'Is' },
    ];
    validateLabelSelector({ matchLabels: { a: '-' }, matchExpressions }, 'spec.selector', causes);
    expect(causes.map(({ field }) => field)).toEqual([
      'spec.selector.matchLabels',
      'spec.selector.matchExpressions[0].values',
      'spec.selector.matchExpressions[1].values',
      'spec.selector.matchExpressions[2].operator',
      'spec.selector.matchExpressions[2].key',
    ]);
    expect(causes[3]?.message).toBe('Invalid value: "Is": not a valid selector operator');
  });

  it.each([
    ['every operator with the values that it takes', { key: 'a', operator: 'In', values: ['x'] }, []],
    ['not in', { key: 'a', operator: 'NotIn', values: ['x', ''] }, []],
    ['exists without values', { key: 'a', operator: 'Exists', values: [] }, []],
    ['does not exist without values', { key: 'example.com/a', operator: 'DoesNotExist' }, []],
    ['not in without values', { key: 'a', operator: 'NotIn', values: [] }, ['values']],
    ['does not exist with values', { key: 'a', operator: 'DoesNotExist', values: ['x'] }, ['values']],
    ['an operator of node selectors', { key: 'a', operator: 'Gt', values: ['1'] }, ['operator']],
    [
      'values that no label can have',
      { key: 'a', operator: 'In', values: ['x', 'a b', 'y', '-'] },
      ['values[1]', 'values[3]'],
    ],
    ['neither key nor operator: others say so', { key: '', operator: '', values: ['-'] }, []],
    ['no key: others say so', { key: '', operator: 'Exists' }, []],
  ])('reports an invalid expression: %s', (_what, expression, fields) => {
    const causes: Parameters<typeof validateLabelSelector>[2] = [];
    validateLabelSelector({ matchLabels: { a: '1', 'b/c': '' }, matchExpressions: [expression] }, 'sel', causes);
    expect(causes.map(({ field }) => field)).toEqual(fields.map((field) => `sel.matchExpressions[0].${field}`));
  });

  it('refuses labels whose key or value no object can have', () => {
    const causes: Parameters<typeof validateLabelSelector>[2] = [];
    validateLabelSelector({ matchLabels: { '-a': 'x', b: 'x y', c: 'fine' } }, 'sel', causes);
    expect(causes.map(({ message }) => message?.slice(0, 24))).toEqual([
      'Invalid value: "-a": nam',
      'Invalid value: "x y": a ',
    ]);
  });
});

describe('matchesNodeSelector', () => {
  const node = { name: 'n1', labels: { zone: 'a', cpus: '8' } };
  it.each([
    [
      'one of its terms',
      [
        { matchExpressions: [{ key: 'zone', operator: 'In', values: ['b'] }] },
        { matchExpressions: [{ key: 'cpus', operator: 'Gt', values: ['4'] }] },
      ],
      true,
    ],
    [
      'all rules of a term',
      [
        {
          matchExpressions: [
            { key: 'zone', operator: 'Exists' },
            { key: 'cpus', operator: 'Lt', values: ['8'] },
          ],
        },
      ],
      false,
    ],
    ['its name', [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] }], true],
    [
      'both halves of a term',
      [
        {
          matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }],
          matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }],
        },
      ],
      true,
    ],
    [
      'the fields of a term beside its labels',
      [
        {
          matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }],
          matchFields: [{ key: 'metadata.name', operator: 'NotIn', values: ['n1'] }],
        },
      ],
      false,
    ],
    ['no other field', [{ matchFields: [{ key: 'metadata.uid', operator: 'In', values: ['n1'] }] }], false],
    ['no number without one', [{ matchExpressions: [{ key: 'cpus', operator: 'Gt' }] }], false],
    ['a name that exists', [{ matchFields: [{ key: 'metadata.name', operator: 'Exists' }] }], true],
    ['a label that is absent', [{ matchExpressions: [{ key: 'gpu', operator: 'DoesNotExist' }] }], true],
    ['values that are not named', [{ matchExpressions: [{ key: 'zone', operator: 'In' }] }], false],
    ['values that are not excluded', [{ matchExpressions: [{ key: 'zone', operator: 'NotIn' }] }], true],
    ['numbers: more', [{ matchExpressions: [{ key: 'cpus', operator: 'Gt', values: ['7'] }] }], true],
    ['numbers: less', [{ matchExpressions: [{ key: 'cpus', operator: 'Lt', values: ['10'] }] }], true],
    ['numbers: not the same', [{ matchExpressions: [{ key: 'cpus', operator: 'Gt', values: ['8'] }] }], false],
    ['one number only', [{ matchExpressions: [{ key: 'cpus', operator: 'Gt', values: ['7', '6'] }] }], false],
    ['no text for a number', [{ matchExpressions: [{ key: 'zone', operator: 'Lt', values: ['7'] }] }], false],
    ['no number in a text', [{ matchExpressions: [{ key: 'cpus', operator: 'Lt', values: ['9x'] }] }], false],
    ['no label that is absent', [{ matchExpressions: [{ key: 'gpu', operator: 'Gt', values: ['-1'] }] }], false],
    ['not an empty term', [{}], false],
    ['no term', [], false],
    ['not by an unknown operator', [{ matchExpressions: [{ key: 'zone', operator: 'Like', values: ['a'] }] }], false],
  ])('goes by %s', (_name, nodeSelectorTerms, expected) => {
    expect(matchesNodeSelector({ nodeSelectorTerms }, node)).toBe(expected);
  });
});

describe('field selectors', () => {
  it('take 64 KiB of text and no more', () => {
    const longest = `a=${'x'.repeat(64 * 1024 - 2)}`;
    expect(parseFieldSelector(longest)[0]?.value).toHaveLength(64 * 1024 - 2);
    expect(() => parseFieldSelector(`${longest}x`)).toThrow('invalid field selector: too long');
  });

  it('without an operator are refused in a time that grows with their length, not with its square', () => {
    const began = performance.now();
    for (let i = 0; i < 50; i++) {
      expect(() => parseFieldSelector('x'.repeat(64 * 1024))).toThrow('invalid selector');
    }
    // The square of it takes over a minute, the length itself a few milliseconds.
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  const fields: Record<string, string> = { 'spec.nodeName': 'n1', 'status.phase': 'Running', odd: 'a,b=c\\' };
  const match = (text: string) => matchesFields(parseFieldSelector(text), (path) => fields[path] ?? '');

  it.each([
    ['', true],
    ['spec.nodeName=n1', true],
    ['spec.nodeName==n1,status.phase!=Pending', true],
    ['spec.nodeName!=n1', false],
    ['missing=', true],
    [',', true],
    [',,status.phase=Running,', true],
    [',status.phase=Pending', false],
    ['status.phase=Pending,spec.nodeName=n1', false],
    ['status.phase=Run\nning', false],
    ['odd=a\\,b\\=c\\\\', true],
  ])('%s matches: %s', (text, expected) => {
    expect(match(text)).toBe(expected);
  });

  it.each([
    ['nodeName', "invalid selector: 'nodeName'; can't understand 'nodeName'"],
    ['a=b=c', 'invalid field selector: unescaped character in value: ='],
    ['a=\\b', 'invalid field selector: invalid escape sequence: \\b'],
    ['a=b\\', 'invalid field selector: invalid escape sequence: \\'],
    ['a=b,c', "can't understand 'c'"],
  ])('%s is refused: %s', (text, message) => {
    expect(() => parseFieldSelector(text)).toThrow(message);
  });

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (value, equal) => {
        const written = formatFieldSelector([{ path: 'a.b', equal, value }]);
        expect(parseFieldSelector(written)).toEqual([{ path: 'a.b', equal, value }]);
      }),
    );
  });
});
