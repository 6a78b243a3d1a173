import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { commands } from './index.ts';

const shared = ['command.ts', 'index.ts', 'options.ts', 'selection.ts'];

it('each file is one command in the table', async () => {
  const files = readdirSync(import.meta.dirname).filter((name) => !name.endsWith('.test.ts') && !shared.includes(name));
  const exported = await Promise.all(
    files.map(async (name) => Object.values(await import(join(import.meta.dirname, name)))),
  );
  expect(exported.every((values) => values.length === 1)).toBe(true);
  expect(new Set(exported.flat())).toEqual(new Set(commands));
});
