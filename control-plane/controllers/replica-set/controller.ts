import { isDeepStrictEqual } from 'node:util';
import { formatTime } from '../../../shared/clock.ts';
import { hasCause, isApiError, messageOf } from '../../../shared/errors.ts';
import type {
  OwnerReference,
  Pod,
  PodTemplateSpec,
  ReplicaSet,
  ReplicaSetCondition,
  ReplicaSetStatus,
  ReplicationController,
} from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { unowned } from '../../../shared/informers.ts';
import { apiVersionOf, kindNamed } from '../../../shared/kinds/index.ts';
import { controllerOf, keyOf } from '../../../shared/object.ts';
import { isPodActive } from '../../../shared/pod.ts';
import { matchesLabels, type Selector, selectorOf, selectorOfMap } from '../../../shared/selector.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { OwnWrites } from '../expectations.ts';
import { mayAdopt } from '../owned-pods/adoption.ts';
import { statusPatch, withoutZeros } from '../status-patch.ts';
import { planReplicas, type ReplicaCounts } from './plan.ts';

/** How many pods one reconciliation makes or removes at the same time. */
const parallel = 16;

type Owner = ReplicaSet | ReplicationController;

/** Keeps as many pods of its template as each ReplicaSet, or ReplicationController, asks for. */
export function createReplicaController(
  kind: 'ReplicaSet' | 'ReplicationController',
  deps: ControllerDeps,
): Controller {
  const { client, informers, clock, events } = deps;
  const owners = informers.of(kind);
  const pods = informers.of('Pod');
  const ownWrites = new OwnWrites(clock);

  function* keysOf({ kind: changed, key, before, after }: Change): Iterable<string> {
    if (changed === kind) {
      yield key;
      return;
    }
    if (changed !== 'Pod') return;
    if (before && !after) ownWrites.gone(before.metadata.uid);
    for (const pod of [before, after]) {
      if (!pod) continue;
      const owner = controllerOf(pod);
      if (owner?.kind === kind) yield `${pod.metadata.namespace}/${owner.name}`;
      else if (!owner) yield* selecting(pod as Pod);
    }
  }

  /** The owners that would adopt an orphan. */
  function* selecting(pod: Pod): Iterable<string> {
    for (const owner of owners.by('namespace', pod.metadata.namespace ?? '')) {
      if (selects(owner, pod)) yield keyOf(owner);
    }
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const owner = owners.get(key);
    if (!owner) return undefined;
    if (!ownWrites.seen(key, informers.revision)) return 20;

    const own = await claim(owner);
    const template = owner.spec.template;
    const plan = planReplicas({
      replicas: owner.spec.replicas ?? 1,
      minReadySeconds: owner.spec.minReadySeconds ?? 0,
      templateLabels: template?.metadata?.labels ?? {},
      pods: own,
      now: clock.now(),
    });
    let failure: unknown;
    if (!owner.metadata.deletionTimestamp) {
      failure = template ? await create(owner, template, plan.create, signal) : undefined;
      failure ??= await remove(owner, plan.delete, signal);
    }
    await writeStatus(owner, plan.counts, failure);
    if (failure) throw failure;
    return plan.lookAgainMs;
  }

  /**
   * The pods that are the owner's: active orphans that match are adopted, active own ones that no longer match are released, both
   * only while the owner lives.
   */
  async function claim(owner: Owner): Promise<Pod[]> {
    const claimed: Pod[] = [];
    const { deletionTimestamp, namespace, uid } = owner.metadata;
    // Of one moment: a pod that changes during a write here would be met again.
    for (const pod of [...pods.by('owner', uid)]) {
      if (ownWrites.isDeleted(pod.metadata.uid)) continue;
      if (selects(owner, pod)) claimed.push(pod);
      else if (!deletionTimestamp && isPodActive(pod)) await setOwners(owner, pod, withoutOwner(pod, owner));
    }
    const orphans = [...pods.by('owner', unowned(namespace))].filter((pod) => isPodActive(pod) && selects(owner, pod));
    if (orphans.length === 0 || !(await mayAdopt(client, kind, owner))) return claimed;
    for (const pod of orphans) {
      const references = [...(pod.metadata.ownerReferences ?? []), referenceTo(owner)];
      claimed.push(await setOwners(owner, pod, references));
    }
    return claimed;
  }

  async function setOwners(owner: Owner, pod: Pod, ownerReferences: OwnerReference[]): Promise<Pod> {
    const { resourceVersion, name, namespace } = pod.metadata;
    const body = { metadata: { resourceVersion, ownerReferences } };
    const changed = await client.patch('Pod', name, { type: 'merge', body }, { namespace });
    ownWrites.wrote(keyOf(owner), changed);
    return changed;
  }

  /** Cuts pods from the template: one, two, four … at a time, so that a template nobody can run fails once, not 500 times. */
  async function create(owner: Owner, template: PodTemplateSpec, count: number, signal: AbortSignal) {
    const { namespace } = owner.metadata;
    let failure: unknown;
    let batch = 1;
    for (let made = 0; made < count && !failure && !signal.aborted; batch = Math.min(batch * 2, parallel)) {
      const size = Math.min(batch, count - made);
      await Promise.all(
        Array.from({ length: size }, async () => {
          try {
            const pod = await client.create('Pod', cutPod(owner, template));
            ownWrites.wrote(keyOf(owner), pod);
            events.event(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
          } catch (error) {
            failure = error;
          }
        }),
      );
      made += size;
    }
    // A namespace that is being emptied takes no more pods: nothing to try again.
    if (hasCause(failure, 'NamespaceTerminating')) return undefined;
    if (failure) {
      const message = `Error creating: ${messageOf(failure)}`;
      events.event(owner, 'Warning', 'FailedCreate', message);
      deps.log.debug({ component: kind, key: `${namespace}/${owner.metadata.name}`, err: message }, 'pod not created');
    }
    return failure;
  }

  async function remove(owner: Owner, victims: readonly Pod[], signal: AbortSignal): Promise<unknown> {
    let failure: unknown;
    for (let start = 0; start < victims.length && !failure && !signal.aborted; start += parallel) {
      await Promise.all(
        victims.slice(start, start + parallel).map(async ({ metadata: { name, namespace, uid } }) => {
          try {
            ownWrites.deleted(uid);
            await client.delete('Pod', name, { namespace, preconditions: { uid } });
            events.event(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
          } catch (error) {
            if (isApiError(error, 'NotFound', 'Conflict')) return;
            ownWrites.gone(uid);
            failure = error;
            events.event(owner, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
          }
        }),
      );
    }
    return failure;
  }

  async function writeStatus(owner: Owner, counts: ReplicaCounts, failure: unknown): Promise<void> {
    const status = nextStatus(owner, counts, failure, formatTime(clock.now()));
    if (isDeepStrictEqual(status, { ...owner.status })) return;
    const { name, namespace, resourceVersion } = owner.metadata;
    const body = { metadata: { resourceVersion }, ...statusPatch(owner.status, status) };
    const written = await client.patch(kind, name, { type: 'merge', body }, { namespace, subresource: 'status' });
    ownWrites.wrote(keyOf(owner), written);
  }

  return { name: `${kind.toLowerCase()}-controller`, kinds: [kind, 'Pod'], workers: 4, keysOf, reconcile };
}

/** A new pod from a template; its name ends by chance. */
export function cutPod(owner: Owner, template: PodTemplateSpec) {
  return {
    metadata: {
      generateName: `${owner.metadata.name}-`,
      namespace: owner.metadata.namespace,
      labels: template.metadata?.labels,
      annotations: template.metadata?.annotations,
      finalizers: template.metadata?.finalizers,
      ownerReferences: [referenceTo(owner)],
    },
    spec: structuredClone(template.spec),
  };
}

function referenceTo(owner: Owner): OwnerReference {
  return {
    apiVersion: apiVersionOf(kindNamed(owner.kind)),
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

function withoutOwner(pod: Pod, owner: Owner): OwnerReference[] {
  return (pod.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner.metadata.uid);
}

function selects(owner: Owner, pod: Pod): boolean {
  return matchesLabels(selectorFor(owner), pod.metadata.labels ?? {});
}

function selectorFor(owner: Owner): Selector {
  return owner.kind === 'ReplicaSet' ? selectorOf(owner.spec.selector) : selectorOfMap(owner.spec.selector ?? {});
}

function nextStatus(owner: Owner, counts: ReplicaCounts, failure: unknown, now: string): ReplicaSetStatus {
  const before: readonly ReplicaSetCondition[] = owner.status?.conditions ?? [];
  const old = before.find((condition) => condition.type === 'ReplicaFailure');
  const conditions = before.filter((condition) => condition !== old);
  if (failure) {
    // The first failure stays told, as in Kubernetes: a refusal names a pod of a new name each time, and to write that would wake this controller at once.
    const message = messageOf(failure);
    conditions.push(
      old ?? { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message, lastTransitionTime: now },
    );
  }
  return {
    ...withoutZeros({ ...owner.status, ...counts }),
    replicas: counts.replicas,
    observedGeneration: owner.metadata.generation,
    ...(conditions.length > 0 || old ? { conditions } : {}),
  };
}
