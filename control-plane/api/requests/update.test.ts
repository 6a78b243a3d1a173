import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { configMapDraft, deploymentDraft } from '../../../test/support/drafts.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

describe('update', () => {
  it('loses no increment of concurrent writers', async () => {
    await server.client.create('ConfigMap', configMapDraft('counter', { n: '0' }));
    const add = async (): Promise<void> => {
      for (;;) {
        const seen = await server.client.get('ConfigMap', 'counter', 'default');
        const n = String(Number(seen.data?.n) + 1);
        try {
          await server.client.update('ConfigMap', { ...seen, data: { n } });
          return;
        } catch (error) {
          expect(error).toMatchObject({
            reason: 'Conflict',
            message:
              'Operation cannot be fulfilled on configmaps "counter": the object has been modified; please apply your changes to the latest version and try again',
          });
        }
      }
    };
    await Promise.all(Array.from({ length: 20 }, add));
    expect((await server.client.get('ConfigMap', 'counter', 'default')).data?.n).toBe('20');
  });

  it('keeps every key that concurrent patches add', async () => {
    await server.client.create('ConfigMap', configMapDraft('a'));
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    await Promise.all(
      keys.map((key) =>
        server.client.patch(
          'ConfigMap',
          'a',
          { type: 'merge', body: { data: { [key]: 'x' } } },
          { namespace: 'default' },
        ),
      ),
    );
    const after = await server.client.get('ConfigMap', 'a', 'default');
    expect(Object.keys(after.data ?? {}).sort()).toEqual([...keys].sort());
  });

  it('without resourceVersion the last write wins', async () => {
    await server.client.create('ConfigMap', configMapDraft('a'));
    await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        server.client.update('ConfigMap', configMapDraft('a', { n: String(i) }) as never),
      ),
    );
    expect((await server.client.get('ConfigMap', 'a', 'default')).data).toHaveProperty('n');
  });

  it('writes nothing when nothing changes', async () => {
    const made = await server.client.create('ConfigMap', configMapDraft('a', { k: 'v' }));
    const same = await server.client.update('ConfigMap', made);
    expect(same.metadata.resourceVersion).toBe(made.metadata.resourceVersion);
  });

  it('keeps status and spec apart and counts generations of the spec only', async () => {
    const made = await server.client.create('Deployment', deploymentDraft('d'));
    expect(made.metadata.generation).toBe(1);
    const reported = await server.client.updateStatus('Deployment', {
      ...made,
      spec: { ...made.spec, replicas: 9 },
      status: { replicas: 3 },
    });
    expect(reported.spec.replicas).toBe(1);
    expect(reported.status?.replicas).toBe(3);
    expect(reported.metadata.generation).toBe(1);
    const scaled = await server.client.update('Deployment', {
      ...reported,
      spec: { ...reported.spec, replicas: 2 },
      status: {},
    });
    expect(scaled.metadata.generation).toBe(2);
    expect(scaled.status?.replicas).toBe(3);
  });
});
