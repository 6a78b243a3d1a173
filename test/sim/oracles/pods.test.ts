import { describe, expect, it } from 'vitest';
import { evictionsWithinBudgets } from './budgets.ts';
import { noMoreReplicasThanWanted } from './replicas.ts';
import { rolloutsWithinBounds } from './rollouts.ts';
import { deleted, deployed, managedBy, ready, Story, sized, unready } from './story.ts';

/** Longer than any view may be behind. */
const longMs = 60_000;
const pod = (story: Story, key: string, owner: string, how = {}) =>
  story.put('Pod', key, { metadata: managedBy(owner) }, how);

describe('the oracle of replicas', () => {
  const set = (replicas: number) => ({ spec: { replicas } });

  it.each(['ReplicaSet', 'ReplicationController'] as const)('sees a pod more than a %s wants', (kind) => {
    const story = new Story().put(kind, 'default/set', set(2));
    pod(pod(story, 'default/a', 'set'), 'default/b', 'set').later(longMs);
    expect(noMoreReplicasThanWanted(story)).toEqual([]);
    expect(noMoreReplicasThanWanted(pod(story, 'default/c', 'set'))).toHaveLength(1);
  });

  it('does not count pods that have ended, or are being deleted: they are replaced', () => {
    const story = pod(new Story().put('ReplicaSet', 'default/set', set(1)), 'default/a', 'set');
    pod(story.put('Pod', 'default/a', { status: { phase: 'Failed' } }).later(longMs), 'default/b', 'set');
    pod(story.put('Pod', 'default/b', deleted), 'default/c', 'set');
    expect(noMoreReplicasThanWanted(story)).toEqual([]);
  });

  it('excuses what was wanted a moment ago, and no longer', () => {
    const story = new Story()
      .put('ReplicaSet', 'default/set', set(1))
      .later(longMs)
      .put('ReplicaSet', 'default/set', set(0));
    expect(noMoreReplicasThanWanted(pod(story.later(1_000), 'default/a', 'set'))).toEqual([]);
    const late = new Story()
      .put('ReplicaSet', 'default/set', set(1))
      .later(longMs)
      .put('ReplicaSet', 'default/set', set(0));
    expect(noMoreReplicasThanWanted(pod(late.later(longMs), 'default/a', 'set'))).toHaveLength(1);
  });

  it('excuses one pod for each creation whose answer was lost a moment ago', () => {
    const story = new Story().put('ReplicaSet', 'default/set', set(1)).later(longMs);
    pod(pod(story, 'default/a', 'set', { unanswered: true }), 'default/b', 'set');
    expect(noMoreReplicasThanWanted(story)).toEqual([]);
    expect(noMoreReplicasThanWanted(pod(story, 'default/c', 'set'))).toHaveLength(1);
  });
});

