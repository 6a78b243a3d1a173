import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { systemRandom } from '../../../shared/random.ts';
import { admissionPlugins } from './index.ts';

const names = admissionPlugins({
  random: systemRandom,
  authorizer: { authorize: () => ({ allowed: true }) },
  tokens: true,
}).map(({ name }) => name);

test('the table has at least one plugin for every file or folder of plugins, each with a name of its own', () => {
  const entries = readdirSync(new URL('plugins/', import.meta.url)).filter((entry) => !entry.endsWith('.test.ts'));
  expect(names.length).toBeGreaterThanOrEqual(entries.length);
  expect(new Set(names).size).toBe(names.length);
});

test('NodeRestriction runs before ServiceAccount, which sets fields that a mirror pod may not have', () => {
  expect(names.indexOf('NodeRestriction')).toBeGreaterThanOrEqual(0);
  expect(names.indexOf('NodeRestriction')).toBeLessThan(names.indexOf('ServiceAccount'));
});
