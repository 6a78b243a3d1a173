import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

interface Service {
  readonly volumes: readonly string[];
  readonly networks: readonly string[] | Readonly<Record<string, unknown>>;
}

const deploy = join(import.meta.dirname, '..');
const file = readFileSync(join(deploy, 'docker-compose.yml'), 'utf8');
const { services } = parse(file, { merge: true }) as { readonly services: Readonly<Record<string, Service>> };
const nodes = Object.entries(services).filter(([name]) => name.startsWith('node-'));

describe('a node’s container of deploy/docker-compose.yml', () => {
  test('has a volume of its own, and reads what it needs to join', () => {
    expect(nodes).toHaveLength(3);
    for (const [name, { volumes, networks }] of nodes) {
      expect(volumes).toEqual([`${name}:/var/lib/coracle`, 'join:/join:ro']);
      expect(networks).toEqual(['nodes']);
    }
  });

  test('gets a join token and the CA’s hash, and no kubeconfig', () => {
    const script = readFileSync(join(deploy, 'compose-entry.sh'), 'utf8');
    const written = [...script.matchAll(/(?:>|cp .*|mv .*) ?"\$join\/([^"]+)"/g)].map(([, name]) => name);
    expect(new Set(written)).toEqual(new Set(['ca-hash', 'token.new', 'token']));
    expect(script).not.toMatch(/--token[ =]/);
  });
});
