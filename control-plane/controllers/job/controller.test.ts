import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Job, JobSpec, Pod, PodStatus } from '../../../shared/generated/types.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createGarbageCollector } from '../garbage-collector/controller.ts';
import { createTtlAfterFinishedController } from '../ttl-after-finished/controller.ts';
import { createJobController } from './controller.ts';

const namespace = 'default';
const tracking = 'batch.kubernetes.io/job-tracking';
const indexKey = 'batch.kubernetes.io/job-completion-index';

let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createJobController, createTtlAfterFinishedController, createGarbageCollector);
});
afterEach(() => room.stop());

const template = (more: object = {}): JobSpec['template'] => ({
  spec: { containers: [{ name: 'main', image: 'some:1' }], restartPolicy: 'Never', ...more },
});

/** Its deletion waits for an agent. */
const placed = template({ nodeName: 'n1' });

async function create(spec: Partial<JobSpec> = {}): Promise<Job> {
  const made = await room.client.create('Job', {
    metadata: { name: 'work', namespace },
    spec: { template: template(), ...spec },
  });
  await room.advance();
  return made;
}
const read = () => room.client.get('Job', 'work', namespace);
const status = async () => (await read()).status ?? {};
const pods = async (): Promise<Pod[]> => (await room.client.list('Pod', { namespace })).items;
const isActive = ({ status, metadata }: Pod) =>
  status?.phase !== 'Succeeded' && status?.phase !== 'Failed' && metadata.deletionTimestamp === undefined;
const active = async () => (await pods()).filter(isActive);
const tracked = async () => (await pods()).filter(({ metadata }) => metadata.finalizers?.includes(tracking));
const condition = async (type: string) => (await status()).conditions?.find((one) => one.type === type);

/** Ends a pod, as its agent would. */
async function end(
  pod: Pod | undefined,
  phase: 'Succeeded' | 'Failed' | 'Running',
  exitCode = 1,
  more: Partial<PodStatus> = {},
) {
  if (!pod) throw new Error('there is no such pod');
  const finishedAt = new Date(room.clock.now()).toISOString();
  const terminated = { exitCode: phase === 'Succeeded' ? 0 : exitCode, finishedAt };
  const containerStatuses = [
    { name: 'main', state: { terminated }, ready: false, restartCount: 0, image: '', imageID: '' },
  ];
  const current = await room.client.get('Pod', pod.metadata.name, namespace);
  await room.client.updateStatus('Pod', {
    ...current,
    status: { ...current.status, phase, containerStatuses, ...more },
  } as Pod);
  await room.advance();
}
/** Ends one active pod. */
const endOne = async (phase: 'Succeeded' | 'Failed', exitCode = 1) => end((await active())[0], phase, exitCode);
const ofIndex = async (index: number) =>
  (await active()).find(({ metadata }) => metadata.annotations?.[indexKey] === `${index}`);
const patchSpec = async (spec: object) => {
  await room.client.patch('Job', 'work', { type: 'merge', body: { spec } }, { namespace });
  await room.advance();
};

