import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { configMapDraft } from '../../../test/support/drafts.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

describe('list', () => {
  it('pages show one revision though objects come and go between them', async () => {
    for (let i = 0; i < 10; i++) await server.client.create('ConfigMap', configMapDraft(`c${i}`));
    const names: string[] = [];
    let page = await server.client.list('ConfigMap', { namespace: 'default', limit: 3 });
    const version = page.resourceVersion;
    for (;;) {
      names.push(...page.items.map((item) => item.metadata.name));
      if (!page.continue) break;
      await server.client.delete('ConfigMap', `c${9 - Math.floor(names.length / 3)}`, { namespace: 'default' });
      page = await server.client.list('ConfigMap', { namespace: 'default', limit: 3, continue: page.continue });
      expect(page.resourceVersion).toBe(version);
    }
    expect(names).toEqual(Array.from({ length: 10 }, (_, i) => `c${i}`));
  });

  it('returns Expired for a page whose revision has been compacted', async () => {
    for (let i = 0; i < 4; i++) await server.client.create('ConfigMap', configMapDraft(`c${i}`));
    const page = await server.client.list('ConfigMap', { limit: 2 });
    const last = await server.client.create('ConfigMap', configMapDraft('last'));
    await server.store.compact(Number(last.metadata.resourceVersion));
    await expect(server.client.list('ConfigMap', { limit: 2, continue: page.continue })).rejects.toMatchObject({
      reason: 'Expired',
    });
  });
});
