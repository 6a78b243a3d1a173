import { isDeepStrictEqual } from 'node:util';
import { isApiError } from '../../../shared/errors.ts';
import type { Job, JobStatus, Pod } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { controllerOf, keyOf } from '../../../shared/object.ts';
import { selectorOf } from '../../../shared/selector.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { Expectations, unsatisfiedRequeueMs } from '../expectations.ts';
import { inBatches } from '../owned-pods/in-batches.ts';
import { OwnedPods } from '../owned-pods/owned-pods.ts';
import { type RecentFailures, recentFailures } from './backoff.ts';
import { isFinished } from './outcome.ts';
import { type JobPlan, planJob } from './plan.ts';
import { podDraft } from './pod-draft.ts';
import { isTracked, type JobPod, jobPod, trackingFinalizer } from './pods.ts';
import { isTrue, jobStatus, podCounts } from './status.ts';

/** Before the key of a pod that has the tracking finalizer and no Job. */
const orphanPrefix = 'orphan/';

/** The `managedBy` of Jobs that this controller runs. */
const ownName = 'kubernetes.io/job-controller';

/** Runs the pods of each Job until enough have succeeded or too many have failed, and counts each of them once. */
export function createJobController(deps: ControllerDeps): Controller {
  const { client, informers, clock, events } = deps;
  const jobs = informers.of('Job');
  const allPods = informers.of('Pod');
  const expectations = new Expectations(clock);
  // Deleted pods stay visible until their finalizer is gone: they count as terminating, not as absent.
  const deletions = new Expectations(clock);
  const failures = new Map<string, RecentFailures>();
  const pods = new OwnedPods<Job>(deps, expectations, {
    kind: 'Job',
    finalizer: trackingFinalizer,
    deletions,
    inNamespace: (namespace) => jobs.by('namespace', namespace),
    selectorOf: ({ spec }) => selectorOf(spec.selector),
  });

  function* keysOf(change: Change): Iterable<string> {
    const { kind, key, before, after } = change;
    if (kind === 'Job') {
      yield key;
      if (after) return;
      if (before) failures.delete(before.metadata.uid);
      for (const pod of allPods.by('owner', before?.metadata.uid ?? '')) yield `${orphanPrefix}${keyOf(pod)}`;
      return;
    }
    if (before && after?.metadata.deletionTimestamp) deletions.deletionObserved(before.metadata.uid);
    yield* pods.ownersOf(change);
    if (after && isTracked(after as Pod) && !jobOf(after as Pod)) yield `${orphanPrefix}${key}`;
  }

  /** The Job that controls a pod; undefined when it is gone. */
  function jobOf(pod: Pod): Job | undefined {
    const owner = controllerOf(pod);
    const job = owner?.kind === 'Job' ? jobs.get(`${pod.metadata.namespace}/${owner.name}`) : undefined;
    return job?.metadata.uid === owner?.uid ? job : undefined;
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    if (key.startsWith(orphanPrefix)) return releaseOrphan(key.slice(orphanPrefix.length));
    const job = jobs.get(key);
    if (!job || (job.spec.managedBy ?? ownName) !== ownName) return undefined;
    if (!expectations.satisfied(key, informers.revision)) return unsatisfiedRequeueMs;
    const owned = await ownedPods(job);
    if (isFinished(job)) return cleanUp(job, owned, signal);
    const recent = recentFailures(failures.get(job.metadata.uid) ?? new Map(), owned);
    failures.set(job.metadata.uid, recent);
    const plan = planJob({ job, pods: owned, failures: recent, now: clock.now() });

    const failure = await changePods(job, plan, signal);
    const created = failure === undefined ? plan.create.length : 0;
    const status = jobStatus(job, plan, podCounts(owned, plan, created), clock.now());
    const current = await writeStatus(job, status);
    if (failure !== undefined) throw failure;
    await deletePods(current, plan.stop, signal);
    await release(current, plan.counting.release, signal);
    return plan.requeueAfterMs;
  }

  /** All pods that the Job controls, after adoption and release; one that has ended stays the Job's whatever its labels. */
  async function ownedPods(job: Job): Promise<JobPod[]> {
    const claimed = await pods.claim(job);
    const known = new Set(claimed.map(({ metadata }) => metadata.uid));
    const others = [...allPods.by('owner', job.metadata.uid)].filter(
      (pod) => !known.has(pod.metadata.uid) && (isTracked(pod) || pod.metadata.deletionTimestamp !== undefined),
    );
    return [...claimed, ...others].map((pod) => jobPod(job, pod, (uid) => deletions.isDeletionExpected(uid)));
  }

  /** Returns the first failure: the status is written in any case. */
  async function changePods(job: Job, plan: JobPlan, signal: AbortSignal): Promise<unknown> {
    try {
      const drafts = plan.create.map((wanted) => podDraft(job, wanted));
      await pods.create(job, drafts, signal);
      const tracked = plan.withdraw.filter((one) => one.tracked);
      // Only as it is known: a pod that has ended in the meantime is to be counted.
      await inBatches(tracked, ({ pod }) => removeFinalizer(pod, pod.metadata.resourceVersion, job), signal);
      await deletePods(job, plan.withdraw, signal);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** A finished Job has no active pods, and none waits for it. */
  async function cleanUp(job: Job, owned: readonly JobPod[], signal: AbortSignal): Promise<undefined> {
    failures.delete(job.metadata.uid);
    const active = owned.filter(({ state }) => state === 'active');
    await deletePods(job, active, signal);
    await release(
      job,
      owned.filter(({ tracked }) => tracked),
      signal,
    );
  }

  function deletePods(job: Job, doomed: readonly JobPod[], signal: AbortSignal): Promise<void> {
    return pods.delete(
      job,
      doomed.map(({ pod }) => pod),
      signal,
    );
  }

  async function release(job: Job, counted: readonly JobPod[], signal: AbortSignal): Promise<void> {
    await inBatches(counted, ({ pod }) => removeFinalizer(pod, undefined, job), signal);
  }

  /** With a `resourceVersion`: Conflict when the pod has changed since. A pod that is gone needs nothing. */
  async function removeFinalizer({ metadata }: Pod, resourceVersion: string | undefined, job?: Job): Promise<void> {
    const { name, namespace, uid } = metadata;
    const version = resourceVersion === undefined ? {} : { resourceVersion };
    const body = { metadata: { uid, ...version, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] } };
    try {
      const changed = await client.patch('Pod', name, { type: 'strategic', body }, { namespace });
      if (job) expectations.expect(keyOf(job), changed);
    } catch (error) {
      const replaced = isApiError(error, 'Conflict') && allPods.get(keyOf({ metadata }))?.metadata.uid !== uid;
      if (!isApiError(error, 'NotFound') && !replaced) throw error;
    }
  }

  /** A pod with the tracking finalizer whose Job is gone must not wait for it. */
  async function releaseOrphan(key: string): Promise<undefined> {
    const pod = allPods.get(key);
    if (pod && isTracked(pod) && !jobOf(pod)) await removeFinalizer(pod, undefined);
  }

  /** Resolves with the Job as it is then. Rejects with Conflict when it has changed: the plan may be wrong. */
  async function writeStatus(job: Job, status: JobStatus): Promise<Job> {
    if (isDeepStrictEqual(status, job.status)) return job;
    const written = await client.updateStatus('Job', { ...job, status });
    expectations.expect(keyOf(job), written);
    report(job, status);
    return written;
  }

  /** Events about what the status says for the first time. */
  function report(job: Job, { conditions, succeeded = 0 }: JobStatus): void {
    const before = job.status?.conditions;
    const became = (type: string): boolean => !isTrue(before, type) && isTrue(conditions, type);
    if (became('Suspended')) events.event(job, 'Normal', 'Suspended', 'Job suspended');
    if (isTrue(before, 'Suspended') && !isTrue(conditions, 'Suspended')) {
      events.event(job, 'Normal', 'Resumed', 'Job resumed');
    }
    if (became('Complete')) {
      if (succeeded > (job.spec.completions ?? succeeded)) {
        const message = 'Too many succeeded pods running after completion count reached';
        events.event(job, 'Warning', 'TooManySucceededPods', message);
      }
      events.event(job, 'Normal', 'Completed', 'Job completed');
    }
    if (became('Failed')) {
      const { reason = '', message = '' } = conditions?.find(({ type }) => type === 'Failed') ?? {};
      events.event(job, 'Warning', reason, message);
    }
  }

  return { name: 'job-controller', kinds: ['Job', 'Pod'], workers: 5, keysOf, reconcile };
}
