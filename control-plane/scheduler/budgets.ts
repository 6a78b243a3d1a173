import type { PodDisruptionBudget } from '../../shared/generated/types.ts';
import { keyOf, splitKey } from '../../shared/object.ts';
import type { PodInfo } from '../../shared/scheduling/node-info.ts';
import { matchesLabels, type Selector, selectorOf } from '../../shared/selector.ts';

interface Budget {
  readonly selector: Selector;
  readonly allowed: number;
  /** Names of pods whose eviction the API has counted already. */
  readonly counted: ReadonlySet<string>;
}

/** The allowed disruptions of each namespace's budgets, for the choice of preemption victims. */
export class Budgets {
  readonly #namespaces = new Map<string, Map<string, Budget>>();

  set(budget: PodDisruptionBudget): void {
    const { namespace = '' } = budget.metadata;
    const { disruptionsAllowed = 0, disruptedPods = {} } = budget.status ?? {};
    const budgets = this.#namespaces.get(namespace) ?? new Map<string, Budget>();
    this.#namespaces.set(namespace, budgets);
    budgets.set(keyOf(budget), {
      selector: selectorOf(budget.spec.selector),
      allowed: disruptionsAllowed,
      counted: new Set(Object.keys(disruptedPods)),
    });
  }

  remove(key: string): void {
    const { namespace } = splitKey(key);
    const budgets = this.#namespaces.get(namespace);
    if (budgets?.delete(key) && budgets.size === 0) this.#namespaces.delete(namespace);
  }

  /**
   * Those of `pods` whose removal violates a budget, once `evicting` and the pods before them in the list are removed. Terminating pods are
   * already counted by the disruption controller.
   */
  violating(pods: readonly PodInfo[], evicting: Iterable<PodInfo>): Set<PodInfo> {
    const violating = new Set<PodInfo>();
    if (!pods.some(({ shape }) => this.#namespaces.has(shape.namespace))) return violating;
    const left = new Map<Budget, number>();
    const going = new Set(evicting);
    for (const pod of going) this.#take(pod, left);
    for (const pod of pods) if (!going.has(pod) && !this.#take(pod, left)) violating.add(pod);
    return violating;
  }

  /** Returns whether every budget of the pod allows it. */
  #take({ key, shape, deleting }: PodInfo, left: Map<Budget, number>): boolean {
    let allowed = true;
    if (deleting) return allowed;
    const { name } = splitKey(key);
    for (const budget of this.#namespaces.get(shape.namespace)?.values() ?? []) {
      if (budget.counted.has(name) || !matchesLabels(budget.selector, shape.labels)) continue;
      const after = (left.get(budget) ?? budget.allowed) - 1;
      left.set(budget, after);
      if (after < 0) allowed = false;
    }
    return allowed;
  }
}
