import { afterEach, describe, expect, it } from 'vitest';
import { template, WebCluster } from '../support/web-cluster.ts';

let cluster: WebCluster;

afterEach(() => cluster.stop());

describe('events', () => {
  const told = async (name: string): Promise<string[]> => {
    const { items } = await cluster.client.list('Event', { fieldSelector: `involvedObject.name=${name}` });
    return items.map(({ type, reason, source, message }) => [type, reason, source?.component, message].join(', '));
  };
  const untilTold = (name: string, line: string) =>
    cluster.until(async () => (await told(name)).includes(line), line, 30);

  it('a deployment whose ReplicaSet is refused: an event and a condition', async () => {
    cluster = await new WebCluster().start('a');
    const hard = { 'count/replicasets.apps': '0' };
    await cluster.settle(
      cluster.client.create('ResourceQuota', { metadata: { name: 'q', namespace: 'default' }, spec: { hard } }),
    );
    await cluster.until(
      async () => (await cluster.client.get('ResourceQuota', 'q', 'default')).status?.hard !== undefined,
      'the quota is counted',
    );
    await cluster.createDeployment(1);
    await cluster.until(async () => (await told('web')).length > 0, 'it is told');
    expect(await cluster.settle(told('web'))).toEqual([
      expect.stringMatching(
        /^Warning, ReplicaSetCreateError, deployment-controller, Failed to create new replica set "web-\w+": .*exceeded quota: q/,
      ),
    ]);
    const { status } = await cluster.settle(cluster.client.get('Deployment', 'web', 'default'));
    expect(status?.conditions).toMatchObject([
      { type: 'Progressing', status: 'False', reason: 'ReplicaSetCreateError', message: /exceeded quota/ },
    ]);
  });

  it('an owner in another namespace, and of a kind with namespaces for what has none', async () => {
    cluster = await new WebCluster().start('a');
    const made = (name: string, ownerReferences: object[] = []) =>
      cluster.settle(
        cluster.client.create('ConfigMap', { metadata: { name, namespace: 'default', ownerReferences } as never }),
      );
    await cluster.settle(cluster.client.create('Namespace', { metadata: { name: 'other' } }));
    const owner = await cluster.settle(
      cluster.client.create('ConfigMap', { metadata: { name: 'far', namespace: 'other' } }),
    );
    const { uid } = owner.metadata;
    const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'far', uid };
    await made('owned', [reference]);
    const line = (namespace: string) =>
      `Warning, OwnerRefInvalidNamespace, garbage-collector-controller, ownerRef [v1/ConfigMap, namespace: ${namespace}, name: far, uid: ${uid}] does not exist in namespace "${namespace}"`;
    await untilTold('owned', line('default'));
    await cluster.until(
      async () => (await cluster.client.list('ConfigMap', { fieldSelector: 'metadata.name=owned' })).items.length === 0,
      'it is collected',
    );
    const metadata = { name: 'wide', ownerReferences: [reference] };
    await cluster.settle(cluster.client.create('PriorityClass', { metadata: metadata as never, value: 1 }));
    await untilTold('wide', line(''));
    expect((await cluster.settle(cluster.client.get('PriorityClass', 'wide'))).metadata.name).toBe('wide');
  });

  it('a budget that no pod is for', async () => {
    cluster = await new WebCluster().start('a');
    const spec = { minAvailable: 1, selector: { matchLabels: { app: 'none' } } };
    await cluster.settle(
      cluster.client.create('PodDisruptionBudget', { metadata: { name: 'b', namespace: 'default' }, spec }),
    );
    await untilTold('b', 'Normal, NoPods, controllermanager, No matching pods found');
  });

  it('a node that is closed, opened, and booted again', async () => {
    cluster = await new WebCluster().start('a');
    const close = (unschedulable: boolean) =>
      cluster.settle(cluster.client.patch('Node', 'a', { type: 'merge', body: { spec: { unschedulable } } }));
    await close(true);
    await untilTold('a', 'Normal, NodeNotSchedulable, kubelet, Node a status is now: NodeNotSchedulable');
    await close(false);
    await untilTold('a', 'Normal, NodeSchedulable, kubelet, Node a status is now: NodeSchedulable');
    for (const bootID of ['one', 'another']) {
      const text = { machineID: 'm', systemUUID: 's', kernelVersion: 'k', osImage: 'o', architecture: 'a' };
      const versions = { containerRuntimeVersion: 'r', kubeletVersion: 'v', kubeProxyVersion: 'v' };
      const body = { status: { nodeInfo: { bootID, operatingSystem: 'linux', ...text, ...versions } } };
      await cluster.settle(cluster.client.patch('Node', 'a', { type: 'merge', body }, { subresource: 'status' }));
    }
    await untilTold('a', 'Warning, Rebooted, kubelet, Node a has been rebooted, boot id: another');
  });

  it('a pod that may stay after all, since its node is back in time', async () => {
    cluster = await new WebCluster().start('a');
    const tolerations = [{ operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }];
    await cluster.createDeployment(1, { template: { ...template(), spec: { ...template().spec, tolerations } } });
    const [pod] = await cluster.untilRunning(1);
    const name = pod?.metadata.name ?? '';
    await cluster.clock.advance(15_000);
    await cluster.loseNode('a');
    await cluster.until(
      async () => ((await cluster.client.get('Node', 'a')).spec.taints ?? []).length > 0,
      'it is tainted',
    );
    await cluster.settle(cluster.findNode('a'));
    await untilTold(
      name,
      `Normal, TaintManagerEviction, taint-eviction-controller, Cancelling deletion of Pod default/${name}`,
    );
    expect((await cluster.settle(cluster.pods())).map(({ metadata }) => metadata.name)).toEqual([name]);
  });
});
