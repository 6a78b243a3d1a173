import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isApiError } from '../../shared/errors.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { isPodReady } from '../../shared/pod.ts';
import { HollowCluster } from '../support/hollow-cluster.ts';

describe('a disruption budget', () => {
  let cluster: HollowCluster;
  beforeEach(async () => {
    cluster = await new HollowCluster().start('a', 'b');
  });
  afterEach(() => cluster.stop());

  const { labels, namespace } = { labels: { app: 'web' }, namespace: 'default' };
  const status = async () => (await cluster.client.get('PodDisruptionBudget', 'b', namespace)).status;

  async function start(spec: object, replicas = 4): Promise<Pod[]> {
    await cluster.settle(
      cluster.client.create('Deployment', {
        metadata: { name: 'web', namespace },
        spec: {
          replicas,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'a' }] } },
        } as never,
      }),
    );
    await cluster.settle(
      cluster.client.create('PodDisruptionBudget', {
        metadata: { name: 'b', namespace },
        spec: { selector: { matchLabels: labels }, ...spec },
      }),
    );
    await cluster.until(async () => ready(await cluster.pods()).length === replicas, 'all pods are ready');
    await cluster.until(async () => (await status())?.currentHealthy === replicas, 'they are counted');
    return cluster.settle(cluster.pods());
  }

  const ready = (pods: readonly Pod[]) => pods.filter((pod) => isPodReady(pod) && !pod.metadata.deletionTimestamp);
  const evict = (pod: Pod) =>
    cluster.client.evict(pod).then(
      () => 'evicted',
      (error) => {
        if (!isApiError(error, 'TooManyRequests')) throw error;
        expect(error.message).toBe("Cannot evict pod as it would violate the pod's disruption budget.");
        expect(error.details.causes?.[0]?.reason).toBe('DisruptionBudget');
        return error.details.causes?.[0]?.message;
      },
    );

  it('allows as many evictions at once as documented, and gives the reason for refusing more', async () => {
    const pods = await start({ minAvailable: 3 });
    expect(await status()).toMatchObject({
      disruptionsAllowed: 1,
      currentHealthy: 4,
      desiredHealthy: 3,
      expectedPods: 4,
      conditions: [{ type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods' }],
    });
    const answers = await cluster.settle(Promise.all(pods.map(evict)));
    expect(answers.filter((answer) => answer === 'evicted')).toHaveLength(1);
    // Before the controller has counted anew, and after it.
    for (const answer of answers.filter((one) => one !== 'evicted')) {
      expect(answer).toMatch(/^The disruption budget b (does not allow|needs 3 healthy pods and has 3 currently$)/);
    }
  });

  it('allows more once the evicted are replaced', async () => {
    await start({ maxUnavailable: '25%' });
    for (let i = 0; i < 3; i++) {
      await cluster.until(async () => (await status())?.disruptionsAllowed === 1, 'one may go');
      const [pod] = ready(await cluster.settle(cluster.pods()));
      expect(pod && (await cluster.settle(evict(pod)))).toBe('evicted');
    }
  });

  it('allows none when what its pods should be can not be known', async () => {
    await start({ minAvailable: '50%' });
    const [first] = await cluster.settle(cluster.pods());
    const owner = { apiVersion: 'example.com/v1', kind: 'Thing', name: 't', uid: 'u', controller: true };
    await cluster.settle(
      cluster.client.create('Pod', {
        metadata: { name: 'odd', namespace, labels, ownerReferences: [owner] },
        spec: { containers: [{ name: 'c', image: 'a' }] },
      }),
    );
    await cluster.until(async () => (await status())?.disruptionsAllowed === 0, 'it knows');
    expect(first && (await cluster.settle(evict(first)))).toBe(
      'The disruption budget b does not allow evicting pods currently because it failed sync: found no controllers for pod "odd"',
    );
  });
});