describe('a Job', () => {
  it('runs as many pods at once as parallelism says, until completions have succeeded', async () => {
    await create({ completions: 3, parallelism: 2 });
    expect(await active()).toHaveLength(2);
    expect(await status()).toMatchObject({ active: 2, ready: 0, terminating: 0, startTime: expect.any(String) });
    for (const { metadata } of await active()) expect(metadata.finalizers).toEqual([tracking]);
    await endOne('Succeeded');
    expect(await active()).toHaveLength(2);
    expect(await status()).toMatchObject({ active: 2, succeeded: 1, uncountedTerminatedPods: {} });
    await endOne('Succeeded');
    expect(await active()).toHaveLength(1);
    await endOne('Succeeded');
    expect(await status()).toMatchObject({
      succeeded: 3,
      completionTime: expect.any(String),
      ready: 0,
      terminating: 0,
    });
    const types = (await status()).conditions?.map(({ type, reason }) => [type, reason]);
    expect(types).toEqual([
      ['SuccessCriteriaMet', 'CompletionsReached'],
      ['Complete', 'CompletionsReached'],
    ]);
    expect(await tracked()).toEqual([]);
    expect(room.reasons('work')).toEqual(['SuccessfulCreate', 'SuccessfulCreate', 'SuccessfulCreate', 'Completed']);
  });

  it('is complete once its containers have ended, while sidecars are still being stopped', async () => {
    const sidecar = { name: 'log', image: 'some:1', restartPolicy: 'Always' };
    await create({ template: template({ initContainers: [sidecar] }) });
    const running = { ready: true, restartCount: 0, image: '', imageID: '', state: { running: {} } };
    await end((await active())[0], 'Running', 0, { initContainerStatuses: [{ name: 'log', ...running }] });
    expect(await condition('Complete')).toMatchObject({ status: 'True' });
    expect(await status()).toMatchObject({ succeeded: 1 });
    await end((await pods())[0], 'Succeeded');
    expect(await status()).toMatchObject({ succeeded: 1 });
  });

  it('without completions is complete once one pod has succeeded and the others have ended', async () => {
    await create({ parallelism: 2 });
    await endOne('Succeeded');
    expect(await active()).toHaveLength(1);
    expect(await condition('Complete')).toBeUndefined();
    await endOne('Failed');
    expect(await condition('Complete')).toMatchObject({ status: 'True' });
    expect(await status()).toMatchObject({ succeeded: 1, failed: 1 });
  });

  it('replaces failed pods after 10 s, then 20 s, and fails past its backoff limit', async () => {
    await create({ backoffLimit: 2 });
    await endOne('Failed');
    expect(await active()).toHaveLength(0);
    await room.advance(9_000);
    expect(await active()).toHaveLength(0);
    await room.advance(2_000);
    expect(await active()).toHaveLength(1);
    await endOne('Failed');
    await room.advance(18_000);
    expect(await active()).toHaveLength(0);
    await room.advance(3_000);
    expect(await active()).toHaveLength(1);
    await endOne('Failed');
    expect(await status()).toMatchObject({ failed: 3 });
    expect(await condition('FailureTarget')).toMatchObject({ reason: 'BackoffLimitExceeded' });
    expect(await condition('Failed')).toMatchObject({
      reason: 'BackoffLimitExceeded',
      message: 'Job has reached the specified backoff limit',
    });
    expect(await tracked()).toEqual([]);
    expect(room.reasons('work')).toContain('BackoffLimitExceeded');
  });

  it('with restartPolicy OnFailure fails when its containers have restarted as often as the backoff limit says', async () => {
    await create({ backoffLimit: 2, template: template({ restartPolicy: 'OnFailure' }) });
    const [pod] = await active();
    const containerStatuses = [{ name: 'main', restartCount: 2, ready: false, image: '', imageID: '' }];
    await room.client.updateStatus('Pod', {
      ...pod,
      status: { ...pod?.status, phase: 'Running', containerStatuses },
    } as Pod);
    await room.advance();
    expect(await condition('FailureTarget')).toMatchObject({ reason: 'BackoffLimitExceeded' });
    expect(await active()).toHaveLength(0);
  });

  it('deletes its active pods past its deadline, and fails when they have ended', async () => {
    await create({ activeDeadlineSeconds: 30 });
    await room.advance(31_000);
    expect(await active()).toHaveLength(0);
    expect(await condition('Failed')).toMatchObject({
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
    });
    expect(await status()).toMatchObject({ failed: 1 });
    expect(await tracked()).toEqual([]);
  });

  it('deletes its pods while it is suspended, counts none of them, and begins its time anew', async () => {
    await create({ parallelism: 2, completions: 2 });
    const before = (await status()).startTime;
    await patchSpec({ suspend: true });
    expect(await pods()).toEqual([]);
    expect(await condition('Suspended')).toMatchObject({
      status: 'True',
      reason: 'JobSuspended',
      message: 'Job suspended',
    });
    await room.advance(60_000);
    await patchSpec({ suspend: false });
    expect(await condition('Suspended')).toMatchObject({
      status: 'False',
      reason: 'JobResumed',
      message: 'Job resumed',
    });
    expect(await active()).toHaveLength(2);
    const { startTime, failed } = await status();
    expect(Date.parse(startTime ?? '')).toBeGreaterThanOrEqual(Date.parse(before ?? '') + 60_000);
    expect(failed).toBeUndefined();
    expect(room.reasons('work')).toEqual(expect.arrayContaining(['Suspended', 'Resumed']));
  });

  it('that is created suspended has no start time and no pods', async () => {
    await create({ suspend: true });
    expect(await pods()).toEqual([]);
    expect((await status()).startTime).toBeUndefined();
  });

  it('follows changes of parallelism, and counts no pod that it withdraws', async () => {
    await create({ parallelism: 3, completions: 10 });
    await patchSpec({ parallelism: 1 });
    expect(await active()).toHaveLength(1);
    await patchSpec({ parallelism: 4 });
    expect(await active()).toHaveLength(4);
    expect((await status()).failed).toBeUndefined();
  });

  it('with podReplacementPolicy Failed replaces a deleted pod only once it has ended', async () => {
    await create({ podReplacementPolicy: 'Failed', template: placed });
    const [pod] = await active();
    await room.client.delete('Pod', pod?.metadata.name ?? '', { namespace });
    await room.advance(30_000);
    expect(await active()).toHaveLength(0);
    expect(await status()).toMatchObject({ terminating: 1 });
    await end(pod, 'Failed');
    await room.advance(11_000);
    expect(await active()).toHaveLength(1);
    expect(await status()).toMatchObject({ failed: 1, terminating: 0 });
  });

  it('with podReplacementPolicy TerminatingOrFailed counts a pod that is being deleted as failed', async () => {
    await create({ podReplacementPolicy: 'TerminatingOrFailed', template: placed });
    const [pod] = await active();
    await room.client.delete('Pod', pod?.metadata.name ?? '', { namespace });
    await room.advance(11_000);
    expect(await active()).toHaveLength(1);
    expect(await status()).toMatchObject({ failed: 1 });
  });

  it.each(['Failed', 'TerminatingOrFailed'])(
    'with podReplacementPolicy %s counts a pod of a lost node, which is deleted by force, once, and replaces it',
    async (podReplacementPolicy) => {
      await create({ podReplacementPolicy, template: placed });
      const name = (await active())[0]?.metadata.name ?? '';
      await room.client.delete('Pod', name, { namespace });
      await room.client.delete('Pod', name, { namespace, gracePeriodSeconds: 0 });
      await room.advance(11_000);
      expect(await active()).toHaveLength(1);
      expect(await pods()).toHaveLength(1);
      expect(await status()).toMatchObject({ failed: 1, terminating: 0 });
    },
  );

  it('adopts a pod that its selector matches, with the tracking finalizer, and releases one without it', async () => {
    const labels = { app: 'mine' };
    const own = { manualSelector: true, selector: { matchLabels: labels } };
    const { spec } = template();
    await room.client.create('Pod', { metadata: { name: 'orphan', namespace, labels }, spec: spec as Pod['spec'] });
    await create({ ...own, template: { metadata: { labels }, spec } });
    expect((await tracked()).map(({ metadata }) => metadata.name)).toEqual(['orphan']);
    await room.client.patch(
      'Pod',
      'orphan',
      { type: 'merge', body: { metadata: { labels: { app: null } } } },
      { namespace },
    );
    await room.advance();
    const { metadata } = await room.client.get('Pod', 'orphan', namespace);
    expect([metadata.finalizers ?? [], metadata.ownerReferences ?? []]).toEqual([[], []]);
    expect(await tracked()).toHaveLength(1);
  });

  it('with another managedBy is left alone', async () => {
    await create({ managedBy: 'example.com/other' });
    expect(await pods()).toEqual([]);
    expect(await status()).toEqual({});
  });

  it('is deleted with its pods ttlSecondsAfterFinished after its end', async () => {
    await create({ ttlSecondsAfterFinished: 60 });
    await endOne('Succeeded');
    await room.advance(58_000);
    expect(await condition('Complete')).toBeDefined();
    await room.advance(4_000);
    expect((await room.client.list('Job', { namespace })).items).toEqual([]);
    await room.until(async () => (await pods()).length === 0, 'the pods are gone');
  });

  it.each(['Background', 'Foreground'] as const)(
    'that is deleted with %s leaves no pod behind',
    async (propagationPolicy) => {
      await create({ parallelism: 2, completions: 2 });
      await room.client.delete('Job', 'work', { namespace, propagationPolicy });
      await room.until(async () => (await pods()).length === 0, 'the pods are gone');
      await room.until(
        async () => (await room.client.list('Job', { namespace })).items.length === 0,
        'the Job is gone',
      );
    },
  );

  it('that is deleted with Orphan leaves its pods running, without the tracking finalizer', async () => {
    await create({ parallelism: 2, completions: 2 });
    await room.client.delete('Job', 'work', { namespace, propagationPolicy: 'Orphan' });
    await room.until(async () => (await tracked()).length === 0, 'the finalizers are gone');
    expect(await active()).toHaveLength(2);
  });
});

