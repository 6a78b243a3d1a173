import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { configMapDraft, deploymentDraft, podDraft } from '../../../test/support/drafts.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

describe('delete', () => {
  it('waits for finalizers and ends with the removal of the last', async () => {
    await server.client.create('ConfigMap', {
      metadata: { name: 'a', namespace: 'default', finalizers: ['example.com/one', 'example.com/two'] },
    });
    await server.client.delete('ConfigMap', 'a', { namespace: 'default' });
    const waiting = await server.client.get('ConfigMap', 'a', 'default');
    expect(waiting.metadata.deletionTimestamp).toBeDefined();
    const one = { ...waiting, metadata: { ...waiting.metadata, finalizers: ['example.com/two'] } };
    const left = await server.client.update('ConfigMap', one);
    await expect(
      server.client.update('ConfigMap', {
        ...left,
        metadata: { ...left.metadata, finalizers: ['example.com/two', 'example.com/new'] },
      }),
    ).rejects.toMatchObject({
      reason: 'Invalid',
      message:
        'ConfigMap "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/new"}',
    });
    await server.client.update('ConfigMap', { ...left, metadata: { ...left.metadata, finalizers: [] } });
    await expect(server.client.get('ConfigMap', 'a', 'default')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it.each([true, false])(
    'returns the patched object when the patch removes the last finalizer (dry run: %s)',
    async (dryRun) => {
      const metadata = { name: 'a', namespace: 'default', finalizers: ['example.com/one'] };
      await server.client.create('ConfigMap', { metadata, data: { k: '1' } });
      await server.client.delete('ConfigMap', 'a', { namespace: 'default' });
      const body = { metadata: { finalizers: null, labels: { seen: 'yes' } }, data: { k: '2' } };
      const options = { namespace: 'default', dryRun };
      const answer = await server.client.patch('ConfigMap', 'a', { type: 'merge', body }, options);
      expect(answer.metadata.finalizers ?? []).toEqual([]);
      expect([answer.metadata.labels, answer.data]).toEqual([{ seen: 'yes' }, { k: '2' }]);
      expect(answer.metadata.deletionTimestamp).toBeDefined();
      const { items } = await server.client.list('ConfigMap', { fieldSelector: 'metadata.name=a' });
      expect(items).toHaveLength(dryRun ? 1 : 0);
    },
  );

  it('refuses another object of the same name by its uid', async () => {
    await server.client.create('ConfigMap', configMapDraft('a'));
    await expect(
      server.client.delete('ConfigMap', 'a', { namespace: 'default', preconditions: { uid: 'other' } }),
    ).rejects.toMatchObject({ reason: 'Conflict' });
  });

  it('adds the finalizer of a foreground deletion', async () => {
    await server.client.create('Deployment', deploymentDraft('d'));
    await server.client.delete('Deployment', 'd', { namespace: 'default', propagationPolicy: 'Foreground' });
    const waiting = await server.client.get('Deployment', 'd', 'default');
    expect(waiting.metadata.finalizers).toEqual(['foregroundDeletion']);
  });

  it('protects the namespaces that every cluster needs', async () => {
    await expect(server.client.delete('Namespace', 'kube-system')).rejects.toMatchObject({
      reason: 'Forbidden',
      message: 'namespaces "kube-system" is forbidden: this namespace may not be deleted',
    });
  });
});

describe('deletion of pods', () => {
  const bound = (name: string) => ({ ...podDraft(name), spec: { ...podDraft(name).spec, nodeName: 'n1' } });

  it('removes a pod that no node runs at once', async () => {
    await server.client.create('Pod', podDraft('a'));
    await server.client.delete('Pod', 'a', { namespace: 'default' });
    await expect(server.client.get('Pod', 'a', 'default')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('gives a running pod its grace, which a second deletion can only shorten', async () => {
    await server.client.create('Pod', bound('a'));
    const remaining = async (gracePeriodSeconds?: number): Promise<number | undefined> => {
      await server.client.delete('Pod', 'a', { namespace: 'default', gracePeriodSeconds });
      return (await server.client.get('Pod', 'a', 'default')).metadata.deletionGracePeriodSeconds;
    };
    expect(await remaining()).toBe(30);
    expect(await remaining(60)).toBe(30);
    expect(await remaining(5)).toBe(5);
    await server.client.delete('Pod', 'a', { namespace: 'default', gracePeriodSeconds: 0 });
    await expect(server.client.get('Pod', 'a', 'default')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('increments the generation and sets the deadline of the pod’s deletion', async () => {
    const made = await server.client.create('Pod', bound('a'));
    const before = Date.now();
    await server.client.delete('Pod', 'a', { namespace: 'default', gracePeriodSeconds: 100 });
    const { metadata } = await server.client.get('Pod', 'a', 'default');
    expect(metadata.generation).toBe((made.metadata.generation ?? 0) + 1);
    expect(Date.parse(metadata.deletionTimestamp ?? '')).toBeGreaterThan(before + 90_000);
  });
});
