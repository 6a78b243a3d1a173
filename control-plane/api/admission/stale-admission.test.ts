import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../shared/clock.ts';
import type { Pod } from '../../../shared/generated/types.ts';
import { kindNamed } from '../../../shared/kinds/index.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { BrakedStore } from '../../../test/support/braked-store.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { asDraft, readyNode } from '../../../test/support/scheduling.ts';
import { MemoryStore } from '../../store/memory.ts';
import { LocalClient } from '../local-client.ts';

// Admission decisions while the cache is stale.

let store: BrakedStore;
let server: TestApi;
beforeEach(async () => {
  store = new BrakedStore(new MemoryStore({ clock: systemClock }));
  server = await startTestApi({ store });
});
afterEach(() => server.stop());

const pod = (name: string, namespace: string, spec: object = {}) => ({
  metadata: { name, namespace },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec } as Pod['spec'],
});
const held = async (path: string) => (await store.get(`/coracle/registry/${path}`)).item;
const seen = (made: { metadata: { resourceVersion: string } }) =>
  eventually(() => server.cache.revision >= Number(made.metadata.resourceVersion));
const context = () => ({ identity: { user: 'u', groups: [] }, signal: AbortSignal.timeout(10_000), warnings: [] });

describe('a container that is added to a pod', () => {
  const key = 'pod-security.kubernetes.io/enforce';
  const debug = (namespace: string, privileged: boolean) =>
    server.api.patch(
      context(),
      { entry: kindNamed('Pod'), namespace, name: 'p', subresource: 'ephemeralcontainers' },
      {
        type: 'strategic',
        body: { spec: { ephemeralContainers: [{ name: 'd', image: 'i', securityContext: { privileged } }] } },
      },
    );
  const violation = { reason: 'Forbidden', message: expect.stringContaining('violates PodSecurity "baseline:latest"') };

  it('is held to the level of a namespace that the cache does not show yet', async () => {
    store.watches.hold();
    await server.client.create('Namespace', { metadata: { name: 'n', labels: { [key]: 'baseline' } } });
    await server.client.create('Pod', pod('p', 'n'));
    await expect(debug('n', true)).rejects.toMatchObject(violation);
    await expect(debug('n', false)).resolves.toBeDefined();
  });

  it('is held to a level that the namespace got since the cache saw it', async () => {
    await server.client.create('Namespace', { metadata: { name: 'n' } });
    await seen(await server.client.create('Pod', pod('p', 'n')));
    store.watches.hold();
    await server.client.patch('Namespace', 'n', {
      type: 'merge',
      body: { metadata: { labels: { [key]: 'baseline' } } },
    });
    await expect(debug('n', true)).rejects.toMatchObject(violation);
    await server.client.patch('Namespace', 'n', { type: 'merge', body: { metadata: { labels: { [key]: null } } } });
    await expect(debug('n', true)).resolves.toBeDefined();
  });
});

describe('a container that is added to a pod of an account that lends no secrets', () => {
  const annotations = (value: string) => ({ 'kubernetes.io/enforce-mountable-secrets': value });
  const addAccount = (value: string) =>
    server.client.create('ServiceAccount', {
      metadata: { name: 'strict', namespace: 'default', annotations: annotations(value) },
    });
  const addPod = () => server.client.create('Pod', pod('p', 'default', { serviceAccountName: 'strict' }));
  const read = (name: string) =>
    server.api.patch(
      context(),
      { entry: kindNamed('Pod'), namespace: 'default', name: 'p', subresource: 'ephemeralcontainers' },
      {
        type: 'strategic',
        body: { spec: { ephemeralContainers: [{ name: 'd', image: 'i', envFrom: [{ secretRef: { name } }] }] } },
      },
    );
  const refusal = { reason: 'Forbidden', message: expect.stringContaining('does not reference that secret') };

  it('reads none although the cache does not show the account yet', async () => {
    store.watches.hold();
    await addAccount('true');
    await addPod();
    await expect(read('s')).rejects.toMatchObject(refusal);
  });

  it('uses none even if the cache shows the older service account', async () => {
    await addAccount('false');
    await seen(await addPod());
    store.watches.hold();
    await server.client.patch(
      'ServiceAccount',
      'strict',
      { type: 'merge', body: { metadata: { annotations: annotations('true') } } },
      { namespace: 'default' },
    );
    await expect(read('s')).rejects.toMatchObject(refusal);
  });

  it('reads those that the account names since the cache saw it', async () => {
    await addAccount('true');
    await seen(await addPod());
    store.watches.hold();
    const body = { secrets: [{ name: 's' }] };
    await server.client.patch('ServiceAccount', 'strict', { type: 'merge', body }, { namespace: 'default' });
    await expect(read('s')).resolves.toBeDefined();
  });
});

