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

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(selectorText, (text) => {
        const selector = parseLabelSelector(text);
        const again = parseLabelSelector(formatSelector(selector));
        expect(formatSelector(again)).toBe(formatSelector(selector));
      }),
    );
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

const selectorText = fc
  .array(
    fc.tuple(
      fc.constantFrom('a', 'b', 'example.com/c'),
      fc.constantFrom('', '=x', '!=y', ' in (x,y)', ' notin (z,x)', '>3', '<9', '='),
      fc.boolean(),
    ),
    { maxLength: 4 },
  )
  .map((terms) => terms.map(([key, rest, not]) => (not && rest === '' ? `!${key}` : `${key}${rest}`)).join(','));

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

  it('selects nothing without a selector, everything by an empty one', () => {
    expect(matchesLabels(selectorOf(undefined), { a: 'b' })).toBe(false);
    expect(matchesLabels(selectorOf({}), undefined)).toBe(true);
    expect(matchesLabels(everything, {})).toBe(true);
    expect(matchesLabels(nothing, {})).toBe(false);
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
    ['not an empty term', [{}], false],
    ['no term', [], false],
    ['not by an unknown operator', [{ matchExpressions: [{ key: 'zone', operator: 'Like', values: ['a'] }] }], false],
  ])('goes by %s', (_name, nodeSelectorTerms, expected) => {
    expect(matchesNodeSelector({ nodeSelectorTerms }, node)).toBe(expected);
  });
});

describe('field selectors', () => {
  const fields: Record<string, string> = { 'spec.nodeName': 'n1', 'status.phase': 'Running', odd: 'a,b=c\\' };
  const match = (text: string) => matchesFields(parseFieldSelector(text), (path) => fields[path] ?? '');

  it.each([
    ['', true],
    ['spec.nodeName=n1', true],
    ['spec.nodeName==n1,status.phase!=Pending', true],
    ['spec.nodeName!=n1', false],
    ['missing=', true],
    ['odd=a\\,b\\=c\\\\', true],
  ])('%s matches: %s', (text, expected) => {
    expect(match(text)).toBe(expected);
  });

  it.each([
    ['nodeName', "invalid selector: 'nodeName'; can't understand 'nodeName'"],
    ['a=b=c', 'invalid field selector: unescaped character in value: ='],
    ['a=\\b', 'invalid field selector: invalid escape sequence: \\b'],
    ['a=b\\', 'invalid field selector: invalid escape sequence: \\'],
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
