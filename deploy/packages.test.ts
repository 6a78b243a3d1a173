import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

interface Locked {
  readonly link?: boolean;
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
}

const text = readFileSync(join(import.meta.dirname, '..', 'package-lock.json'), 'utf8');
const locked = JSON.parse(text) as { readonly packages: Readonly<Record<string, Locked>> };
const packages = Object.entries(locked.packages).filter(([path]) => path !== '');

describe('the lock file', () => {
  test('knows each package by a hash, those of other platforms included', () => {
    const without = packages.filter(([, { integrity = '' }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity));
    expect(without.map(([path]) => path)).toEqual([]);
  });

  test('names no place to get a package from: that is npm’s setting, and the hash says what is right', () => {
    expect(packages.filter(([, { resolved, link }]) => resolved !== undefined || link).map(([path]) => path)).toEqual(
      [],
    );
    expect(text).not.toMatch(/https?:\/\/[^"]*\.tgz/);
  });

  test('pins each package that the programs import to one version', () => {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(
      readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string>>;
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect([name, locked.packages[`node_modules/${name}`]?.version]).toEqual([name, version]);
    }
  });
});