describe('a pod that grows', () => {
  const node = readyNode('n', { cpu: '1', memory: '1Gi' });
  const addNode = async () => {
    const made = await server.client.create('Node', asDraft(node));
    return server.client.updateStatus('Node', { ...made, status: node.status });
  };
  const sized = (name: string, cpu: string) =>
    server.client.create(
      'Pod',
      pod(name, 'default', {
        nodeName: 'n',
        containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }],
      }),
    );
  const grow = (cpu: string) =>
    server.api.patch(
      context(),
      { entry: kindNamed('Pod'), namespace: 'default', name: 'p', subresource: 'resize' },
      { type: 'strategic', body: { spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }] } } },
    );

  it('waits until its node’s objects are known, instead of refusing it', async () => {
    await seen(await sized('p', '500m'));
    const release = store.watches.hold();
    await addNode();
    const answer = grow('2').then(
      () => 'grown',
      (error: Error) => error.message,
    );
    release();
    expect(await answer).toMatch("Node didn't have enough resource: cpu");
  });

  it('counts the pods that came to its node since the cache saw it', async () => {
    await addNode();
    await seen(await sized('p', '500m'));
    const release = store.watches.hold();
    await sized('other', '500m');
    const answer = grow('600m').then(
      () => 'grown',
      (error: Error) => error.message,
    );
    release();
    expect(await answer).toMatch("Node didn't have enough resource: cpu");
  });

  it('is not held up where there is no such node, although a guard of it was left behind', async () => {
    await seen(await sized('p', '500m'));
    await expect(grow('2')).resolves.toBeDefined();
    const guard = { apiVersion: 'coracle.io/v1', kind: 'NodeGuard', metadata: { name: 'n', uid: 'u' } };
    const put = {
      type: 'put',
      key: '/coracle/registry/coracle.io/nodeguards/n',
      value: JSON.stringify(guard),
    } as const;
    await store.txn({ guards: [], writes: [put] });
    await eventually(() => server.cache.get('NodeGuard', 'n') !== undefined);
    await expect(grow('3')).resolves.toBeDefined();
  });
});

describe('a node', () => {
  let client: LocalClient;
  beforeEach(() => {
    const identity = { user: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };
    client = new LocalClient({ api: server.api, identity, clock: systemClock });
  });
  it('may create a mirror pod as soon as its Node exists', async () => {
    store.watches.hold();
    const { metadata } = await server.client.create('Node', { metadata: { name: 'n1' }, spec: {} });
    const owner = { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: metadata.uid, controller: true };
    const annotations = { 'kubernetes.io/config.mirror': 'x' };
    const copy = pod('static', 'default', { nodeName: 'n1' });
    const copying = client.create('Pod', {
      ...copy,
      metadata: { ...copy.metadata, annotations, ownerReferences: [owner] },
    });
    const answer = copying.then(
      () => 'made',
      (error: Error) => error.message,
    );
    expect(await answer).toBe('made');
  });

  const on = (nodeName?: string) => server.client.create('Pod', pod('p', 'default', nodeName ? { nodeName } : {}));
  const gone = () => server.client.delete('Pod', 'p', { namespace: 'default', gracePeriodSeconds: 0 });
  const end = () => client.delete('Pod', 'p', { namespace: 'default', gracePeriodSeconds: 0 });

  it('does not end a pod that runs elsewhere by now under the same name', async () => {
    await seen(await on('n1'));
    store.watches.hold();
    await gone();
    const theirs = await on('n2');
    await expect(end()).rejects.toMatchObject({ reason: 'Forbidden' });
    await expect(client.evict(theirs)).rejects.toMatchObject({ reason: 'Forbidden' });
    expect(await held('pods/default/p')).toBeDefined();
  });

  it('ends its own pod although the cache shows one elsewhere, or none', async () => {
    await seen(await on('n2'));
    store.watches.hold();
    await gone();
    await on('n1');
    await end();
    expect(await held('pods/default/p')).toBeUndefined();
    await expect(end()).rejects.toMatchObject({ reason: 'NotFound' });
  });
});
