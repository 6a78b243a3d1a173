import { isDeepStrictEqual } from 'node:util';
import type { Kind, Pod } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { controllerOf, type KubeObject, keyOf } from '../../../shared/object.ts';
import { matchesLabels, selectorOf } from '../../../shared/selector.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { planDisruptions, type ScaleOf } from './plan.ts';

/** The owners of pods with a desired number of replicas. */
const scalable: readonly Kind[] = ['Deployment', 'ReplicaSet', 'ReplicationController', 'StatefulSet'];

/**
 * Computes what each disruption budget allows. The status is stored only on the version of the budget that it was computed from: an
 * eviction that was granted since causes a conflict.
 */
export function createDisruptionController(deps: ControllerDeps): Controller {
  const { client, informers, clock, events } = deps;
  const budgets = informers.of('PodDisruptionBudget');

  function* keysOf({ kind, key, before, after }: Change): Iterable<string> {
    if (kind === 'PodDisruptionBudget') {
      if (after) yield key;
      return;
    }
    const namespace = (after ?? before)?.metadata.namespace ?? '';
    const isPod = kind === 'Pod';
    if (!isPod && replicasOf(before) === replicasOf(after)) return;
    for (const budget of budgets.by('namespace', namespace)) {
      const selector = selectorOf(budget.spec.selector);
      const isSelected = [before, after].some((pod) => pod && matchesLabels(selector, pod.metadata.labels));
      if (!isPod || isSelected) yield keyOf(budget);
    }
  }

  async function reconcile(key: string): Promise<number | undefined> {
    const budget = budgets.get(key);
    if (!budget) return undefined;
    const selector = selectorOf(budget.spec.selector);
    const all = informers.of('Pod').by('namespace', budget.metadata.namespace ?? '');
    const pods = [...all].filter((pod) => matchesLabels(selector, pod.metadata.labels));
    const now = clock.now();
    const { status, again, failure } = planDisruptions(budget, pods, scaleOf, now);
    if (pods.length === 0) events.event(budget, 'Normal', 'NoPods', 'No matching pods found');
    if (failure) {
      const message = `Failed to calculate the number of expected pods: ${failure}`;
      events.event(budget, 'Warning', 'CalculateExpectedPodCountFailed', message);
    }
    if (!isDeepStrictEqual(plain(status), plain(budget.status))) {
      await client.updateStatus('PodDisruptionBudget', { ...budget, status });
    }
    return again === undefined ? undefined : Math.max(0, again - now);
  }

  const scaleOf: ScaleOf = (pod: Pod) => {
    const owner = ownerOf(pod);
    // A ReplicaSet of a Deployment is one of several: the Deployment's replicas count.
    const top = owner && (ownerOf(owner) ?? owner);
    const replicas = replicasOf(top);
    if (!top || replicas === undefined) return `found no controllers for pod ${JSON.stringify(pod.metadata.name)}`;
    return { uid: top.metadata.uid, replicas };
  };

  function ownerOf(object: KubeObject): KubeObject | undefined {
    const owner = controllerOf(object);
    const kind = scalable.find((one) => one === owner?.kind);
    if (!owner || !kind) return undefined;
    const found: KubeObject | undefined = informers.of(kind).get(`${object.metadata.namespace}/${owner.name}`);
    return found?.metadata.uid === owner.uid ? found : undefined;
  }

  return {
    name: 'disruption-controller',
    kinds: ['PodDisruptionBudget', 'Pod', ...scalable],
    workers: 2,
    keysOf,
    reconcile,
  };
}

function replicasOf(object: KubeObject | undefined): number | undefined {
  return (object as { spec?: { replicas?: number } } | undefined)?.spec?.replicas;
}

/** Without fields of the value undefined. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
