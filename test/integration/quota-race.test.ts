import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createQuotaController } from '../../control-plane/controllers/resource-quota/controller.ts';
import { isApiError } from '../../shared/errors.ts';
import { seededRandom } from '../../shared/random.ts';
import { startTestApi, type TestApi } from '../support/api-server.ts';
import { startControllers } from '../support/controllers.ts';
import { hasEtcd, startTestEtcd, type TestEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';

/** Two API servers on one etcd, and one quota controller. */
describe.skipIf(!hasEtcd())('a quota', () => {
  let etcd: TestEtcd;
  const planes: TestApi[] = [];
  let stopControllers: (() => Promise<void>) | undefined;

  beforeAll(async () => {
    etcd = await startTestEtcd();
    for (let i = 0; i < 2; i++) planes.push(await startTestApi({ store: etcd.open() }));
    stopControllers = await startControllers(plane(0).client, createQuotaController);
  }, 30_000);

  afterAll(async () => {
    await stopControllers?.();
    for (const one of planes) await one.stop();
    await etcd?.cleanup();
  });

  const plane = (i: number): TestApi => {
    const one = planes[i];
    if (!one) throw new Error('the control plane is not there');
    return one;
  };

  const used = async (namespace: string) =>
    (await plane(0).client.get('ResourceQuota', 'q', namespace)).status?.used ?? {};

  async function makeQuota(namespace: string, hard: Record<string, string>): Promise<void> {
    await plane(0).client.create('Namespace', { metadata: { name: namespace } });
    await plane(0).client.create('ResourceQuota', { metadata: { name: 'q', namespace }, spec: { hard } });
    const counted = Object.keys(hard).sort();
    await eventually(async () => expect(Object.keys(await used(namespace)).sort()).toEqual(counted));
    await Promise.all(planes.map(({ client }) => client.get('ResourceQuota', 'q', namespace)));
  }

  const pod = (name: string, namespace: string) => ({
    metadata: { name, namespace },
    spec: { containers: [{ name: 'app', image: 'app:1', resources: { requests: { cpu: '100m' } } }] },
  });

  it('of 20 places gives out exactly 20 to 50 creates at once over two servers', { timeout: 60_000 }, async () => {
    for (let round = 0; round < 3; round++) {
      const namespace = `race-${round}`;
      await makeQuota(namespace, { pods: '20', 'requests.cpu': '10' });
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          plane(i % 2)
            .client.create('Pod', pod(`p${i}`, namespace))
            .then(() => 'made')
            .catch((error: unknown) => {
              if (!isApiError(error, 'Forbidden')) throw error;
              return error.message;
            }),
        ),
      );
      expect(answers.filter((answer) => answer === 'made')).toHaveLength(20);
      const refusals = answers.flatMap((answer, i) => (answer === 'made' ? [] : [[i, answer] as const]));
      for (const [i, message] of refusals) {
        expect(message).toBe(
          `pods "p${i}" is forbidden: exceeded quota: q, requested: pods=1, used: pods=20, limited: pods=20`,
        );
      }
      expect((await plane(1).client.list('Pod', { namespace })).items).toHaveLength(20);
      expect(await used(namespace)).toEqual({ pods: '20', 'requests.cpu': '2' });
    }
  });

  it('never holds more than its bound while places are taken and given back', { timeout: 60_000 }, async () => {
    const namespace = 'churn';
    await makeQuota(namespace, { pods: '5' });
    const random = seededRandom(7);
    let most = 0;
    const worker = async (id: number): Promise<void> => {
      const { client } = plane(id % 2);
      for (let i = 0; i < 25; i++) {
        const name = `p${id}-${i}`;
        const made = await client.create('Pod', pod(name, namespace)).then(
          () => true,
          (error) => {
            if (!isApiError(error, 'Forbidden')) throw error;
            return false;
          },
        );
        most = Math.max(most, (await client.list('Pod', { namespace })).items.length);
        if (made && (random.bytes(1)[0] ?? 0) < 230) await client.delete('Pod', name, { namespace });
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, id) => worker(id)));
    expect(most).toBeLessThanOrEqual(5);
    await eventually(async () => {
      const { items } = await plane(0).client.list('Pod', { namespace });
      return expect(await used(namespace)).toEqual({ pods: String(items.length) });
    });
  });

  it('is free again when what it counts has gone or ended, and counts what was there before it', async () => {
    const namespace = 'count';
    const { client } = plane(0);
    await client.create('Namespace', { metadata: { name: namespace } });
    await client.create('ConfigMap', { metadata: { name: 'early', namespace } });
    await client.create('ResourceQuota', {
      metadata: { name: 'q', namespace },
      spec: { hard: { pods: '1', 'count/configmaps': '2' } },
    });
    await eventually(async () => expect(await used(namespace)).toEqual({ pods: '0', 'count/configmaps': '1' }));
    const made = await client.create('Pod', pod('one', namespace));
    await client.create('ConfigMap', { metadata: { name: 'late', namespace } });
    await expect(client.create('ConfigMap', { metadata: { name: 'third', namespace } })).rejects.toMatchObject({
      reason: 'Forbidden',
      message:
        'configmaps "third" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=2, limited: count/configmaps=2',
    });
    await expect(client.create('Pod', pod('two', namespace), { dryRun: true })).rejects.toMatchObject({
      reason: 'Forbidden',
    });
    await client.updateStatus('Pod', { ...made, status: { ...made.status, phase: 'Succeeded' } });
    await eventually(async () => expect(await used(namespace)).toEqual({ pods: '0', 'count/configmaps': '2' }));
    await client.create('Pod', pod('two', namespace));
  });
});
