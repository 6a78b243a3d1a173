import { formatTime } from '../../../shared/clock.ts';
import { hasCause, ignoring, isApiError, messageOf } from '../../../shared/errors.ts';
import type { Deployment, ReplicaSet } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { controllerOf, keyOf } from '../../../shared/object.ts';
import { isPodTerminal } from '../../../shared/pod.ts';
import { nextRevision } from '../../../shared/revision.ts';
import { matchesLabels, selectorOf } from '../../../shared/selector.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { Expectations, unsatisfiedRequeueMs } from '../expectations.ts';
import { claimDependents } from '../owned-pods/claims.ts';
import { writeStatus } from '../status-patch.ts';
import {
  annotations,
  findNewReplicaSet,
  initialSize,
  planRollout,
  planScale,
  revisionOf,
  type Sizes,
  sizeOf,
  surplusHistory,
  templateHash,
  total,
  wasResized,
} from './plan.ts';
import { inheritedAnnotations, newReplicaSet, sizeAnnotations } from './replica-sets.ts';
import { deploymentStatus, isComplete } from './status.ts';

/** Rolls a Deployment's template out over ReplicaSets, one a template, and keeps the old ones as its history. */
export function createDeploymentController(deps: ControllerDeps): Controller {
  const { client, informers, clock, events } = deps;
  const deployments = informers.of('Deployment');
  const replicaSets = informers.of('ReplicaSet');
  const pods = informers.of('Pod');
  const expectations = new Expectations(clock);

  function* keysOf(change: Change): Iterable<string> {
    if (change.kind === 'Deployment') yield change.key;
    if (change.kind === 'ReplicaSet') {
      for (const set of [change.before, change.after] as Array<ReplicaSet | undefined>) if (set) yield* ofSet(set);
    }
    // Recreate waits for the last old pod to be gone.
    if (change.kind === 'Pod' && !change.after && change.before) {
      const owner = controllerOf(change.before);
      const set = owner && replicaSets.get(`${change.before.metadata.namespace}/${owner.name}`);
      if (set) yield* ofSet(set);
    }
  }

  function* ofSet(set: ReplicaSet): Iterable<string> {
    const owner = controllerOf(set);
    if (owner?.kind === 'Deployment') yield `${set.metadata.namespace}/${owner.name}`;
    if (owner) return;
    for (const one of deployments.by('namespace', set.metadata.namespace ?? ''))
      if (selects(one, set)) yield keyOf(one);
  }

  async function reconcile(key: string): Promise<number | undefined> {
    const deployment = deployments.get(key);
    if (!deployment) return undefined;
    if (!expectations.satisfied(key, informers.revision)) return unsatisfiedRequeueMs;
    const sets = await claimDependents(deps, expectations, 'ReplicaSet', {
      owner: deployment,
      selects: (set) => selects(deployment, set),
      isActive: ({ metadata }) => !metadata.deletionTimestamp,
    });
    const next = findNewReplicaSet(deployment, sets);
    const old = sets.filter((set) => set !== next);
    let created: string | undefined;
    /** The Deployment after the writes of this reconciliation. */
    let latest = deployment;
    if (!deployment.metadata.deletionTimestamp) {
      if (next) await inheritAnnotations(deployment, next);
      if (wasResized(deployment, sets)) await resize(deployment, sets, planScale(deployment, next, old));
      else if (deployment.spec.paused) await resize(deployment, sets, planScale(deployment, next, old));
      else if (next) latest = await rollOut(deployment, next, old);
      else if (mayStart(deployment, old)) {
        const made = await createNext(deployment, old);
        created = made.metadata.name;
        latest = await setRevision(deployment, revisionOf(made));
      } else
        await resize(
          deployment,
          sets,
          new Map(old.filter((set) => sizeOf(set) > 0).map((set) => [set.metadata.name, 0])),
        );
    }
    const { status, requeueAfterMs } = deploymentStatus({ deployment: latest, next, sets, created, now: clock.now() });
    await writeStatus(client, expectations, 'Deployment', latest, status);
    return requeueAfterMs;
  }

  async function rollOut(deployment: Deployment, next: ReplicaSet, old: readonly ReplicaSet[]): Promise<Deployment> {
    const latest = await numberRevision(deployment, next, old);
    if (deployment.spec.strategy?.type === 'Recreate' && !mayStart(deployment, old)) {
      await resize(deployment, old, planRollout(deployment, { ...next, spec: { ...next.spec, replicas: 0 } }, old));
      return latest;
    }
    await resize(deployment, [next, ...old], planRollout(deployment, next, old));
    const counts = {
      replicas: total([next, ...old], (set) => set.status?.replicas ?? 0),
      updatedReplicas: next.status?.replicas ?? 0,
      readyReplicas: next.status?.readyReplicas ?? 0,
      availableReplicas: total([next, ...old], (set) => set.status?.availableReplicas ?? 0),
    };
    if (!isComplete(deployment, counts)) return latest;
    for (const { metadata } of surplusHistory(deployment, old)) {
      const { name, namespace, uid } = metadata;
      await client
        .delete('ReplicaSet', name, { namespace, preconditions: { uid } })
        .catch(ignoring('NotFound', 'Conflict'));
    }
    return latest;
  }

  /** Recreate makes its first new pod when no old one is left; a rolling update may always start. */
  function mayStart(deployment: Deployment, old: readonly ReplicaSet[]): boolean {
    if (deployment.spec.strategy?.type !== 'Recreate') return true;
    return old.every((set) => ![...pods.by('owner', set.metadata.uid)].some((pod) => !isPodTerminal(pod)));
  }

  /** The name is a hash of the template: two controllers, or one that crashed in between, make one ReplicaSet. */
  async function createNext(deployment: Deployment, old: readonly ReplicaSet[]): Promise<ReplicaSet> {
    const hash = templateHash(deployment.spec.template, deployment.status?.collisionCount ?? 0);
    const replicas = initialSize(deployment, 0, total(old, sizeOf));
    const set = newReplicaSet(deployment, hash, replicas, nextRevision(old.map(revisionOf)));
    try {
      const made = await client.create('ReplicaSet', set);
      expectations.expect(keyOf(deployment), made);
      if (replicas > 0) scaled(deployment, 'up', made.metadata.name, 0, replicas);
      return made;
    } catch (error) {
      const message = `Failed to create new replica set "${set.metadata.name}": ${messageOf(error)}`;
      if (isApiError(error, 'AlreadyExists')) await collide(deployment, set.metadata.name);
      else if (!hasCause(error, 'NamespaceTerminating')) await reportCreateFailure(deployment, message);
      throw error;
    }
  }

  /** The condition Progressing shows why a rollout does not start, such as an exceeded quota. */
  async function reportCreateFailure(deployment: Deployment, message: string): Promise<void> {
    events.event(deployment, 'Warning', 'ReplicaSetCreateError', message);
    const time = formatTime(clock.now());
    const before = deployment.status?.conditions?.find(({ type }) => type === 'Progressing');
    if (before?.reason === 'ReplicaSetCreateError' && before.message === message) return;
    const condition = {
      type: 'Progressing',
      status: 'False',
      reason: 'ReplicaSetCreateError',
      message,
      lastUpdateTime: time,
      lastTransitionTime: before?.status === 'False' ? before.lastTransitionTime : time,
    };
    const conditions = [...(deployment.status?.conditions ?? []).filter((each) => each !== before), condition];
    const status = { ...deployment.status, conditions };
    expectations.expect(keyOf(deployment), await client.updateStatus('Deployment', { ...deployment, status }));
  }

  /** Another template or another owner has the name: the next attempt hashes with a higher collision count. */
  async function collide(deployment: Deployment, name: string): Promise<void> {
    const { namespace } = deployment.metadata;
    const present = await client.get('ReplicaSet', name, namespace);
    const isOurs = controllerOf(present)?.uid === deployment.metadata.uid;
    if (isOurs && findNewReplicaSet(deployment, [present])) {
      expectations.expect(keyOf(deployment), present);
      return;
    }
    const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 };
    expectations.expect(keyOf(deployment), await client.updateStatus('Deployment', { ...deployment, status }));
  }

  /** A template that comes back, by a rollback, becomes the newest revision again. */
  async function numberRevision(
    deployment: Deployment,
    next: ReplicaSet,
    old: readonly ReplicaSet[],
  ): Promise<Deployment> {
    const after = nextRevision(old.map(revisionOf));
    const own = revisionOf(next);
    const isNewest = own >= after;
    const revision = isNewest ? own : after;
    if (!isNewest) await patchSet(deployment, next, { annotations: { [annotations.revision]: `${revision}` } });
    return revision === revisionOf(deployment) ? deployment : setRevision(deployment, revision);
  }

  /** Annotations such as kubernetes.io/change-cause are copied to the new ReplicaSet: `rollout history` shows them. */
  async function inheritAnnotations(deployment: Deployment, next: ReplicaSet): Promise<void> {
    const present = next.metadata.annotations ?? {};
    const changed = Object.entries(inheritedAnnotations(deployment)).filter(([name, value]) => present[name] !== value);
    if (changed.length > 0) await patchSet(deployment, next, { annotations: Object.fromEntries(changed) });
  }

  async function setRevision(deployment: Deployment, revision: bigint): Promise<Deployment> {
    const { name, namespace, resourceVersion } = deployment.metadata;
    const body = { metadata: { resourceVersion, annotations: { [annotations.revision]: `${revision}` } } };
    const patched = await client.patch('Deployment', name, { type: 'merge', body }, { namespace });
    expectations.expect(keyOf(deployment), patched);
    return patched;
  }

  async function resize(deployment: Deployment, sets: readonly ReplicaSet[], sizes: Sizes): Promise<void> {
    const resized = wasResized(deployment, sets);
    for (const set of sets) {
      const size = sizes.get(set.metadata.name);
      const before = sizeOf(set);
      if (size === undefined && !(resized && before > 0)) continue;
      await patchSet(deployment, set, { annotations: sizeAnnotations(deployment) }, size);
      if (size === undefined) continue;
      scaled(deployment, size > before ? 'up' : 'down', set.metadata.name, before, size);
    }
  }

  async function patchSet(deployment: Deployment, set: ReplicaSet, metadata: object, replicas?: number): Promise<void> {
    const { name, namespace } = set.metadata;
    const body = { metadata, ...(replicas === undefined ? {} : { spec: { replicas } }) };
    const patched = await client.patch('ReplicaSet', name, { type: 'merge', body }, { namespace });
    expectations.expect(keyOf(deployment), patched);
  }

  function scaled(deployment: Deployment, way: 'up' | 'down', set: string, from: number, to: number): void {
    events.event(deployment, 'Normal', 'ScalingReplicaSet', `Scaled ${way} replica set ${set} from ${from} to ${to}`);
  }

  return { name: 'deployment-controller', kinds: ['Deployment', 'ReplicaSet', 'Pod'], workers: 4, keysOf, reconcile };
}

function selects({ spec }: Deployment, { metadata }: ReplicaSet): boolean {
  return matchesLabels(selectorOf(spec.selector), metadata.labels ?? {});
}
