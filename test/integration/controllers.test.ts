import { afterEach, describe, expect, it } from 'vitest';
import type { ConfigMap, Deployment, Pod } from '../../shared/generated/types.ts';
import { HollowCluster } from '../support/hollow-cluster.ts';

let cluster: HollowCluster;

afterEach(() => cluster.stop());

const labels = { app: 'web' };
const template = (image = 'web:1') => ({ metadata: { labels }, spec: { containers: [{ name: 'web', image }] } });

async function start(...nodes: string[]): Promise<HollowCluster> {
  cluster = await new HollowCluster().start(...(nodes.length > 0 ? nodes : ['a', 'b', 'c']));
  return cluster;
}

function createDeployment(replicas: number, spec: object = {}): Promise<Deployment> {
  const draft = {
    metadata: { name: 'web', namespace: 'default' },
    spec: { replicas, selector: { matchLabels: labels }, template: template(), ...spec },
  };
  return cluster.settle(cluster.client.create('Deployment', draft as never));
}

const running = (pods: readonly Pod[]) =>
  pods.filter((pod) => pod.status?.phase === 'Running' && !pod.metadata.deletionTimestamp);
const imageOf = (pod: Pod) => pod.spec.containers[0]?.image;

async function untilRunning(count: number, image = 'web:1'): Promise<Pod[]> {
  let pods: Pod[] = [];
  await cluster.until(async () => {
    pods = await cluster.pods();
    return pods.length === count && running(pods).filter((pod) => imageOf(pod) === image).length === count;
  }, `${count} pods of ${image}`);
  return pods;
}

function patch(kind: 'Deployment' | 'ReplicaSet' | 'Pod', name: string, body: object) {
  return cluster.settle(cluster.client.patch(kind, name, { type: 'merge', body }, { namespace: 'default' }));
}

describe('a ReplicationController', () => {
  it('keeps its number of pods: makes what is missing, removes what is too much, replaces what is deleted', async () => {
    await start();
    await cluster.settle(
      cluster.client.create('ReplicationController', {
        metadata: { name: 'rc', namespace: 'default' },
        spec: { replicas: 3, selector: labels, template: template() } as never,
      }),
    );
    const [victim] = await untilRunning(3);
    await cluster.settle(cluster.client.delete('Pod', victim?.metadata.name ?? '', { namespace: 'default' }));
    const pods = await untilRunning(3);
    expect(pods.map((pod) => pod.metadata.uid)).not.toContain(victim?.metadata.uid);
    await cluster.settle(
      cluster.client.patch(
        'ReplicationController',
        'rc',
        { type: 'merge', body: { spec: { replicas: 1 } } },
        { namespace: 'default' },
      ),
    );
    await untilRunning(1);
  });
});