it('a pod whose creation loses its answer is not created again, however late the informers are', async () => {
  await create({ completions: 2, parallelism: 1 });
  let deliver: (() => void) | undefined;
  const match = ({ verb, kind }: { verb: string; kind: string }) => {
    if (verb !== 'create' || kind !== 'Pod') return false;
    deliver = room.braked.watches.hold();
    return true;
  };
  room.braked.writes.fail({ applied: true, match });
  await patchSpec({ parallelism: 2 });
  await room.advance(5_000);
  deliver?.();
  await room.advance(5_000);
  expect(await pods()).toHaveLength(2);
});

it('pods that wait in the status for their finalizer to go are counted once', async () => {
  await create({ completions: 4, parallelism: 2 });
  room.braked.writes.fail({ times: 40, match: ({ verb, kind }) => verb === 'patch' && kind === 'Pod' });
  await endOne('Succeeded');
  await endOne('Succeeded');
  await room.advance(2_000);
  expect((await status()).uncountedTerminatedPods?.succeeded).toHaveLength(2);
  expect(await condition('SuccessCriteriaMet')).toBeUndefined();
  await room.advance(900_000);
  expect(room.reasons('work')).not.toContain('SuccessfulDelete');
  expect(await status()).toMatchObject({ succeeded: 2, active: 2, uncountedTerminatedPods: {} });
});

