import { describe, expect, it } from 'vitest';
import { World, walk } from '../history.ts';
import { missing } from './convergence.ts';
import { deleted, deployed, managedBy, Story, unready } from './story.ts';

const counts = { replicas: 2, readyReplicas: 2, availableReplicas: 2 };
const readyNode = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };

/** A converged cluster of one node, with a Deployment of two pods, a budget and a quota. */
function converged(): Story {
  const story = deployed(new Story(), 2, {}).put('Node', 'n', readyNode);
  const template = { spec: { containers: [{ image: 'a' }] } };
  story.put('Deployment', 'default/web', {
    metadata: { generation: 1 },
    spec: { replicas: 2, template },
    status: { ...counts, updatedReplicas: 2, observedGeneration: 1 },
  });
  const status = { ...counts, observedGeneration: 1 };
  story.put('ReplicaSet', 'default/web-1', { metadata: { generation: 1 }, spec: { replicas: 2, template }, status });
  story.put('PodDisruptionBudget', 'default/web', {
    spec: { selector: { matchLabels: { app: 'web' } }, minAvailable: 1 },
    status: { currentHealthy: 2, desiredHealthy: 1, disruptionsAllowed: 1, expectedPods: 2 },
  });
  return story.put('ResourceQuota', 'default/q', { spec: { hard: { pods: '9' } }, status: { used: { pods: '2' } } });
}

function left(
  story: Story,
  looks = [{ at: 0, node: 'n', sandboxes: ['web-1-0', 'web-1-1'], running: [] as never[] }],
): string[] {
  let world = new World();
  for (const step of walk(story)) world = step.world;
  return missing(world, looks);
}

describe('what is missing until a cluster has converged', () => {
  it('is nothing when all is as it is asked for', () => {
    expect(left(converged())).toEqual([]);
  });

  it.each<[string, (story: Story) => Story]>([
    ['a node that is not ready', (story) => story.put('Node', 'n', { status: {} })],
    ['a node with a taint', (story) => story.put('Node', 'n', { spec: { taints: [{}] } })],
    ['a pod that is not ready', (story) => story.put('Pod', 'default/web-1-0', { status: unready })],
    ['a pod that is being deleted', (story) => story.put('Pod', 'default/web-1-0', deleted)],
    ['a pod too many', (story) => story.put('Pod', 'default/web-1-2', { metadata: managedBy('web-1') })],
    [
      'counts of a ReplicaSet',
      (story) => story.put('ReplicaSet', 'default/web-1', { status: { observedGeneration: 1 } }),
    ],
    ['an unseen ReplicaSet', (story) => story.put('ReplicaSet', 'default/web-1', { metadata: { generation: 2 } })],
    ['an unseen Deployment', (story) => story.put('Deployment', 'default/web', { metadata: { generation: 2 } })],
    [
      'counts of a Deployment',
      (story) => story.put('Deployment', 'default/web', { status: { observedGeneration: 1 } }),
    ],
    [
      'a rollout',
      (story) =>
        story.put('Deployment', 'default/web', {
          spec: { replicas: 2, template: { spec: { containers: [{ image: 'b' }] } } },
        }),
    ],
    [
      'counts of a budget',
      (story) => story.put('PodDisruptionBudget', 'default/web', { status: { currentHealthy: 2 } }),
    ],
    ['the use of a quota', (story) => story.put('ResourceQuota', 'default/q', { status: { used: { pods: '1' } } })],
    ['an object without an owner', (story) => story.put('ConfigMap', 'default/m', { metadata: managedBy('none') })],
    ['a pod that has not ended', (story) => story.put('Pod', 'other/e', { metadata: { labels: { ends: 'true' } } })],
  ])('is %s', (_what, change) => {
    expect(left(change(converged()))).not.toEqual([]);
  });

  it('is what an engine holds and should not, and what it should run and does not', () => {
    const look = { at: 0, node: 'n', sandboxes: ['gone'], running: [] as never[] };
    expect(left(converged(), [look])).toEqual(['n still holds pod gone']);
    const one = { spec: { nodeName: 'n', containers: [{ name: 'main' }] } };
    const story = converged().put('Pod', 'default/web-1-0', one);
    expect(left(story)).toEqual(['n runs 0 containers of pod web-1-0 instead of 1']);
  });
});