describe('a ReplicaSet', () => {
  it('adopts an orphan that matches, and releases a pod whose labels no longer do', async () => {
    await start();
    const spec = { containers: [{ name: 'web', image: 'web:1' }] };
    const orphan = await cluster.settle(
      cluster.client.create('Pod', { metadata: { name: 'orphan', namespace: 'default', labels }, spec }),
    );
    await cluster.settle(
      cluster.client.create('ReplicaSet', {
        metadata: { name: 'rs', namespace: 'default' },
        spec: { replicas: 2, selector: { matchLabels: labels }, template: template() } as never,
      }),
    );
    const pods = await untilRunning(2);
    expect(pods.map((pod) => pod.metadata.uid)).toContain(orphan.metadata.uid);
    await patch('Pod', 'orphan', { metadata: { labels: { app: 'other' } } });
    await cluster.until(async () => (await cluster.pods()).length === 3, 'a replacement for the one that left');
    const left = await cluster.settle(cluster.client.get('Pod', 'orphan', 'default'));
    await cluster.until(
      async () => !(await cluster.client.get('Pod', 'orphan', 'default')).metadata.ownerReferences?.length,
      'release',
    );
    expect(left.metadata.uid).toBe(orphan.metadata.uid);
  });

  it.each(['ReplicaSet', 'ReplicationController'] as const)(
    'as a %s leaves pods alone that have ended',
    async (kind) => {
      await start('a');
      cluster.kubelets = false;
      const spec = { containers: [{ name: 'web', image: 'web:1' }], restartPolicy: 'Never' as const };
      for (const name of ['done', 'failed', 'own']) {
        await cluster.settle(cluster.client.create('Pod', { metadata: { name, namespace: 'default', labels }, spec }));
      }
      const end = async (name: string, phase: 'Succeeded' | 'Failed') => {
        const pod = await cluster.settle(cluster.client.get('Pod', name, 'default'));
        await cluster.settle(cluster.client.updateStatus('Pod', { ...pod, status: { ...pod.status, phase } }));
      };
      await end('done', 'Succeeded');
      await end('failed', 'Failed');
      const selector = kind === 'ReplicaSet' ? { matchLabels: labels } : labels;
      await cluster.settle(
        cluster.client.create(kind, {
          metadata: { name: 'rs', namespace: 'default' },
          spec: { replicas: 1, selector, template: template() } as never,
        }),
      );
      const ownersOf = async (name: string) =>
        (await cluster.client.get('Pod', name, 'default')).metadata.ownerReferences ?? [];
      await cluster.until(async () => (await ownersOf('own')).length === 1, 'the one that runs is adopted');
      await end('own', 'Succeeded');
      await patch('Pod', 'own', { metadata: { labels: { app: 'other' } } });
      await cluster.clock.advance(5_000);
      expect(await cluster.settle(ownersOf('done'))).toEqual([]);
      expect(await cluster.settle(ownersOf('failed'))).toEqual([]);
      expect(await cluster.settle(ownersOf('own'))).toHaveLength(1);
      await cluster.settle(
        cluster.client.delete(kind, 'rs', { namespace: 'default', propagationPolicy: 'Background' }),
      );
      await cluster.clock.advance(5_000);
      // The replacement waits for its node to confirm its end.
      const left = (await cluster.settle(cluster.pods())).filter(({ metadata }) => !metadata.deletionTimestamp);
      expect(left.map(({ metadata }) => metadata.name).sort()).toEqual(['done', 'failed']);
    },
  );

  it('never creates more pods than desired, however often it reconciles', async () => {
    await start();
    let most = 0;
    cluster.controlPlane.informers.onChange(() => {
      most = Math.max(most, cluster.controlPlane.informers.of('Pod').size);
    });
    await createDeployment(50);
    await untilRunning(50);
    expect(most).toBe(50);
  });
});