describe('a pod failure policy', () => {
  const policy = (...rules: NonNullable<JobSpec['podFailurePolicy']>['rules'] & object) => ({
    podFailurePolicy: { rules },
  });

  it('FailJob ends the Job at once', async () => {
    const onExitCodes = { operator: 'In', values: [42] };
    await create({ parallelism: 2, completions: 2, ...policy({ action: 'FailJob', onExitCodes }) });
    const [pod] = await active();
    await end(pod, 'Failed', 42);
    expect(await condition('FailureTarget')).toMatchObject({
      reason: 'PodFailurePolicy',
      message: `Container main for pod default/${pod?.metadata.name} failed with exit code 42 matching FailJob rule at index 0`,
    });
    expect(await active()).toHaveLength(0);
  });

  it('Ignore replaces the pod without counting it', async () => {
    const onPodConditions = [{ type: 'DisruptionTarget', status: 'True' }];
    await create({ backoffLimit: 0, ...policy({ action: 'Ignore', onPodConditions }) });
    await end((await active())[0], 'Failed', 1, { conditions: [{ type: 'DisruptionTarget', status: 'True' }] });
    await room.advance(11_000);
    expect(await active()).toHaveLength(1);
    expect((await status()).failed).toBeUndefined();
    await endOne('Failed', 3);
    expect(await condition('Failed')).toMatchObject({ reason: 'BackoffLimitExceeded' });
  });

  it('FailIndex ends an index without further tries', async () => {
    const onExitCodes = { operator: 'NotIn', values: [1] };
    await create({
      completionMode: 'Indexed',
      completions: 2,
      parallelism: 2,
      backoffLimitPerIndex: 3,
      ...policy({ action: 'FailIndex', onExitCodes }),
    });
    await end(await ofIndex(1), 'Failed', 9);
    expect(await status()).toMatchObject({ failedIndexes: '1', active: 1 });
    await end(await ofIndex(0), 'Succeeded');
    expect(await condition('Failed')).toMatchObject({ reason: 'FailedIndexes', message: 'Job has failed indexes' });
    expect(await status()).toMatchObject({ failedIndexes: '1', completedIndexes: '0', succeeded: 1, failed: 1 });
  });
});

