import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../../../test/support/api-server.ts';
import { eventually } from '../../../../test/support/eventually.ts';

describe('a limit range', () => {
  let server: TestApi;
  beforeEach(async () => {
    server = await startTestApi();
  });
  afterEach(() => server.stop());

  async function range(...limits: object[]): Promise<void> {
    const metadata = { name: 'r', namespace: 'default' };
    await server.client.create('LimitRange', { metadata, spec: { limits: limits as never } });
    await eventually(() => server.cache.count('LimitRange', 'default') === 1);
  }
  const create = (...containers: object[]) =>
    server.client.create('Pod', {
      metadata: { name: 'p', namespace: 'default' },
      spec: { containers: containers.map((one, i) => ({ name: `c${i}`, image: 'a', ...one })) },
    });

  it('sets defaults for containers, and an annotation names them', async () => {
    await range({ type: 'Container', default: { cpu: '500m', memory: '1Gi' }, defaultRequest: { cpu: '100m' } });
    const made = await create({}, { resources: { requests: { cpu: '1m' }, limits: { memory: '2Gi' } } });
    expect(made.spec.containers.map(({ resources }) => resources)).toEqual([
      { requests: { cpu: '100m', memory: '1Gi' }, limits: { cpu: '500m', memory: '1Gi' } },
      { requests: { cpu: '1m', memory: '2Gi' }, limits: { cpu: '500m', memory: '2Gi' } },
    ]);
    expect(made.metadata.annotations?.['kubernetes.io/limit-ranger']).toBe(
      'LimitRanger plugin set: cpu, memory request for container c0; cpu, memory limit for container c0; cpu limit for container c1',
    );
  });

  it.each<[string, object, object[], string]>([
    [
      'a request below the least',
      { type: 'Container', min: { cpu: '100m' } },
      [{ resources: { requests: { cpu: '50m' } } }],
      'minimum cpu usage per Container is 100m, but request is 50m',
    ],
    [
      'a limit above the most',
      { type: 'Container', max: { cpu: '1' } },
      [{ resources: { limits: { cpu: '2' } } }],
      'maximum cpu usage per Container is 1, but limit is 2',
    ],
    [
      'what a pod takes in all',
      { type: 'Pod', max: { cpu: '1', memory: '1Gi' } },
      [
        { resources: { limits: { cpu: '600m', memory: '1Mi' } } },
        { resources: { limits: { cpu: '600m', memory: '1Mi' } } },
      ],
      'maximum cpu usage per Pod is 1, but limit is 1200m',
    ],
    [
      'a limit far above the request, and each fault once',
      { type: 'Container', maxLimitRequestRatio: { cpu: '2' }, min: { cpu: '200m' } },
      Array.from({ length: 2 }, () => ({ resources: { requests: { cpu: '100m' }, limits: { cpu: '500m' } } })),
      '[minimum cpu usage per Container is 200m, but request is 100m, cpu max limit to request ratio per Container is 2, but provided ratio is 5.000000]',
    ],
  ])('refuses %s', async (_what, limit, containers, why) => {
    await range(limit);
    await expect(create(...containers)).rejects.toMatchObject({
      reason: 'Forbidden',
      message: `pods "p" is forbidden: ${why}`,
    });
  });
});