describe('a Deployment', () => {
  it('rolls a new template out within its bounds, and back again as the newest revision', async () => {
    await start();
    await createDeployment(6, {
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 2, maxUnavailable: 1 } },
    });
    await untilRunning(6);
    let most = 0;
    let fewest = 99;
    cluster.controlPlane.informers.onChange(() => {
      const pods = [...cluster.controlPlane.informers.of('Pod').values()].filter(
        (pod) => !pod.metadata.deletionTimestamp,
      );
      most = Math.max(most, pods.length);
      fewest = Math.min(fewest, running(pods).length);
    });
    await patch('Deployment', 'web', { spec: { template: template('web:2') } });
    await untilRunning(6, 'web:2');
    expect(most).toBeLessThanOrEqual(8);
    expect(fewest).toBeGreaterThanOrEqual(5);
    await patch('Deployment', 'web', { spec: { template: template('web:1') } });
    await untilRunning(6, 'web:1');
    await cluster.until(async () => {
      const { metadata, status } = await cluster.client.get('Deployment', 'web', 'default');
      return (
        metadata.annotations?.['deployment.kubernetes.io/revision'] === '3' &&
        status?.conditions?.find(({ type }) => type === 'Progressing')?.reason === 'NewReplicaSetAvailable'
      );
    }, 'revision 3, complete');
    const sets = await cluster.settle(cluster.client.list('ReplicaSet', { namespace: 'default' }));
    expect(sets.items.length).toBe(2);
    await cluster.until(async () => {
      const { items } = await cluster.client.list('ReplicaSet', { namespace: 'default' });
      return items.some(
        ({ status }) =>
          Object.keys(status ?? {})
            .sort()
            .join() === 'observedGeneration,replicas',
      );
    }, 'a ReplicaSet without pods, which tells no other count');
  });

  it('numbers a rollout one more than the highest revision that it adopts, exactly', async () => {
    await start();
    const revision = 'deployment.kubernetes.io/revision';
    await cluster.settle(
      cluster.client.create('ReplicaSet', {
        metadata: { name: 'old', namespace: 'default', labels, annotations: { [revision]: '3546343826724305832' } },
        spec: { replicas: 0, selector: { matchLabels: labels }, template: template('web:0') } as never,
      }),
    );
    await createDeployment(1);
    await cluster.until(async () => {
      const { metadata } = await cluster.client.get('Deployment', 'web', 'default');
      return metadata.annotations?.[revision] === '3546343826724305833';
    }, 'the next revision');
    await cluster.clock.advance(1_000);
    const { items } = await cluster.settle(cluster.client.list('ReplicaSet', { namespace: 'default' }));
    expect(items.map(({ metadata }) => metadata.annotations?.[revision]).sort()).toEqual([
      '3546343826724305832',
      '3546343826724305833',
    ]);
  });

  it('of strategy Recreate has no old pod left when its first new one is made', async () => {
    await start();
    await createDeployment(4, { strategy: { type: 'Recreate' } });
    await untilRunning(4);
    let mixed = false;
    cluster.controlPlane.informers.onChange(() => {
      mixed ||= new Set([...cluster.controlPlane.informers.of('Pod').values()].map(imageOf)).size > 1;
    });
    await patch('Deployment', 'web', { spec: { template: template('web:2') } });
    await untilRunning(4, 'web:2');
    expect(mixed).toBe(false);
  });

  it('without progress gets its condition after its deadline', async () => {
    await start();
    await createDeployment(2, { progressDeadlineSeconds: 30 });
    await untilRunning(2);
    cluster.kubelets = false;
    await patch('Deployment', 'web', { spec: { template: template('web:2') } });
    await cluster.until(async () => {
      const { status } = await cluster.client.get('Deployment', 'web', 'default');
      return status?.conditions?.find(({ type }) => type === 'Progressing')?.reason === 'ProgressDeadlineExceeded';
    }, 'ProgressDeadlineExceeded');
  });

  it('keeps no more revisions than its limit', async () => {
    await start();
    await createDeployment(1, { revisionHistoryLimit: 1 });
    await untilRunning(1);
    for (const version of [2, 3, 4]) {
      await patch('Deployment', 'web', { spec: { template: template(`web:${version}`) } });
      await untilRunning(1, `web:${version}`);
    }
    await cluster.until(
      async () => (await cluster.client.list('ReplicaSet', { namespace: 'default' })).items.length === 2,
      'two sets',
    );
  });

  it('a change of a PodTemplate object changes no pod', async () => {
    await start();
    await cluster.settle(
      cluster.client.create('PodTemplate', {
        metadata: { name: 't', namespace: 'default' },
        template: template() as never,
      }),
    );
    await createDeployment(2);
    const before = await untilRunning(2);
    await cluster.settle(
      cluster.client.patch(
        'PodTemplate',
        't',
        { type: 'merge', body: { template: template('web:9') } },
        { namespace: 'default' },
      ),
    );
    await cluster.clock.advance(5_000);
    expect((await cluster.settle(cluster.pods())).map(({ metadata }) => metadata.resourceVersion)).toEqual(
      before.map(({ metadata }) => metadata.resourceVersion),
    );
  });
});