describe('an Indexed Job', () => {
  const indexed = { completionMode: 'Indexed', completions: 3, parallelism: 3 } as const;

  it('gives each pod its index by name, host name, annotation, label and environment', async () => {
    await create({ ...indexed, template: template({ initContainers: [{ name: 'init', image: 'some:1' }] }) });
    const made = await active();
    expect(made.map(({ metadata }) => metadata.annotations?.[indexKey]).sort()).toEqual(['0', '1', '2']);
    for (const { metadata, spec } of made) {
      const index = metadata.annotations?.[indexKey];
      expect(metadata.name).toMatch(new RegExp(`^work-${index}-[a-z0-9]{5}$`));
      expect(metadata.labels?.[indexKey]).toBe(index);
      expect(spec.hostname).toBe(`work-${index}`);
      for (const { env } of [...spec.containers, ...(spec.initContainers ?? [])]) {
        expect(env?.[0]).toMatchObject({
          name: 'JOB_COMPLETION_INDEX',
          valueFrom: { fieldRef: { fieldPath: `metadata.labels['${indexKey}']` } },
        });
      }
    }
  });

  it('completes each index once, and replaces the pod of one that fails', async () => {
    await create(indexed);
    await end(await ofIndex(2), 'Succeeded');
    await end(await ofIndex(0), 'Failed');
    expect(await status()).toMatchObject({ completedIndexes: '2', succeeded: 1, failed: 1 });
    await room.advance(11_000);
    expect((await active()).map(({ metadata }) => metadata.annotations?.[indexKey]).sort()).toEqual(['0', '1']);
    await end(await ofIndex(0), 'Succeeded');
    await end(await ofIndex(1), 'Succeeded');
    expect(await condition('Complete')).toBeDefined();
    expect(await status()).toMatchObject({ completedIndexes: '0-2', succeeded: 3 });
  });

  it('tries each index as often as backoffLimitPerIndex says, each with its own backoff', async () => {
    await create({ ...indexed, backoffLimitPerIndex: 1 });
    await end(await ofIndex(1), 'Failed');
    expect(await ofIndex(1)).toBeUndefined();
    await room.advance(11_000);
    const second = await ofIndex(1);
    expect(second?.metadata.annotations?.['batch.kubernetes.io/job-index-failure-count']).toBe('1');
    await end(second, 'Failed');
    expect(await status()).toMatchObject({ failedIndexes: '1', failed: 2 });
    await room.advance(60_000);
    expect(await ofIndex(1)).toBeUndefined();
    await end(await ofIndex(0), 'Succeeded');
    await end(await ofIndex(2), 'Succeeded');
    expect(await condition('Failed')).toMatchObject({ reason: 'FailedIndexes' });
    expect(await status()).toMatchObject({ completedIndexes: '0,2', failedIndexes: '1' });
  });

  it('fails with more than maxFailedIndexes', async () => {
    await create({ ...indexed, backoffLimitPerIndex: 0, maxFailedIndexes: 1 });
    await end(await ofIndex(0), 'Failed');
    expect(await condition('FailureTarget')).toBeUndefined();
    await end(await ofIndex(1), 'Failed');
    expect(await condition('Failed')).toMatchObject({
      reason: 'MaxFailedIndexesExceeded',
      message: 'Job has exceeded the specified maximal number of failed indexes',
    });
  });

  it('succeeds as its success policy says, and deletes the other pods', async () => {
    await create({ ...indexed, successPolicy: { rules: [{ succeededIndexes: '1-2', succeededCount: 1 }] } });
    await end(await ofIndex(0), 'Succeeded');
    expect(await condition('SuccessCriteriaMet')).toBeUndefined();
    await end(await ofIndex(2), 'Succeeded');
    expect(await condition('SuccessCriteriaMet')).toMatchObject({
      reason: 'SuccessPolicy',
      message: 'Matched rules at index 0',
    });
    expect(await condition('Complete')).toMatchObject({ reason: 'SuccessPolicy' });
    expect(await active()).toHaveLength(0);
    expect(await status()).toMatchObject({ completedIndexes: '0,2', succeeded: 2 });
  });

  it('follows a change of completions together with parallelism', async () => {
    await create(indexed);
    await end(await ofIndex(2), 'Succeeded');
    await patchSpec({ completions: 2, parallelism: 2 });
    expect((await active()).map(({ metadata }) => metadata.annotations?.[indexKey]).sort()).toEqual(['0', '1']);
    expect((await status()).completedIndexes).toBeUndefined();
    await patchSpec({ completions: 4, parallelism: 4 });
    expect(await active()).toHaveLength(4);
  });
});
