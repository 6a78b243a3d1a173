import { formatTime } from '../../../shared/clock.ts';
import type { PodTemplateSpec, ReplicaSet, ReplicationController } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { type Selector, selectorOf, selectorOfMap } from '../../../shared/selector.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { Expectations, unsatisfiedRequeueMs } from '../expectations.ts';
import { OwnedPods, type PodDraft, podFromTemplate } from '../owned-pods/owned-pods.ts';
import { writeStatus } from '../status-patch.ts';
import { planReplicas, type ReplicaPlan } from './plan.ts';
import { replicaStatus } from './status.ts';

type Owner = ReplicaSet | ReplicationController;

/** Keeps as many pods of its template as each ReplicaSet, or ReplicationController, wants. */
export function createReplicaController(
  kind: 'ReplicaSet' | 'ReplicationController',
  deps: ControllerDeps,
): Controller {
  const { client, informers, clock } = deps;
  const owners = informers.of(kind);
  const expectations = new Expectations(clock);
  const pods = new OwnedPods<Owner>(deps, expectations, {
    kind,
    inNamespace: (namespace) => owners.by('namespace', namespace),
    selectorOf: podSelector,
  });

  function* keysOf(change: Change): Iterable<string> {
    if (change.kind === kind) yield change.key;
    else yield* pods.ownersOf(change);
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const owner = owners.get(key);
    if (!owner) return undefined;
    if (!expectations.satisfied(key, informers.revision)) return unsatisfiedRequeueMs;

    const plan = planReplicas({
      replicas: owner.spec.replicas ?? 1,
      minReadySeconds: owner.spec.minReadySeconds ?? 0,
      templateLabels: owner.spec.template?.metadata?.labels ?? {},
      pods: await pods.claim(owner),
      now: clock.now(),
    });
    const failure = owner.metadata.deletionTimestamp ? undefined : await carryOut(owner, plan, signal);
    const status = replicaStatus(owner, plan.counts, failure, formatTime(clock.now()));
    await writeStatus(client, expectations, kind, owner, status);
    if (failure) throw failure;
    return plan.requeueAfterMs;
  }

  /** Returns the first failure: it belongs into the status. */
  async function carryOut(owner: Owner, plan: ReplicaPlan, signal: AbortSignal): Promise<unknown> {
    const { template } = owner.spec;
    try {
      if (template) await pods.create(owner, copies(owner, template, plan.create), signal);
      await pods.delete(owner, plan.delete, signal);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  return { name: `${kind.toLowerCase()}-controller`, kinds: [kind, 'Pod'], workers: 4, keysOf, reconcile };
}

function podSelector(owner: Owner): Selector {
  return owner.kind === 'ReplicaSet' ? selectorOf(owner.spec.selector) : selectorOfMap(owner.spec.selector ?? {});
}

function copies(owner: Owner, template: PodTemplateSpec, count: number): PodDraft[] {
  return Array.from({ length: count }, () => podFromTemplate(owner, template));
}