describe('deletion', () => {
  it('of an owner takes what it owns along, in the background', async () => {
    await start();
    await createDeployment(3);
    await untilRunning(3);
    await cluster.settle(cluster.client.delete('Deployment', 'web', { namespace: 'default' }));
    await cluster.until(async () => (await cluster.pods()).length === 0, 'no pods');
    expect((await cluster.settle(cluster.client.list('ReplicaSet', { namespace: 'default' }))).items).toEqual([]);
  });

  it('in the foreground leaves the owner until the last of its pods is gone', async () => {
    await start();
    await createDeployment(3);
    await untilRunning(3);
    let orphaned = false;
    cluster.controlPlane.informers.onChange(() => {
      const { informers } = cluster.controlPlane;
      orphaned ||= informers.of('Deployment').size === 0 && informers.of('Pod').size > 0;
    });
    await cluster.settle(
      cluster.client.delete('Deployment', 'web', { namespace: 'default', propagationPolicy: 'Foreground' }),
    );
    await cluster.until(
      async () => (await cluster.client.list('Deployment', { namespace: 'default' })).items.length === 0,
      'gone',
    );
    expect(orphaned).toBe(false);
    expect(await cluster.settle(cluster.pods())).toEqual([]);
  });

  it('with orphaning leaves what was owned', async () => {
    await start();
    await createDeployment(3);
    const before = await untilRunning(3);
    await cluster.settle(
      cluster.client.delete('Deployment', 'web', { namespace: 'default', propagationPolicy: 'Orphan' }),
    );
    await cluster.until(
      async () => (await cluster.client.list('Deployment', { namespace: 'default' })).items.length === 0,
      'gone',
    );
    await cluster.clock.advance(5_000);
    expect((await cluster.settle(cluster.pods())).map(({ metadata }) => metadata.uid)).toEqual(
      before.map(({ metadata }) => metadata.uid),
    );
    const sets = await cluster.settle(cluster.client.list('ReplicaSet', { namespace: 'default' }));
    expect(sets.items.map(({ metadata }) => metadata.ownerReferences ?? [])).toEqual([[]]);
  });

  it('in the foreground leaves what has another owner, and takes two that own each other', async () => {
    await start();
    const make = (name: string, owners: readonly ConfigMap[] = []) =>
      cluster.settle(
        cluster.client.create('ConfigMap', {
          metadata: { name, namespace: 'default', ownerReferences: owners.map(ref) },
        }),
      );
    const ref = ({ metadata: { name, uid } }: ConfigMap) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name,
      uid,
      blockOwnerDeletion: true,
    });
    const [one, other] = [await make('one'), await make('other')];
    await make('shared', [one, other]);
    const first = await make('first', [one]);
    await cluster.settle(
      cluster.client.patch(
        'ConfigMap',
        'one',
        { type: 'merge', body: { metadata: { ownerReferences: [ref(first)] } } },
        { namespace: 'default' },
      ),
    );
    await cluster.settle(
      cluster.client.delete('ConfigMap', 'one', { namespace: 'default', propagationPolicy: 'Foreground' }),
    );
    const left = async () => (await cluster.client.list('ConfigMap', { namespace: 'default' })).items;
    const names = async () => (await left()).map(({ metadata }) => metadata.name);
    await cluster.until(
      async () => !(await names()).some((name) => name === 'one' || name === 'first'),
      'both are gone',
    );
    const shared = (await cluster.settle(left())).find(({ metadata }) => metadata.name === 'shared');
    expect(shared?.metadata.ownerReferences).toEqual([ref(other)]);
  });

  it('of a namespace empties it, then lets it go', async () => {
    await start();
    await cluster.settle(cluster.client.create('Namespace', { metadata: { name: 'team' } }));
    await cluster.settle(
      cluster.client.create('ConfigMap', { metadata: { name: 'c', namespace: 'team' }, data: { a: '1' } }),
    );
    await cluster.settle(
      cluster.client.create('Deployment', {
        metadata: { name: 'web', namespace: 'team' },
        spec: { replicas: 2, selector: { matchLabels: labels }, template: template() } as never,
      }),
    );
    await cluster.until(async () => running(await cluster.pods('team')).length === 2, 'two pods');
    await cluster.settle(cluster.client.delete('Namespace', 'team'));
    await cluster.until(
      async () => !(await cluster.client.list('Namespace')).items.some(({ metadata }) => metadata.name === 'team'),
      'the namespace is gone',
    );
    expect(await cluster.settle(cluster.pods('team'))).toEqual([]);
  });
});

