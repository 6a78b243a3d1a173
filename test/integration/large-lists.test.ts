import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { systemClock } from '../../shared/clock.ts';
import { systemRandom } from '../../shared/random.ts';
import { createGrpcClient, type GrpcClient } from '../../shared/rpc/client.ts';
import { hasEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { administrator, type Caller, type ServerProcess, startServerProcess } from '../support/server-process.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const count = 60;
/** The longest pause of the server's loop, in milliseconds of its own time. */
const longest = 250;

/** Megabytes in one text, and in many values. */
const text = { text: 'some words of a line\n'.repeat(45_000) };
const values = Object.fromEntries(Array.from({ length: 9_000 }, (_, i) => [`key-${i}`, 'x'.repeat(80)]));

describe.skipIf(!hasEtcd())('a list of large objects', { timeout: 120_000 }, () => {
  let server: ServerProcess;
  let admin: Caller;
  beforeAll(async () => {
    server = await startServerProcess({ logLevel: 'error' });
    admin = await server.caller(administrator);
    for (let i = 0; i < count; i++) {
      const metadata = { name: `large-${String(i).padStart(3, '0')}`, labels: { size: 'large', kind: `${i % 2}` } };
      const data = i % 2 ? text : values;
      const made = await admin('POST', configMaps, { body: { apiVersion: 'v1', kind: 'ConfigMap', metadata, data } });
      expect(made.status).toBe(201);
    }
  }, 180_000);
  afterAll(() => server?.stop());

  const list = (accept: string, query = '') =>
    admin('GET', `${configMaps}?labelSelector=size=large${query}`, { headers: { accept } });

  async function pausing<T>(act: () => Promise<T>): Promise<T> {
    await server.longestPause();
    const result = await act();
    expect(await server.longestPause()).toBeLessThan(longest);
    return result;
  }

  it('is answered in JSON as one moment, whole', async () => {
    const answer = await pausing(() => list('application/json'));
    expect(answer.status).toBe(200);
    const { kind, metadata, items } = JSON.parse(answer.text);
    expect([kind, items.length]).toEqual(['ConfigMapList', count]);
    expect(Number(metadata.resourceVersion)).toBeGreaterThan(0);
    expect(items[0].data).toEqual(values);
    expect(items[1].data).toEqual(text);
    const one = JSON.parse((await admin('GET', `${configMaps}/large-000`)).text);
    expect(items[0]).toEqual(one);
  });

  it('is answered in YAML, in a table, as metadata, in protobuf and in gzip', async () => {
    const yaml = await pausing(() => list('application/yaml'));
    expect(yaml.text.length).toBeGreaterThan(count * 700_000);
    const few = await list('application/yaml', '&fieldSelector=metadata.name=large-001');
    const json = await list('application/json', '&fieldSelector=metadata.name=large-001');
    expect(parseYaml(few.text)).toEqual(JSON.parse(json.text));
    const single = await pausing(() =>
      admin('GET', `${configMaps}/large-000`, { headers: { accept: 'application/yaml' } }),
    );
    expect(parseYaml(single.text).data['key-7']).toBe(values['key-7']);
    const table = await pausing(() => list('application/json;as=Table;g=meta.k8s.io;v=v1'));
    expect(JSON.parse(table.text).rows.map(({ cells }: { cells: unknown[] }) => cells[1])).toEqual(
      Array.from({ length: count }, (_, i) => (i % 2 ? 1 : 9_000)),
    );
    const metadata = await pausing(() => list('application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'));
    expect(JSON.parse(metadata.text).items).toHaveLength(count);
    const protobuf = await pausing(() => list('application/vnd.kubernetes.protobuf'));
    expect(protobuf.text.length).toBeGreaterThan(count * 700_000);
    const headers = { accept: 'application/json', 'accept-encoding': 'gzip' };
    const gzip = await pausing(() => admin('GET', configMaps, { headers }));
    expect(gzip.headers['content-encoding']).toBe('gzip');
  });

  it('comes in pages that end by their bytes', async () => {
    const names: string[] = [];
    let next = '';
    let pages = 0;
    do {
      const page = await pausing(() => list('application/json', `&limit=500&continue=${next}`));
      const { metadata, items } = JSON.parse(page.text);
      expect(page.text.length).toBeLessThan(40 * 1024 * 1024);
      names.push(...items.map((item: { metadata: { name: string } }) => item.metadata.name));
      next = metadata.continue ?? '';
      pages++;
    } while (next);
    expect(new Set(names).size).toBe(count);
    expect(pages).toBeGreaterThan(1);
  });

  it('is sent to a watch as its initial state', async () => {
    const watch = `${configMaps}?watch=1&labelSelector=size=large&timeoutSeconds=5`;
    const answer = await pausing(() => admin('GET', watch));
    const events = answer.text.trim().split('\n');
    expect(events).toHaveLength(count);
    expect(JSON.parse(events[3] ?? '')).toMatchObject({ type: 'ADDED', object: { data: text } });
  });

  it('does not fill the server’s memory when the client does not read', async () => {
    const before = await server.rss();
    const tls = await server.tls(administrator);
    const open = Array.from({ length: 20 }, (_, i) => {
      const headers = i % 2 ? { accept: 'application/vnd.kubernetes.protobuf' } : {};
      const sent = request({ host: '127.0.0.1', port: server.restPort, path: configMaps, headers, ...tls });
      sent.on('response', (response) => response.pause());
      sent.on('error', () => undefined);
      sent.end();
      return sent;
    });
    await Promise.all(open.map((sent) => new Promise((resolve) => sent.once('response', resolve))));
    expect((await admin('GET', '/version')).status).toBe(200);
    expect((await server.rss()) - before).toBeLessThan(400 * 1024 * 1024);
    for (const sent of open) sent.destroy();
  });

  describe('over gRPC', () => {
    let client: GrpcClient;
    beforeAll(async () => {
      const { authority, grpc } = server;
      const pair = await authority.issueClient(administrator);
      client = createGrpcClient(
        { address: grpc, tls: { ca: authority.certificate, credentials: pair } },
        { clock: systemClock, random: systemRandom },
      );
    });
    afterAll(() => client?.close());

    it('comes in pages within the 4 MiB that a client takes', async () => {
      const page = await pausing(() => client.list('ConfigMap', { namespace: 'default', limit: 500 }));
      expect(page.items.length).toBeGreaterThan(0);
      expect(page.items.length).toBeLessThan(5);
      expect(page.continue).toBeTruthy();
      const all = await client.list('ConfigMap', { namespace: 'default', labelSelector: 'size=large' });
      expect(all.items).toHaveLength(count);
    });

    it('is refused as one message, with what to do instead', async () => {
      const List = client.channel.schema.kinds.find(({ entry }) => entry.kind === 'ConfigMap')?.methods.List;
      if (!List) throw new Error('no method List');
      await pausing(() =>
        expect(client.channel.unary(List, { namespace: 'default' })).rejects.toMatchObject({
          reason: 'RequestEntityTooLarge',
          message: 'the list is longer than 32 MiB: ask for it in pages, by limit and continue',
        }),
      );
    });
  });

  it('is deleted', async () => {
    await pausing(() => admin('DELETE', `${configMaps}?labelSelector=size=large`));
    await eventually(async () => JSON.parse((await list('application/json')).text).items.length === 0);
  });
});
