import { describe, expect, it } from 'vitest';
import { ModelPod, podOf, start } from '../../test/support/model-pod.ts';
import { resourcesLabel, resourcesText } from './resources.ts';

describe('the memory', () => {
  it('takes a running container that is gone for one that ended unknown, once', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
    model.settle();
    model.containers = [];
    model.plan();
    const exits = model.memory.containers.a0?.exits;
    expect(exits).toHaveLength(1);
    expect(exits?.[0]).toMatchObject({ exitCode: 137, reason: 'ContainerStatusUnknown' });
    expect(model.settle()).toBe(true);
    expect(model.running()).toEqual(['a0']);
  });

  it('knows what a container was given as it ran, until it ends', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
    model.settle();
    const [made] = model.containers;
    const [spec] = model.pod.spec.containers;
    if (!made || !spec) throw new Error('there is no container');
    model.containers = [{ ...made, labels: { ...made.labels, [resourcesLabel]: resourcesText(spec) } }];
    const resized = { ...spec, resources: { requests: { cpu: '200m' } } };
    model.pod = { ...model.pod, spec: { ...model.pod.spec, containers: [resized] } };
    const resources = 'cpu=200m/,memory=/';
    expect(model.plan()).toEqual([
      { action: 'updateContainer', container: 'a0', id: made.id, from: 'cpu=/,memory=/', resources },
    ]);
    const { a0 } = model.memory.containers;
    if (a0) model.memory = { ...model.memory, containers: { a0: { ...a0, resized: { id: made.id, resources } } } };
    expect(model.plan()).toEqual([]);
    const resizePolicy = [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' as const }];
    const back = { ...resized, resources: { requests: { cpu: '100m' } }, resizePolicy };
    model.pod = { ...model.pod, spec: { ...model.pod.spec, containers: [back] } };
    expect(model.plan()).toMatchObject([{ action: 'stopContainer', why: 'Container a0 resize requires restart' }]);
    model.endOf('a0', 143);
    model.plan();
    expect(model.memory.containers.a0?.resized).toBeUndefined();
  });

  it('is the same object when there is nothing new', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 2, policy: 'Always' }));
    model.settle();
    const before = model.memory;
    model.plan();
    expect(model.memory).toBe(before);
  });

  it('forgets crashes after ten minutes of running', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
    const sandbox = model.addSandbox(0);
    for (const attempt of [0, 1, 2, 3]) model.addContainer('a0', sandbox.id, 'exited', attempt, 1);
    model.plan();
    expect(model.memory.containers.a0?.crashes).toBe(4);
    model.addContainer('a0', sandbox.id, 'exited', 4, 1);
    model.containers = model.containers.map((each) =>
      each.attempt === 4 ? { ...each, startedAt: start - 600_001 } : each,
    );
    model.plan();
    expect(model.memory.containers.a0?.crashes).toBe(1);
  });
});