describe('events', () => {
  const told = async (name: string): Promise<string[]> => {
    const { items } = await cluster.client.list('Event', { fieldSelector: `involvedObject.name=${name}` });
    return items.map(({ type, reason, source, message }) => [type, reason, source?.component, message].join(', '));
  };
  const untilTold = (name: string, line: string) =>
    cluster.until(async () => (await told(name)).includes(line), line, 30);

  it('a deployment whose ReplicaSet is refused: an event and a condition', async () => {
    await start('a');
    const hard = { 'count/replicasets.apps': '0' };
    await cluster.settle(
      cluster.client.create('ResourceQuota', { metadata: { name: 'q', namespace: 'default' }, spec: { hard } }),
    );
    await cluster.until(
      async () => (await cluster.client.get('ResourceQuota', 'q', 'default')).status?.hard !== undefined,
      'the quota is counted',
    );
    await createDeployment(1);
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
    await start('a');
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
    await start('a');
    const spec = { minAvailable: 1, selector: { matchLabels: { app: 'none' } } };
    await cluster.settle(
      cluster.client.create('PodDisruptionBudget', { metadata: { name: 'b', namespace: 'default' }, spec }),
    );
    await untilTold('b', 'Normal, NoPods, controllermanager, No matching pods found');
  });

  it('a node that is closed, opened, and booted again', async () => {
    await start('a');
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
    await start('a');
    const tolerations = [{ operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }];
    await createDeployment(1, { template: { ...template(), spec: { ...template().spec, tolerations } } });
    const [pod] = await untilRunning(1);
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

describe('a NoExecute taint that a person set, without a date', () => {
  it('sends a pod away when its toleration is over, and not at once', async () => {
    cluster = await new HollowCluster().start('a');
    const tolerations = [{ key: 'x', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 } as const];
    const spec = { containers: [{ name: 'c', image: 'a' }], nodeName: 'a', tolerations };
    await cluster.settle(cluster.client.create('Pod', { metadata: { name: 'p', namespace: 'default' }, spec }));
    await cluster.clock.advance(120_000);
    const body = { spec: { taints: [{ key: 'x', effect: 'NoExecute' }] } };
    await cluster.settle(cluster.client.patch('Node', 'a', { type: 'merge', body }));
    await cluster.clock.advance(50_000);
    expect(await cluster.settle(cluster.pods())).toHaveLength(1);
    await cluster.until(async () => (await cluster.pods()).length === 0, 'the toleration is over', 15);
  });
});

describe('a node that is lost', () => {
  it('is unknown within a second, and its pods are replaced on the others for good', async () => {
    await start();
    await createDeployment(6);
    const before = await untilRunning(6);
    const lost = before.filter((pod) => pod.spec.nodeName === 'b').map(({ metadata }) => metadata.uid);
    expect(lost.length).toBe(2);
    await cluster.clock.advance(15_000);
    await cluster.loseNode('b');
    await cluster.until(
      async () => {
        const node = await cluster.client.get('Node', 'b');
        return node.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'Unknown';
      },
      'Ready=Unknown',
      1,
    );
    await cluster.until(
      async () => {
        const pods = await cluster.pods();
        return pods.length === 6 && running(pods).length === 6 && pods.every((pod) => pod.spec.nodeName !== 'b');
      },
      'six pods on two nodes',
      3,
    );
    const after = (await cluster.settle(cluster.pods())).map(({ metadata }) => metadata.uid);
    expect(after.filter((uid) => lost.includes(uid))).toEqual([]);
  });

  it('only counts as lost when the control plane itself has been up long enough to hear from it', async () => {
    cluster = await new HollowCluster().start('a');
    await cluster.loseNode('a');
    await cluster.clock.advance(4_000);
    const early = await cluster.settle(cluster.client.get('Node', 'a'));
    expect(early.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True');
    await cluster.clock.advance(8_000);
    const late = await cluster.settle(cluster.client.get('Node', 'a'));
    expect(late.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('Unknown');
  });
});
