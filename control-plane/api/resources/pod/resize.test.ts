import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Pod, ResourceRequirements } from '../../../../shared/generated/types.ts';
import { kindNamed } from '../../../../shared/kinds/index.ts';
import { startTestApi, type TestApi } from '../../../../test/support/api-server.ts';
import { asDraft, readyNode } from '../../../../test/support/scheduling.ts';

describe('pods/resize', () => {
  let server: TestApi;
  beforeEach(async () => {
    server = await startTestApi();
    const node = readyNode('n', { cpu: '1', memory: '1Gi' });
    const made = await server.client.create('Node', asDraft(node));
    await server.client.updateStatus('Node', { ...made, status: node.status });
  });
  afterEach(() => server.stop());

  const create = (name: string, resources: ResourceRequirements, more: object = {}) =>
    server.client.create('Pod', {
      metadata: { name, namespace: 'default' },
      spec: { nodeName: 'n', containers: [{ name: 'c', image: 'a', resources, ...more }] },
    });
  const target = (name: string) =>
    ({ entry: kindNamed('Pod'), namespace: 'default', name, subresource: 'resize' }) as const;
  const context = () => ({ identity: { user: 'u', groups: [] }, signal: new AbortController().signal, warnings: [] });
  const resize = async (name: string, resources: ResourceRequirements, more: object = {}): Promise<Pod> => {
    const body = {
      spec: { nodeSelector: { not: 'this' }, containers: [{ name: 'c', image: 'other', resources, ...more }] },
    };
    return (await server.api.patch(context(), target(name), { type: 'strategic', body })).object as Pod;
  };
  const guard = async () => (await server.client.get('NodeGuard', 'n')).metadata.resourceVersion;

  it('changes resources and nothing else, and bumps the guard of the node that it takes from', async () => {
    const made = await create('p', { requests: { cpu: '100m' }, limits: { memory: '64Mi' } });
    const before = await guard();
    const after = await resize('p', { requests: { cpu: '300m' } });
    expect(after.spec).toEqual({
      ...made.spec,
      containers: [
        {
          ...made.spec.containers[0],
          resources: { requests: { cpu: '300m', memory: '64Mi' }, limits: { memory: '64Mi' } },
        },
      ],
    });
    expect(after.metadata.generation).toBe((made.metadata.generation ?? 0) + 1);
    expect(await guard()).not.toBe(before);
    const smaller = await guard();
    await resize('p', { requests: { cpu: '50m' } });
    expect(await guard()).toBe(smaller);
    await expect(
      server.client.patch('Pod', 'p', { type: 'strategic', body: { spec: after.spec } }, { namespace: 'default' }),
    ).rejects.toMatchObject({ reason: 'Invalid' });
  });

  it('never promises a node’s room twice, however many grow at once', async () => {
    for (let i = 0; i < 8; i++) await create(`p${i}`, { requests: { cpu: '100m' } });
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        resize(`p${i}`, { requests: { cpu: '200m' } }).then(
          () => 'grown',
          (error: Error) => error.message,
        ),
      ),
    );
    expect(answers.filter((answer) => answer === 'grown')).toHaveLength(2);
    for (const [i, answer] of answers.entries()) {
      if (answer === 'grown') continue;
      expect(answer).toBe(
        `pods "p${i}" is forbidden: Node didn't have enough resource: cpu, requested: 200, used: 900, capacity: 1000`,
      );
    }
  });

  it.each<[string, ResourceRequirements, ResourceRequirements, string]>([
    [
      'another quality of service',
      { requests: { cpu: '100m' } },
      { limits: { cpu: '100m', memory: '1Mi' }, requests: { memory: '1Mi' } },
      'spec: Invalid value: "Guaranteed": Pod QOS Class may not change as a result of resizing',
    ],
    [
      'a smaller limit of memory as it runs',
      { limits: { memory: '64Mi' }, requests: { cpu: '1m' } },
      { limits: { memory: '32Mi' }, requests: { memory: '32Mi' } },
      'spec.containers[0].resources.limits: Forbidden: memory limits cannot be decreased unless resizePolicy is RestartContainer',
    ],
    [
      'what is neither cpu nor memory',
      { requests: { cpu: '1m' } },
      { requests: { 'ephemeral-storage': '1Gi' } },
      'spec.containers[0].resources: Forbidden: only cpu and memory resources are mutable',
    ],
  ])('refuses %s', async (_what, before, after, why) => {
    await create('p', before);
    await expect(resize('p', after)).rejects.toMatchObject({
      reason: 'Invalid',
      message: `Pod "p" is invalid: ${why}`,
    });
  });
});
