import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Binding } from '../../../shared/client.ts';
import type { Pod } from '../../../shared/generated/types.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

async function node(name: string): Promise<string> {
  await server.client.create('Node', {
    metadata: { name },
    spec: {},
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '110' } },
  });
  return guardOf(name);
}

async function guardOf(name: string): Promise<string> {
  return (await server.client.get('NodeGuard', name)).metadata.resourceVersion;
}

function pod(name: string, nodeName?: string): Promise<Pod> {
  return server.client.create('Pod', {
    metadata: { name, namespace: 'default' },
    spec: { nodeName, containers: [{ name: 'app', image: 'app:1' }] },
  });
}

function binding({ metadata }: Pod, to: string, guardVersion: string): Binding {
  const { name, namespace = '', uid, resourceVersion } = metadata;
  return { name, namespace, uid, resourceVersion, node: to, guardVersion };
}

describe('bind', () => {
  it('binds pods to several nodes at once, and returns each node’s new guard', async () => {
    const guards = { n1: await node('n1'), n2: await node('n2') };
    const pods = await Promise.all(Array.from({ length: 300 }, (_, i) => pod(`p${i}`)));
    const wanted = pods.map((one, i) => {
      const to = i % 2 ? 'n1' : 'n2';
      return binding(one, to, guards[to]);
    });
    const results = await server.client.bind(wanted);
    expect(results.filter((one) => !one.ok)).toEqual([]);
    const bound = await server.client.get('Pod', 'p7', 'default');
    expect(bound.spec.nodeName).toBe('n1');
    expect(bound.status?.conditions).toMatchObject([{ type: 'PodScheduled', status: 'True' }]);
    const last = results.filter((_, i) => i % 2).at(-1);
    expect(last).toEqual({ ok: true, guardVersion: await guardOf('n1') });
  });

  it('refuses a whole node’s group whose guard has moved, and leaves the other node’s alone', async () => {
    const [g1, g2] = [await node('n1'), await node('n2')];
    const [a, b, c] = [await pod('a'), await pod('b'), await pod('c')];
    await pod('direct', 'n1');
    const results = await server.client.bind([binding(a, 'n1', g1), binding(b, 'n2', g2), binding(c, 'n1', g1)]);
    expect(results.map((one) => (one.ok ? 'bound' : one.reason))).toEqual(['Conflict', 'bound', 'Conflict']);
    expect((await server.client.get('Pod', 'a', 'default')).spec.nodeName).toBeUndefined();
  });

  it('fails a pod that has moved on by itself and binds the rest of its group', async () => {
    const guard = await node('n1');
    const [a, b, c] = [await pod('a'), await pod('b'), await pod('c')];
    await server.client.update('Pod', { ...b, metadata: { ...b.metadata, labels: { moved: 'on' } } });
    await server.client.delete('Pod', 'c', { namespace: 'default' });
    const results = await server.client.bind([a, b, c].map((one) => binding(one, 'n1', guard)));
    expect(results.map((one) => (one.ok ? 'bound' : one.reason))).toEqual(['bound', 'Conflict', 'NotFound']);
  });

  it('binds a pod once however many try, and never two groups on one guard', async () => {
    const [g1, g2] = [await node('n1'), await node('n2')];
    const one = await pod('one');
    const rivals = await Promise.all(
      Array.from({ length: 20 }, (_, i) => server.client.bind([binding(one, i % 2 ? 'n1' : 'n2', i % 2 ? g1 : g2)])),
    );
    expect(rivals.flat().filter((result) => result.ok)).toHaveLength(1);
    const pods = await Promise.all(Array.from({ length: 10 }, (_, i) => pod(`p${i}`)));
    const seen = await guardOf('n1');
    const groups = await Promise.all(pods.map((single) => server.client.bind([binding(single, 'n1', seen)])));
    expect(groups.flat().filter((result) => result.ok)).toHaveLength(1);
  });

  it('refuses a pod that is being deleted', async () => {
    const guard = await node('n1');
    const made = await server.client.create('Pod', {
      metadata: { name: 'a', namespace: 'default', finalizers: ['example.com/wait'] },
      spec: { containers: [{ name: 'app', image: 'app:1' }] },
    });
    await server.client.delete('Pod', 'a', { namespace: 'default' });
    const now = await server.client.get('Pod', 'a', 'default');
    expect(now.metadata.uid).toBe(made.metadata.uid);
    const [result] = await server.client.bind([binding(now, 'n1', guard)]);
    expect(result).toMatchObject({ ok: false, reason: 'Conflict' });
  });
});

describe('a node’s guard', () => {
  it('is made and removed with its node', async () => {
    await node('n1');
    await server.client.delete('Node', 'n1');
    await expect(guardOf('n1')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('moves when allocatable shrinks, and not when it grows or a heartbeat comes', async () => {
    const before = await node('n1');
    const report = async (cpu: string): Promise<void> => {
      const now = await server.client.get('Node', 'n1');
      await server.client.updateStatus('Node', {
        ...now,
        status: { ...now.status, allocatable: { ...now.status?.allocatable, cpu } },
      });
    };
    await report('8');
    expect(await guardOf('n1')).toBe(before);
    await report('2');
    expect(await guardOf('n1')).not.toBe(before);
  });

  it('moves when a pod is created straight onto its node', async () => {
    const before = await node('n1');
    await pod('direct', 'n1');
    expect(await guardOf('n1')).not.toBe(before);
  });
});
