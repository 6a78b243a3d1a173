import { afterEach, describe, expect, it } from 'vitest';
import { hasEtcd } from '../support/etcd.ts';
import { administrator, type Caller, type ServerProcess, startServerProcess } from '../support/server-process.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string, data: object) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });
/** A small heap and quota, so that they are full soon. */
const small = { heapMiB: 160, storageQuota: 24 * 1024 * 1024, logLevel: 'error' };

describe.skipIf(!hasEtcd())('a store that is full', () => {
  let server: ServerProcess | undefined;
  afterEach(() => server?.stop());

  /** Creates objects, some at a time, until one is refused. Returns how many there are. */
  async function fill(admin: Caller, name: string, data: object): Promise<number> {
    let count = 0;
    let refused: string | undefined;
    const worker = async (): Promise<void> => {
      while (refused === undefined) {
        const answer = await admin('POST', configMaps, { body: configMap(`${name}-${count++}`, data) });
        if (answer.status === 201) continue;
        count--;
        expect(answer.status).toBe(507);
        refused = answer.text;
      }
    };
    await Promise.all(Array.from({ length: 3 }, worker));
    expect(JSON.parse(refused ?? '')).toMatchObject({
      reason: 'InsufficientStorage',
      message: expect.stringMatching(/^exceeded the storage quota: stored objects take \d+ MiB/),
    });
    return count;
  }

  async function counted(admin: Caller): Promise<number> {
    let count = 0;
    let next = '';
    do {
      const page = await admin('GET', `${configMaps}?limit=100&continue=${next}`);
      expect(page.status).toBe(200);
      const list = JSON.parse(page.text);
      count += list.items.length;
      next = list.metadata.continue ?? '';
    } while (next);
    return count;
  }

  const fillings = {
    'of the heap, by objects of many small values': Object.fromEntries(
      Array.from({ length: 1_200 }, (_, i) => [`k${i}`, '']),
    ),
    'of memory outside of the heap, by large objects of many values': Object.fromEntries(
      Array.from({ length: 12_000 }, (_, i) => [`k${i}`, 'x'.repeat(64)]),
    ),
  };

  it.each(Object.entries(fillings))(
    '%s, comes up again, is listed and deleted',
    { timeout: 180_000 },
    async (_, data) => {
      server = await startServerProcess(small);
      const count = await fill(await server.caller(administrator), 'a', data);
      expect(count).toBeGreaterThan(20);
      const { dir } = server;
      await server.kill();

      server = await startServerProcess({ ...small, dir });
      const admin = await server.caller(administrator);
      // The namespace's own certificate is one as well.
      expect(await counted(admin)).toBe(count + 1);
      expect((await admin('POST', configMaps, { body: configMap('b', data) })).status).toBe(507);
      const whole = await admin('GET', configMaps);
      expect(JSON.parse(whole.text).items).toHaveLength(count + 1);
      expect((await admin('DELETE', `${configMaps}/a-0`)).status).toBe(200);
      expect((await admin('DELETE', configMaps)).status).toBe(200);
      expect((await admin('POST', configMaps, { body: configMap('b', data) })).status).toBe(201);
      expect(server.exitCode()).toBeNull();
    },
  );
});
