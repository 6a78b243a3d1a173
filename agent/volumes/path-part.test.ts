import { expect, it } from 'vitest';
import { ConfigError } from '../pod/inputs.ts';
import { pathPart } from './path-part.ts';

it.each(['a', '0', 'web-1', 'a.b_c-d', 'A0', 'a..b', '8f14e45f-ceea-4671-9a2b-4d1c4b1d9a3e'])(
  '%j can be part of a path',
  (name) => {
    expect(pathPart(name)).toBe(name);
  },
);

it.each(['', '.', '..', '.a', '-a', '_a', 'a/b', '../a', 'a/..', 'a\0', 'a\n', '\na', 'a b', 'ä'])(
  '%j cannot be part of a path',
  (name) => {
    expect(() => pathPart(name)).toThrow(ConfigError);
  },
);
