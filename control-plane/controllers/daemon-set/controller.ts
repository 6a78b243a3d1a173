import { isDeepStrictEqual } from 'node:util';
import type { DaemonSet, DaemonSetStatus, Node, Pod } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { keyOf } from '../../../shared/object.ts';
import { selectorOf } from '../../../shared/selector.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { Expectations, unsatisfiedRequeueMs } from '../expectations.ts';
import { ControllerRevisions, revisionHash } from '../history/revisions.ts';
import { FailedBackoff } from '../owned-pods/failed-backoff.ts';
import { OwnedPods } from '../owned-pods/owned-pods.ts';
import { writeStatus } from '../status-patch.ts';
import { nodeEligibility } from './nodes.ts';
import { type DaemonPlan, planDaemonSet } from './plan.ts';
import { daemonPod, revisionLabel, targetNode } from './pod.ts';

/** Keeps one pod of each DaemonSet on each eligible node, and rolls out changes of its template. */
export function createDaemonSetController(deps: ControllerDeps): Controller {
  const { client, informers, clock, events } = deps;
  const daemonSets = informers.of('DaemonSet');
  const nodes = informers.of('Node');
  const expectations = new Expectations(clock);
  const revisions = new ControllerRevisions(deps, expectations);
  const failed = new FailedBackoff(clock);
  const pods = new OwnedPods<DaemonSet>(deps, expectations, {
    kind: 'DaemonSet',
    inNamespace: (namespace) => daemonSets.by('namespace', namespace),
    selectorOf: ({ spec }) => selectorOf(spec.selector),
  });

  function* keysOf(change: Change): Iterable<string> {
    const { kind, key, before, after } = change;
    if (kind === 'DaemonSet') yield key;
    else if (kind === 'Pod') yield* pods.ownersOf(change);
    else if (kind === 'ControllerRevision') yield* revisions.ownersOf('DaemonSet', change);
    else yield* affectedBy(before as Node | undefined, after as Node | undefined);
  }

  /** The DaemonSets for which a node has become eligible, or is no longer. */
  function* affectedBy(before: Node | undefined, after: Node | undefined): Iterable<string> {
    for (const one of daemonSets.values()) {
      const eligibility = nodeEligibility(one);
      const [was, is] = [before, after].map((node) => node && eligibility(node));
      if (!isDeepStrictEqual(was, is)) yield keyOf(one);
    }
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const owner = daemonSets.get(key);
    if (!owner) return undefined;
    if (!expectations.satisfied(key, informers.revision)) return unsatisfiedRequeueMs;
    const { metadata, spec } = owner;
    const everything = selectorOf(spec.selector).requirements.length === 0;
    if (everything) {
      const message = 'This daemon set is selecting all pods. A non-empty selector is required.';
      events.event(owner, 'Warning', 'SelectingAll', message);
      return undefined;
    }
    if (metadata.deletionTimestamp) return undefined;
    const history = await revisions.sync(owner);
    if (history.type === 'collision') {
      const collisionCount = (owner.status?.collisionCount ?? 0) + 1;
      await writeStatus(client, expectations, 'DaemonSet', owner, { ...emptyStatus, ...owner.status, collisionCount });
      return 0;
    }
    const hash = revisionHash(history.current);
    const owned = await pods.claim(owner);
    const backoffKey = (node: string): string => `${metadata.uid}/${metadata.generation}/${node}`;
    const plan = planDaemonSet({
      daemonSet: owner,
      hash,
      nodes: [...nodes.values()],
      pods: owned,
      now: clock.now(),
      failedBackoffMs: (node) => failed.remainingMs(backoffKey(node)),
    });
    for (const pod of plan.delete) replaced(owner, pod, backoffKey);
    const failure = await carryOut(owner, plan, hash, signal);
    await writeStatus(client, expectations, 'DaemonSet', owner, plan.status);
    if (failure) throw failure;
    await revisions.truncate(owner, history.all, liveRevisions(owner, owned, history.current.metadata.name));
    return plan.requeueAfterMs;
  }

  /** Events about pods that ended, which a daemon's should not. */
  function replaced(owner: DaemonSet, pod: Pod, backoffKey: (node: string) => string): void {
    const phase = pod.status?.phase;
    if (phase !== 'Failed' && phase !== 'Succeeded') return;
    const node = targetNode(pod) ?? '';
    if (phase === 'Failed') {
      failed.next(backoffKey(node));
      const message = `Found failed daemon pod ${keyOf(pod)} on node ${node}, will try to kill it`;
      events.event(owner, 'Warning', 'FailedDaemonPod', message);
      return;
    }
    const message = `Found succeeded daemon pod ${keyOf(pod)} on node ${node}, will try to delete it`;
    events.event(owner, 'Normal', 'SucceededDaemonPod', message);
  }

  /** Returns the first failure: the status is written in any case. */
  async function carryOut(owner: DaemonSet, plan: DaemonPlan, hash: string, signal: AbortSignal): Promise<unknown> {
    try {
      const drafts = plan.create.map((node) => daemonPod(owner, node, hash));
      await pods.create(owner, drafts, signal);
      await pods.delete(owner, plan.delete, signal);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  return {
    name: 'daemonset-controller',
    kinds: ['DaemonSet', 'Pod', 'Node', 'ControllerRevision'],
    workers: 2,
    keysOf,
    reconcile,
  };
}

const emptyStatus: DaemonSetStatus = {
  currentNumberScheduled: 0,
  numberMisscheduled: 0,
  desiredNumberScheduled: 0,
  numberReady: 0,
};

/** The names of the revisions that pods still run, with the present one. */
function liveRevisions({ metadata }: DaemonSet, pods: readonly Pod[], current: string): ReadonlySet<string> {
  const live = new Set([current]);
  for (const pod of pods) {
    const hash = pod.metadata.labels?.[revisionLabel];
    if (hash) live.add(`${metadata.name}-${hash}`);
  }
  return live;
}
