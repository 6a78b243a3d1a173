import { afterEach, describe, expect, it } from 'vitest';
import { imageOf, labels, running, template, WebCluster } from '../support/web-cluster.ts';

let cluster: WebCluster;

afterEach(() => cluster.stop());

async function start(...nodes: string[]): Promise<void> {
  cluster = await new WebCluster().start(...(nodes.length > 0 ? nodes : ['a', 'b', 'c']));
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
    const [victim] = await cluster.untilRunning(3);
    await cluster.settle(cluster.client.delete('Pod', victim?.metadata.name ?? '', { namespace: 'default' }));
    const pods = await cluster.untilRunning(3);
    expect(pods.map((pod) => pod.metadata.uid)).not.toContain(victim?.metadata.uid);
    await cluster.settle(
      cluster.client.patch(
        'ReplicationController',
        'rc',
        { type: 'merge', body: { spec: { replicas: 1 } } },
        { namespace: 'default' },
      ),
    );
    await cluster.untilRunning(1);
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
    const pods = await cluster.untilRunning(2);
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
    await cluster.createDeployment(50);
    await cluster.untilRunning(50);
    expect(most).toBe(50);
  });
});

describe('a Deployment', () => {
  it('rolls a new template out within its bounds, and back again as the newest revision', async () => {
    await start();
    await cluster.createDeployment(6, {
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 2, maxUnavailable: 1 } },
    });
    await cluster.untilRunning(6);
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
    await cluster.untilRunning(6, 'web:2');
    expect(most).toBeLessThanOrEqual(8);
    expect(fewest).toBeGreaterThanOrEqual(5);
    await patch('Deployment', 'web', { spec: { template: template('web:1') } });
    await cluster.untilRunning(6, 'web:1');
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
    await cluster.createDeployment(1);
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
    await cluster.createDeployment(4, { strategy: { type: 'Recreate' } });
    await cluster.untilRunning(4);
    let mixed = false;
    cluster.controlPlane.informers.onChange(() => {
      mixed ||= new Set([...cluster.controlPlane.informers.of('Pod').values()].map(imageOf)).size > 1;
    });
    await patch('Deployment', 'web', { spec: { template: template('web:2') } });
    await cluster.untilRunning(4, 'web:2');
    expect(mixed).toBe(false);
  });

  it('without progress gets its condition after its deadline', async () => {
    await start();
    await cluster.createDeployment(2, { progressDeadlineSeconds: 30 });
    await cluster.untilRunning(2);
    cluster.kubelets = false;
    await patch('Deployment', 'web', { spec: { template: template('web:2') } });
    await cluster.until(async () => {
      const { status } = await cluster.client.get('Deployment', 'web', 'default');
      return status?.conditions?.find(({ type }) => type === 'Progressing')?.reason === 'ProgressDeadlineExceeded';
    }, 'ProgressDeadlineExceeded');
  });

  it('keeps no more revisions than its limit', async () => {
    await start();
    await cluster.createDeployment(1, { revisionHistoryLimit: 1 });
    await cluster.untilRunning(1);
    for (const version of [2, 3, 4]) {
      await patch('Deployment', 'web', { spec: { template: template(`web:${version}`) } });
      await cluster.untilRunning(1, `web:${version}`);
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
    await cluster.createDeployment(2);
    const before = await cluster.untilRunning(2);
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

describe('a NoExecute taint that a person set, without a date', () => {
  it('sends a pod away when its toleration is over, and not at once', async () => {
    await start('a');
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
    await cluster.createDeployment(6);
    const before = await cluster.untilRunning(6);
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
    await start('a');
    await cluster.loseNode('a');
    await cluster.clock.advance(4_000);
    const early = await cluster.settle(cluster.client.get('Node', 'a'));
    expect(early.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True');
    await cluster.clock.advance(8_000);
    const late = await cluster.settle(cluster.client.get('Node', 'a'));
    expect(late.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('Unknown');
  });
});
