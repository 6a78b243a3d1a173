import { isDeepStrictEqual } from 'node:util';
import { formatTime } from '../../../shared/clock.ts';
import { hasCause, ignoring, isApiError, messageOf } from '../../../shared/errors.ts';
import type { Deployment, ObjectMeta, OwnerReference, Pod, ReplicaSet } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { unowned } from '../../../shared/informers.ts';
import { controllerOf, keyOf } from '../../../shared/object.ts';
import { isPodTerminal } from '../../../shared/pod.ts';
import { nextRevision } from '../../../shared/revision.ts';
import { matchesLabels, selectorOf } from '../../../shared/selector.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { OwnWrites } from '../expectations.ts';
import { mayAdopt } from '../owned-pods/adoption.ts';
import { statusPatch } from '../status-patch.ts';
import {
  annotations,
  bounds,
  findNext,
  hashLabel,
  initialSize,
  planRollout,
  planScale,
  revisionOf,
  type Sizes,
  sizeOf,
  surplusHistory,
  templateHash,
  total,
  wanted,
  wasResized,
} from './plan.ts';
import { deploymentStatus, isComplete } from './status.ts';

/** Rolls a Deployment's template out over ReplicaSets, one a template, and keeps the old ones as its history. */
export function createDeploymentController(deps: ControllerDeps): Controller {
  const { client, informers, clock, events } = deps;
  const deployments = informers.of('Deployment');
  const replicaSets = informers.of('ReplicaSet');
  const pods = informers.of('Pod');
  const ownWrites = new OwnWrites(clock);

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
    if (!ownWrites.seen(key, informers.revision)) return 20;
    const sets = await claim(deployment);
    const next = findNext(deployment, sets);
    const old = sets.filter((set) => set !== next);
    let created: string | undefined;
    /** The Deployment as it is after the writes of this look. */
    let latest = deployment;
    if (!deployment.metadata.deletionTimestamp) {
      if (next) await passOnAnnotations(deployment, next);
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
    return writeStatus(latest, next, sets, created);
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

  /** The name says which template it is: two controllers, or one that crashed in between, make one ReplicaSet. */
  async function createNext(deployment: Deployment, old: readonly ReplicaSet[]): Promise<ReplicaSet> {
    const hash = templateHash(deployment.spec.template, deployment.status?.collisionCount ?? 0);
    const replicas = initialSize(deployment, 0, total(old, sizeOf));
    const set = cutReplicaSet(deployment, hash, replicas, nextRevision(old.map(revisionOf)));
    try {
      const made = await client.create('ReplicaSet', set);
      ownWrites.wrote(keyOf(deployment), made);
      if (replicas > 0) scaled(deployment, 'up', made.metadata.name, 0, replicas);
      return made;
    } catch (error) {
      const message = `Failed to create new replica set "${set.metadata.name}": ${messageOf(error)}`;
      if (isApiError(error, 'AlreadyExists')) await collide(deployment, set.metadata.name);
      else if (!hasCause(error, 'NamespaceTerminating')) await sayNotCreated(deployment, message);
      throw error;
    }
  }

  /** A quota, say, is full: whoever asks what the rollout waits for is told. */
  async function sayNotCreated(deployment: Deployment, message: string): Promise<void> {
    events.event(deployment, 'Warning', 'ReplicaSetCreateError', message);
    const time = formatTime(clock.now());
    const said = deployment.status?.conditions?.find(({ type }) => type === 'Progressing');
    if (said?.reason === 'ReplicaSetCreateError' && said.message === message) return;
    const condition = {
      ...{ type: 'Progressing', status: 'False', reason: 'ReplicaSetCreateError', message },
      ...{ lastUpdateTime: time, lastTransitionTime: said?.status === 'False' ? said.lastTransitionTime : time },
    };
    const conditions = [...(deployment.status?.conditions ?? []).filter((each) => each !== said), condition];
    const status = { ...deployment.status, conditions };
    ownWrites.wrote(keyOf(deployment), await client.updateStatus('Deployment', { ...deployment, status }));
  }

  /** Another template, or another owner, has the name: the next try hashes with a higher count. */
  async function collide(deployment: Deployment, name: string): Promise<void> {
    const { namespace } = deployment.metadata;
    const there = await client.get('ReplicaSet', name, namespace);
    const ours = controllerOf(there)?.uid === deployment.metadata.uid;
    if (ours && findNext(deployment, [there])) {
      ownWrites.wrote(keyOf(deployment), there);
      return;
    }
    const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 };
    ownWrites.wrote(keyOf(deployment), await client.updateStatus('Deployment', { ...deployment, status }));
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

  /** What a person says of the deployment, the cause of a change above all, stays with the newest ReplicaSet. */
  async function passOnAnnotations(deployment: Deployment, next: ReplicaSet): Promise<void> {
    const there = next.metadata.annotations ?? {};
    const said = Object.entries(inheritedAnnotations(deployment)).filter(([name, value]) => there[name] !== value);
    if (said.length > 0) await patchSet(deployment, next, { annotations: Object.fromEntries(said) });
  }

  async function setRevision(deployment: Deployment, revision: bigint): Promise<Deployment> {
    const { name, namespace, resourceVersion } = deployment.metadata;
    const body = { metadata: { resourceVersion, annotations: { [annotations.revision]: `${revision}` } } };
    const patched = await client.patch('Deployment', name, { type: 'merge', body }, { namespace });
    ownWrites.wrote(keyOf(deployment), patched);
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
    ownWrites.wrote(keyOf(deployment), patched);
  }

  function scaled(deployment: Deployment, way: 'up' | 'down', set: string, from: number, to: number): void {
    events.event(deployment, 'Normal', 'ScalingReplicaSet', `Scaled ${way} replica set ${set} from ${from} to ${to}`);
  }

  /** As with pods: orphans that match are adopted, own ReplicaSets that no longer match are released, while the Deployment lives. */
  async function claim(deployment: Deployment): Promise<ReplicaSet[]> {
    const claimed: ReplicaSet[] = [];
    const { deletionTimestamp, namespace, uid } = deployment.metadata;
    const setOwners = async (set: ReplicaSet, ownerReferences: OwnerReference[]): Promise<ReplicaSet> => {
      const { name, resourceVersion } = set.metadata;
      const body = { metadata: { resourceVersion, ownerReferences } };
      const changed = await client.patch('ReplicaSet', name, { type: 'merge', body }, { namespace });
      ownWrites.wrote(keyOf(deployment), changed);
      return changed;
    };
    for (const set of [...replicaSets.by('owner', uid)]) {
      const { ownerReferences = [] } = set.metadata;
      if (selects(deployment, set)) claimed.push(set);
      else if (!deletionTimestamp && !set.metadata.deletionTimestamp)
        await setOwners(
          set,
          ownerReferences.filter((owner) => owner.uid !== uid),
        );
    }
    const orphans = [...replicaSets.by('owner', unowned(namespace))].filter(
      (set) => selects(deployment, set) && !set.metadata.deletionTimestamp,
    );
    if (orphans.length === 0 || !(await mayAdopt(client, 'Deployment', deployment))) return claimed;
    for (const set of orphans) {
      claimed.push(await setOwners(set, [...(set.metadata.ownerReferences ?? []), referenceTo(deployment)]));
    }
    return claimed;
  }

  async function writeStatus(
    deployment: Deployment,
    next: ReplicaSet | undefined,
    sets: readonly ReplicaSet[],
    created: string | undefined,
  ): Promise<number | undefined> {
    const { status, lookAgainMs } = deploymentStatus({ deployment, next, sets, created, now: clock.now() });
    if (!isDeepStrictEqual(status, deployment.status)) {
      const { name, namespace, resourceVersion } = deployment.metadata;
      const body = { metadata: { resourceVersion }, ...statusPatch(deployment.status, status) };
      const options = { namespace, subresource: 'status' } as const;
      ownWrites.wrote(keyOf(deployment), await client.patch('Deployment', name, { type: 'merge', body }, options));
    }
    return lookAgainMs;
  }

  return { name: 'deployment-controller', kinds: ['Deployment', 'ReplicaSet', 'Pod'], workers: 4, keysOf, reconcile };
}

function cutReplicaSet(deployment: Deployment, hash: string, replicas: number, revision: bigint) {
  const { template, selector, minReadySeconds } = deployment.spec;
  const labels = { ...template.metadata?.labels, [hashLabel]: hash };
  return {
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace,
      labels,
      annotations: {
        ...inheritedAnnotations(deployment),
        ...sizeAnnotations(deployment),
        [annotations.revision]: `${revision}`,
      },
      ownerReferences: [referenceTo(deployment)],
    },
    spec: {
      replicas,
      minReadySeconds,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
      template: structuredClone({ ...template, metadata: { ...template.metadata, labels } as ObjectMeta }),
    },
  };
}

/** Not those that are about the object itself. */
function inheritedAnnotations({ metadata }: Deployment): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata.annotations ?? {}).filter(([name]) => !ownAnnotations.has(name)));
}

const ownAnnotations: ReadonlySet<string> = new Set([
  ...Object.values(annotations),
  'kubectl.kubernetes.io/last-applied-configuration',
]);

function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const max = wanted(deployment) + bounds(deployment).maxSurge;
  return { [annotations.desired]: `${wanted(deployment)}`, [annotations.max]: `${max}` };
}

function referenceTo(deployment: Deployment): OwnerReference {
  const { name, uid } = deployment.metadata;
  return { apiVersion: 'apps/v1', kind: 'Deployment', name, uid, controller: true, blockOwnerDeletion: true };
}

function selects(deployment: Deployment, object: ReplicaSet | Pod): boolean {
  return matchesLabels(selectorOf(deployment.spec.selector), object.metadata.labels ?? {});
}
