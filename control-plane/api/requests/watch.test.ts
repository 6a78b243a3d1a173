import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { kindNamed } from '../../../shared/kinds/index.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { configMapDraft } from '../../../test/support/drafts.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

describe('watch', () => {
  it('shows an object that comes to match as ADDED and one that ceases to as DELETED', async () => {
    const end = new AbortController();
    const context = { identity: { user: 'u', groups: [] }, signal: end.signal, warnings: [] };
    const { items: _items, resourceVersion } = await server.client.list('ConfigMap');
    const entry = kindNamed('ConfigMap');
    const events: string[] = [];
    const watching = (async () => {
      for await (const event of server.api.watch(context, { entry, labelSelector: 'a=b', resourceVersion })) {
        events.push(`${event.type} ${JSON.stringify(event.object.metadata.labels ?? {})}`);
        if (events.length === 3) return;
      }
    })();
    let now = await server.client.create('ConfigMap', configMapDraft('x'));
    for (const labels of [{ a: 'b' }, { a: 'b', c: 'd' }, {}]) {
      now = await server.client.update('ConfigMap', {
        ...now,
        metadata: { ...now.metadata, labels: labels as Record<string, string> },
      });
    }
    await watching;
    end.abort();
    expect(events).toEqual(['ADDED {"a":"b"}', 'MODIFIED {"a":"b","c":"d"}', 'DELETED {"a":"b","c":"d"}']);
  });
});
