import { describe, expect, it } from 'vitest';
import type { PodDisruptionBudget } from '../../shared/generated/types.ts';
import type { PodInfo } from '../../shared/scheduling/node-info.ts';
import { Budgets } from './budgets.ts';

function budget(
  name: string,
  app: string,
  disruptionsAllowed?: number,
  more: { namespace?: string; disrupted?: string[] } = {},
): PodDisruptionBudget {
  const disruptedPods = Object.fromEntries((more.disrupted ?? []).map((pod) => [pod, '2026-01-01T00:00:00Z']));
  return {
    metadata: { name, namespace: more.namespace ?? 'default' },
    spec: { selector: { matchLabels: { app } } },
    ...(disruptionsAllowed === undefined ? {} : { status: { disruptionsAllowed, disruptedPods } }),
  } as unknown as PodDisruptionBudget;
}

function pod(name: string, app: string, more: { namespace?: string; deleting?: boolean } = {}): PodInfo {
  const { namespace = 'default', deleting = false } = more;
  return { key: `${namespace}/${name}`, deleting, shape: { namespace, labels: { app } } } as unknown as PodInfo;
}

function budgetsOf(...all: PodDisruptionBudget[]): Budgets {
  const budgets = new Budgets();
  for (const one of all) budgets.set(one);
  return budgets;
}

const names = (pods: Iterable<PodInfo>): string[] => [...pods].map(({ key }) => key.slice(key.indexOf('/') + 1));

describe('disruption budgets', () => {
  const [a, b, c] = [pod('a', 'db'), pod('b', 'db'), pod('c', 'db')];

  it('are violated by pods beyond the allowed number, in the order of the pods', () => {
    expect(names(budgetsOf(budget('one', 'db', 2)).violating([a, b, c], []))).toEqual(['c']);
    expect(names(budgetsOf(budget('one', 'db', 3)).violating([a, b, c], []))).toEqual([]);
  });

  it('allow nothing before the disruption controller has set their status', () => {
    expect(names(budgetsOf(budget('one', 'db')).violating([a], []))).toEqual(['a']);
  });

  it('do not apply to pods that they do not select, or of another namespace', () => {
    const budgets = budgetsOf(budget('one', 'db', 0), budget('two', 'web', 0, { namespace: 'other' }));
    const pods = [pod('a', 'web'), pod('b', 'db', { namespace: 'other' }), pod('c', 'db', { namespace: 'third' })];
    expect(names(budgets.violating(pods, []))).toEqual([]);
    expect(names(budgets.violating([pod('x', 'web', { namespace: 'other' }), ...pods], []))).toEqual(['x']);
  });

  it('count pending evictions before the candidates', () => {
    const budgets = budgetsOf(budget('one', 'db', 2));
    expect(names(budgets.violating([b, c], [a]))).toEqual(['c']);
  });

  it('count a pending eviction once, also when it is a candidate', () => {
    expect(names(budgetsOf(budget('one', 'db', 1)).violating([a], [a]))).toEqual([]);
    expect(names(budgetsOf(budget('one', 'db', 1)).violating([a, b], [a]))).toEqual(['b']);
  });

  it('count pods that are being deleted neither as under way nor as violating: the controller has counted them', () => {
    const going = pod('going', 'db', { deleting: true });
    const budgets = budgetsOf(budget('one', 'db', 1));
    expect(names(budgets.violating([a], [going]))).toEqual([]);
    expect(names(budgetsOf(budget('one', 'db', 0)).violating([going], []))).toEqual([]);
  });

  it('count no pod again whose eviction the API has granted', () => {
    const budgets = budgetsOf(budget('one', 'db', 1, { disrupted: ['a', 'x'] }));
    expect(names(budgets.violating([a, b], []))).toEqual([]);
    expect(names(budgets.violating([a, b, c], []))).toEqual(['c']);
  });

  it('are violated by a pod of two budgets when only the second does not allow it', () => {
    const budgets = budgetsOf(budget('one', 'db', 5), budget('two', 'db', 1));
    expect(names(budgets.violating([a, b], []))).toEqual(['b']);
    const other = budgetsOf(budget('one', 'db', 1), budget('two', 'db', 5));
    expect(names(other.violating([a, b], []))).toEqual(['b']);
  });

  it('are replaced by their newest state', () => {
    const budgets = budgetsOf(budget('one', 'db', 0));
    budgets.set(budget('one', 'db', 1));
    expect(names(budgets.violating([a], []))).toEqual([]);
    budgets.set(budget('one', 'web', 0));
    expect(names(budgets.violating([a, pod('w', 'web')], []))).toEqual(['w']);
  });

  it('guard nothing once they are removed, and leave the others of their namespace', () => {
    const budgets = budgetsOf(budget('one', 'db', 0), budget('two', 'web', 0));
    budgets.remove('default/one');
    expect(names(budgets.violating([a, pod('w', 'web')], []))).toEqual(['w']);
    budgets.remove('default/two');
    budgets.remove('default/two');
    expect(names(budgets.violating([a, pod('w', 'web')], []))).toEqual([]);
    budgets.set(budget('one', 'db', 0));
    expect(names(budgets.violating([a], []))).toEqual(['a']);
  });
});
