import { describe, expect, it } from 'vitest';
import { invalidPatch, printedMap, shownPath, unfit } from './refusal.ts';

describe('the part of a patch in an error message', () => {
  it('is written as Go prints it: members by name, lists in brackets, nothing as <nil>', () => {
    expect(printedMap({ spec: { replicas: 2, paused: true }, a: [1, 'x', null], z: {}, e: [] })).toBe(
      'map[a:[1 x <nil>] e:[] spec:map[paused:true replicas:2] z:map[]]',
    );
    expect([printedMap(null), printedMap('x'), printedMap([])]).toEqual(['<nil>', 'x', '[]']);
  });

  it('is all of what has 4096 letters and the beginning of what has more', () => {
    expect(printedMap('x'.repeat(4_096))).toBe('x'.repeat(4_096));
    expect(printedMap('x'.repeat(4_097))).toBe(`${'x'.repeat(4_096)}…`);
    const wide = Array.from({ length: 100_000 }, () => 'xx');
    expect(printedMap(wide)).toBe(`[${'xx '.repeat(1_365)}…`);
  });

  it('stops to read what it will not show', () => {
    const names: string[] = [];
    const watched = new Proxy(
      Array.from({ length: 100_000 }, () => 'xx'),
      {
        get(list, name, self) {
          names.push(String(name));
          return Reflect.get(list, name, self) as unknown;
        },
      },
    );
    printedMap(watched);
    expect(names.length).toBeLessThan(5_000);
  });

  it('is a path of up to 1024 characters', () => {
    expect(shownPath('/'.repeat(1_024))).toBe('/'.repeat(1_024));
    expect(shownPath('/'.repeat(1_025))).toBe(`${'/'.repeat(1_024)}…`);
  });
});

describe('the refusal of a patch', () => {
  it('names the patch when it was a strategic one, and what came out of it otherwise', () => {
    const strategic = invalidPatch({ type: 'strategic', body: { spec: 1 } }, { a: 1 }, 'no object');
    expect(strategic).toMatchObject({
      reason: 'Invalid',
      details: {
        causes: [{ reason: 'FieldValueInvalid', message: 'Invalid value: "map[spec:1]": no object', field: 'patch' }],
      },
    });
    expect(invalidPatch({ type: 'merge', body: { spec: 1 } }, { a: 1 }, 'no object').message).toBe(
      ' "" is invalid: patch: Invalid value: "{\\"a\\":1}": no object',
    );
  });

  it('of one that does not fit is Kubernetes’ and says why', () => {
    expect(unfit('so')).toMatchObject({
      reason: 'Invalid',
      message: 'the server rejected our request due to an error in our request: so',
    });
  });
});
