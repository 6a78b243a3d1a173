import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRecord } from '../../../shared/records.ts';
import { applyMergePatch } from './merge.ts';

const { value: json } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.constantFrom<unknown>(0, 'x', true, null),
    fc.array(tie('value'), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

/** What a merge patch can give: RFC 7386 has no patch that sets a member to null. */
function withoutNull(value: unknown): unknown {
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, one]) => (one === null ? [] : [[name, withoutNull(one)]])),
  );
}

/** The patch that leads from one object to another. */
function difference(from: unknown, to: unknown): unknown {
  if (!isRecord(from) || !isRecord(to)) return to;
  const gone = Object.keys(from).filter((name) => !Object.hasOwn(to, name));
  return Object.fromEntries([
    ...gone.map((name) => [name, null]),
    ...Object.entries(to).map(([name, value]) => [name, difference(from[name], value)]),
  ]);
}

describe('a merge patch', () => {
  it('that is the difference of two objects leads from one to the other, and changes neither', () => {
    fc.assert(
      fc.property(json.map(withoutNull), json.map(withoutNull), (from, to) => {
        const patch = difference(from, to);
        const before = JSON.stringify([from, patch]);
        expect(applyMergePatch(from, patch)).toStrictEqual(to);
        expect(JSON.stringify([from, patch])).toBe(before);
      }),
    );
  });

  it('changes nothing more when it is applied again', () => {
    fc.assert(
      fc.property(json, json, (target, patch) => {
        const once = applyMergePatch(target, patch);
        expect(applyMergePatch(once, patch)).toStrictEqual(once);
      }),
    );
  });

  it('sets a member of any name as plain data: `__proto__` is no way to what every object has', () => {
    const patch: unknown = JSON.parse('{"__proto__": {"admin": true}, "a": 1}');
    const patched = applyMergePatch({ b: 2 }, patch) as Record<string, unknown>;
    expect(JSON.stringify(patched)).toBe('{"b":2,"__proto__":{"admin":true},"a":1}');
    expect(Object.getPrototypeOf(patched)).toBe(Object.prototype);
    expect(patched.admin).toBeUndefined();
    const again = applyMergePatch(patched, JSON.parse('{"__proto__": {"admin": null, "x": 1}}'));
    expect(JSON.stringify(again)).toBe('{"b":2,"__proto__":{"x":1},"a":1}');
    expect(JSON.stringify(applyMergePatch(again, JSON.parse('{"__proto__": null}')))).toBe('{"b":2,"a":1}');
    const own = Object.getOwnPropertyDescriptor(patched, '__proto__');
    expect(own).toMatchObject({ writable: true, enumerable: true, configurable: true });
  });
});
