import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { defaultPlugins } from './index.ts';

it('each file is one plugin in the table, and names are unique', async () => {
  const files = readdirSync(import.meta.dirname).filter((name) => !name.endsWith('.test.ts') && name !== 'index.ts');
  const exported = await Promise.all(
    files.map(async (name) => Object.values(await import(join(import.meta.dirname, name)))),
  );
  expect(exported.every((values) => values.length === 1)).toBe(true);
  expect(new Set(exported.flat())).toEqual(new Set(defaultPlugins));
  expect(new Set(defaultPlugins.map(({ name }) => name)).size).toBe(defaultPlugins.length);
});