describe('the oracle of rollouts', () => {
  const rolling = (maxSurge: unknown, maxUnavailable: unknown) => ({ rollingUpdate: { maxSurge, maxUnavailable } });
  const grown = (strategy: object, size: number) => {
    const story = deployed(new Story(), 7, strategy).later(longMs);
    return rolloutsWithinBounds(sized(story, 'web-2', size, 0));
  };
  /** Takes healthy pods away one by one until the oracle complains; gives how many it let go. */
  const taken = (strategy: object) => {
    const story = deployed(new Story(), 7, strategy).later(longMs);
    for (let i = 0; i < 7; i++) {
      if (rolloutsWithinBounds(story.put('Pod', `default/web-1-${i}`, deleted)).length > 0) return i;
    }
    return 7;
  };

  it.each([
    ['2', rolling(2, 0), 2],
    ['25 % of 7, rounded up', rolling('25%', 0), 2],
    ['25 % of 7 by default', {}, 2],
    ['none', rolling(0, 1), 0],
  ])('lets a new ReplicaSet grow by maxSurge, %s, and sees one more', (_what, strategy, surge) => {
    expect(grown(strategy, surge)).toEqual([]);
    expect(grown(strategy, surge + 1)).toHaveLength(1);
  });

  it.each([
    ['2', rolling(1, 2), 2],
    ['25 % of 7, rounded down', rolling(1, '25%'), 1],
    ['25 % of 7 by default', {}, 1],
    ['none', rolling(1, 0), 0],
    ['one when surge is none as well', rolling(0, '10%'), 1],
  ])('lets maxUnavailable pods be taken, %s, and sees one more', (_what, strategy, unavailable) => {
    expect(taken(strategy)).toBe(unavailable);
  });

  it('takes what a user deleted, or a node lost, for a loss that the rollout could not know of yet, and no longer', () => {
    const lossy = () => deployed(new Story(), 7, rolling(1, 1)).later(longMs);
    const known = lossy().ask({ kind: 'Pod', key: 'default/web-1-0', verb: 'delete', uid: 'web-1-0' });
    known.put('Pod', 'default/web-1-0', deleted).put('Pod', 'default/web-1-1', { status: unready });
    expect(rolloutsWithinBounds(known.put('Pod', 'default/web-1-2', deleted))).toEqual([]);
    expect(rolloutsWithinBounds(known.later(longMs).put('Pod', 'default/web-1-3', deleted))).toHaveLength(1);
    const tainted = lossy().put('Node', 'n', { spec: { taints: [{ key: 'node.kubernetes.io/unreachable' }] } });
    expect(rolloutsWithinBounds(tainted.put('Pod', 'default/web-1-0', deleted))).toEqual([]);
  });

  it('goes by the present size: a Deployment that was scaled down may be smaller', () => {
    const story = deployed(new Story(), 7, rolling(1, 0)).later(longMs);
    story.put('Deployment', 'default/web', { spec: { replicas: 6, strategy: rolling(1, 0) } });
    expect(rolloutsWithinBounds(story.put('Pod', 'default/web-1-0', deleted))).toEqual([]);
    expect(rolloutsWithinBounds(story.put('Pod', 'default/web-1-1', deleted))).toHaveLength(1);
  });

  it('sees a Recreate that makes new pods before the last old one has ended', () => {
    const story = deployed(new Story(), 1, { type: 'Recreate' }).later(longMs);
    story.put('ReplicaSet', 'default/web-1', { spec: { replicas: 0 } }).put('Pod', 'default/web-1-0', deleted);
    expect(rolloutsWithinBounds(sized(story, 'web-2', 1, 0))).toEqual([expect.stringContaining('older template')]);
    const patient = deployed(new Story(), 1, { type: 'Recreate' }).later(longMs);
    patient.put('ReplicaSet', 'default/web-1', { spec: { replicas: 0 } }).remove('Pod', 'default/web-1-0');
    expect(rolloutsWithinBounds(sized(patient, 'web-2', 1, 0))).toEqual([]);
  });
});

describe('the oracle of budgets', () => {
  const budgeted = (spec: object) => {
    const story = deployed(new Story(), 7, {});
    const selector = { matchLabels: { app: 'web' } };
    return story.put('PodDisruptionBudget', 'default/web', { spec: { selector, ...spec } }).later(longMs);
  };
  const evict = (story: Story, index: number) => {
    const key = `default/web-1-${index}`;
    story.ask({ kind: 'Pod', key, verb: 'evict', uid: `web-1-${index}` });
    return story.step([story.change('Pod', key, deleted), story.change('PodDisruptionBudget', 'default/web')]);
  };
  /** Evicts until the oracle complains; gives how many it let go. */
  const evicted = (story: Story, from = 0) => {
    for (let i = from; i < 7; i++) if (evictionsWithinBudgets(evict(story, i)).length > 0) return i - from;
    return 7 - from;
  };

  it.each([
    ['minAvailable 5', { minAvailable: 5 }, 2],
    ['minAvailable 50 % of 7, rounded up', { minAvailable: '50%' }, 3],
    ['maxUnavailable 1', { maxUnavailable: 1 }, 1],
    ['maxUnavailable 30 % of 7, rounded up', { maxUnavailable: '30%' }, 3],
    ['maxUnavailable 0', { maxUnavailable: 0 }, 0],
  ])('allows what %s allows, and reports one more', (_what, spec, allowed) => {
    expect(evicted(budgeted(spec))).toBe(allowed);
  });

  it('counts pods that have become unhealthy, once the budget must know of them', () => {
    const story = () => budgeted({ minAvailable: 5 }).put('Pod', 'default/web-1-0', { status: unready });
    expect(evicted(story().later(longMs), 1)).toBe(1);
    expect(evicted(story().later(1_000), 1)).toBe(2);
  });

  it('lets unhealthy pods be evicted, and pods of other labels', () => {
    const story = budgeted({ minAvailable: 7 }).put('Pod', 'default/other', { status: ready });
    story.ask({ kind: 'Pod', key: 'default/other', verb: 'evict', uid: 'other' }).put('Pod', 'default/other', deleted);
    expect(evictionsWithinBudgets(story)).toEqual([]);
  });

  it('sees an eviction that took nothing from its budget', () => {
    const story = budgeted({ minAvailable: 7 });
    story
      .ask({ kind: 'Pod', key: 'default/web-1-0', verb: 'evict', uid: 'web-1-0' })
      .put('Pod', 'default/web-1-0', deleted);
    expect(evictionsWithinBudgets(story)).toHaveLength(1);
  });
});
