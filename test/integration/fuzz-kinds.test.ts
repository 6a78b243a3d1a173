import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiVersionOf } from '../../shared/kinds/index.ts';
import { type KindEntry, kindTable } from '../../shared/kinds/table.ts';
import { arbitraryObject } from '../support/arbitrary-objects.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

/** What stands where something else is expected. */
const wrong: readonly unknown[] = [
  ...[
    null,
    true,
    0,
    -1,
    1.5,
    2 ** 53,
    -(2 ** 63),
    1e300,
    '',
    '\0',
    '\ud800',
    '__proto__',
    '../..',
    '{{',
    'x'.repeat(5_000),
  ],
  ...[
    [],
    [[]],
    [null],
    {},
    { '': '' },
    { constructor: { prototype: {} } },
    { $patch: 'delete' },
    [{ $patch: 'replace' }],
  ],
  JSON.parse('{"__proto__":{"polluted":1}}'),
];

/** A copy of a value in which one member, found by following the seeds, is another. */
function spoiled(value: unknown, seeds: readonly number[], replacement: unknown): unknown {
  const [seed = 0, ...rest] = seeds;
  if (typeof value !== 'object' || value === null) return replacement;
  const keys = Object.keys(value);
  const key = keys[seed % (keys.length || 1)];
  if (key === undefined || seeds.length === 0) return replacement;
  const member = spoiled((value as Record<string, unknown>)[key], rest, replacement);
  if (Array.isArray(value)) return value.map((one, index) => (String(index) === key ? member : one));
  return { ...value, [key]: member };
}

const seeds = fc.array(fc.nat(1_000), { minLength: 1, maxLength: 7 });

describe('objects of any kind with any values', () => {
  let server: TestRest;
  beforeAll(async () => {
    server = await startTestRest();
  });
  afterAll(() => server.stop());

  const pathOf = ({ group, version, plural, namespaced }: KindEntry): string =>
    `${group ? `/apis/${group}` : '/api'}/${version}${namespaced ? '/namespaces/default' : ''}/${plural}`;

  /** Sends it every way, and wants anything but a fault of the server's. */
  const send = async (entry: KindEntry, object: unknown): Promise<void> => {
    const path = pathOf(entry);
    const headers = { 'content-type': 'application/merge-patch+json' };
    const apply = { 'content-type': 'application/apply-patch+yaml' };
    const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
    for (const [method, at, options] of [
      ['POST', path, {}],
      ['PUT', `${path}/fuzzed`, {}],
      ['PATCH', `${path}/fuzzed`, { headers }],
      ['PATCH', `${path}/fuzzed`, { headers: strategic }],
      ['PATCH', `${path}/fuzzed?fieldManager=fuzz&force=true`, { headers: apply }],
    ] as const) {
      const answer = await server.call(method, `${at}${at.includes('?') ? '&' : '?'}dryRun=All`, {
        body: object,
        ...options,
      });
      if (answer.status < 500) continue;
      throw new Error(`${method} ${at}: ${answer.status} ${answer.text.slice(0, 500)}`);
    }
  };

  it('without a name are refused for it', async () => {
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: {} };
    const { status, json } = await server.call('POST', '/api/v1/namespaces', { body });
    expect(status).toBe(422);
    expect(json.message).toContain('name or generateName is required');
  });

  it.each(kindTable.map((entry) => [`${entry.plural}.${entry.group || 'core'}/${entry.version}`, entry] as const))(
    'of %s are served or refused, and never a fault of the server',
    async (_name, entry) => {
      const named = (object: object): object => ({
        ...object,
        apiVersion: apiVersionOf(entry),
        kind: entry.kind,
        metadata: { name: 'fuzzed' },
      });
      await fc.assert(
        fc.asyncProperty(arbitraryObject(entry), seeds, fc.constantFrom(...wrong), async (object, way, replacement) => {
          await send(entry, named(object));
          await send(entry, spoiled(named(object), way, replacement));
        }),
        { numRuns: 8 },
      );
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    },
  );
});
