import type { ControllerRevision, Pod, StatefulSet } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { isPodTerminal } from '../../../shared/pod.ts';
import { matchesLabels, selectorOf } from '../../../shared/selector.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { Expectations, unsatisfiedRequeueMs } from '../expectations.ts';
import { ControllerRevisions, templateOf } from '../history/revisions.ts';
import { claimDependents } from '../owned-pods/claims.ts';
import { FailedBackoff } from '../owned-pods/failed-backoff.ts';
import { OwnedPods } from '../owned-pods/owned-pods.ts';
import { writeStatus } from '../status-patch.ts';
import { isWanted, ordinalOf, revisionOf } from './identity.ts';
import { planStatefulSet } from './plan.ts';
import { StatefulWrites } from './writes.ts';

/** Keeps the pods of each StatefulSet, with stable names and claims, in order, and rolls out changes of its template. */
export function createStatefulSetController(deps: ControllerDeps): Controller {
  const { client, informers, clock, events } = deps;
  const sets = informers.of('StatefulSet');
  const expectations = new Expectations(clock);
  const revisions = new ControllerRevisions(deps, expectations);
  const writes = new StatefulWrites(deps, expectations);
  const ended = new FailedBackoff(clock);
  const pods = new OwnedPods<StatefulSet>(deps, expectations, {
    kind: 'StatefulSet',
    inNamespace: (namespace) => sets.by('namespace', namespace),
    selectorOf: ({ spec }) => selectorOf(spec.selector),
  });

  function* keysOf(change: Change): Iterable<string> {
    const { kind, key, before, after } = change;
    if (kind === 'StatefulSet') yield key;
    else if (kind === 'Pod') {
      yield* pods.ownersOf(change);
      if (before && !after) yield* nameFreed(before.metadata.uid, key);
    } else if (kind === 'ControllerRevision') yield* revisions.ownersOf('StatefulSet', change);
    else if (before && !after) yield* ownersOfClaim(key);
  }

  /** The set that may wait for the name of a deleted pod, also of another owner's. */
  function* nameFreed(uid: string, key: string): Iterable<string> {
    writes.deletionObserved(uid);
    const owner = key.slice(0, key.lastIndexOf('-'));
    if (sets.get(owner)) yield owner;
  }

  /** The sets that may have a claim of this key: TEMPLATE-SET-ORDINAL, where any of the three may have dashes. */
  function* ownersOfClaim(key: string): Iterable<string> {
    const [namespace = '', name = ''] = key.split('/');
    const parts = name.split('-').slice(0, -1);
    for (let start = 1; start < parts.length; start++) {
      const owner = `${namespace}/${parts.slice(start).join('-')}`;
      if (sets.get(owner)) yield owner;
    }
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const set = sets.get(key);
    if (!set) return undefined;
    if (!expectations.satisfied(key, informers.revision)) return unsatisfiedRequeueMs;
    if (set.metadata.deletionTimestamp) return undefined;
    const history = await revisions.sync(set);
    if (history.type === 'collision') {
      const collisionCount = (set.status?.collisionCount ?? 0) + 1;
      await writeStatus(client, expectations, 'StatefulSet', set, {
        replicas: 0,
        availableReplicas: 0,
        ...set.status,
        collisionCount,
      });
      return 0;
    }
    const owned = await claim(set);
    const current = currentRevision(set, owned, history.all) ?? history.current;
    const endedKey = (pod: Pod): string => `${set.metadata.uid}/${set.metadata.generation}/${pod.metadata.name}`;
    const plan = planStatefulSet({
      set,
      currentRevision: current.metadata.name,
      updateRevision: history.current.metadata.name,
      pods: owned,
      now: clock.now(),
      endedBackoffMs: (pod) => ended.remainingMs(endedKey(pod)),
    });
    for (const pod of plan.delete) {
      if (!isPodTerminal(pod) || !isWanted(set, ordinalOf(set, pod) ?? -1)) continue;
      ended.next(endedKey(pod));
      const message = `StatefulSet ${key} is recreating ${pod.status?.phase?.toLowerCase()} Pod ${pod.metadata.name}`;
      events.event(set, 'Warning', 'RecreatingFailedPod', message);
    }
    const templates = new Map([current, history.current].map((one) => [one.metadata.name, templateOf(one)]));
    const failure = await writes.carryOut(set, owned, plan, templates, signal);
    await writeStatus(client, expectations, 'StatefulSet', set, plan.status);
    if (failure) throw failure;
    const live = [current.metadata.name, history.current.metadata.name, ...owned.map(revisionOf)];
    await revisions.truncate(set, history.all, new Set(live.filter((name) => name !== undefined)));
    return plan.requeueAfterMs;
  }

  /** Adopts and releases by selector and by name. A pod that the controller has deleted counts as being deleted until it is gone. */
  async function claim(set: StatefulSet): Promise<Pod[]> {
    const selector = selectorOf(set.spec.selector);
    const claimed = await claimDependents(deps, expectations, 'Pod', {
      owner: set,
      selects: (pod) => matchesLabels(selector, pod.metadata.labels ?? {}) && ordinalOf(set, pod) !== undefined,
      isActive: ({ metadata }) => metadata.deletionTimestamp === undefined,
    });
    return claimed.map((pod) => writes.withDeletion(pod));
  }

  return {
    name: 'statefulset-controller',
    kinds: ['StatefulSet', 'Pod', 'ControllerRevision', 'PersistentVolumeClaim'],
    workers: 4,
    keysOf,
    reconcile,
  };
}

/**
 * The revision that pods had before the update, by the status. Before the first status is written it is the oldest that a pod has:
 * the template may have changed since that pod was created.
 */
function currentRevision(
  { status }: StatefulSet,
  pods: readonly Pod[],
  all: readonly ControllerRevision[],
): ControllerRevision | undefined {
  const used = new Set(pods.map(revisionOf));
  return (
    all.find(({ metadata }) => metadata.name === status?.currentRevision) ??
    all.find(({ metadata }) => used.has(metadata.name))
  );
}
