import { expect, it } from 'vitest';
import { textOf, withText } from './set-text.ts';

it('a set keeps the first text that it is given, which is no part of its JSON', () => {
  const set = { 'f:a': {} };
  expect([textOf(undefined), textOf(set)]).toEqual([undefined, undefined]);
  expect(withText(set, '{"f:a":{}}')).toBe(set);
  expect(withText(set, 'another')).toBe(set);
  expect(textOf(set)).toBe('{"f:a":{}}');
  expect(JSON.stringify(set)).toBe('{"f:a":{}}');
});

it('a set that cannot be extended stays without a text', () => {
  const set = Object.freeze({ 'f:a': {} });
  expect(withText(set, '{"f:a":{}}')).toBe(set);
  expect(textOf(set)).toBeUndefined();
});
