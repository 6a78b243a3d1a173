import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CronJob, Job } from '../../../shared/generated/types.ts';
import { controllerOf } from '../../../shared/object.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createCronJobController } from './controller.ts';

const namespace = 'default';
const minute = 60_000;
const template = {
  metadata: { labels: { app: 'tick' }, annotations: { a: 'b' } },
  spec: { template: { spec: { restartPolicy: 'Never' as const, containers: [{ name: 'main', image: 'some:1' }] } } },
};

let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createCronJobController);
});
afterEach(() => room.stop());

async function create(spec: object = {}): Promise<CronJob> {
  const made = await room.client.create('CronJob', {
    metadata: { name: 'c', namespace },
    spec: { schedule: '*/5 * * * *', jobTemplate: template, ...spec } as CronJob['spec'],
  });
  await room.advance();
  return made;
}
const read = () => room.client.get('CronJob', 'c', namespace);
const jobs = async (): Promise<Job[]> => (await room.client.list('Job', { namespace })).items;
const names = async (): Promise<string[]> => (await jobs()).map(({ metadata }) => metadata.name).sort();
const patch = (spec: object) => room.client.patch('CronJob', 'c', { type: 'merge', body: { spec } }, { namespace });
const tickName = (offset = 0) => `c-${Math.floor(Date.UTC(2026, 0, 1) / minute) + offset}`;

async function end(job: Job | undefined, type: 'Complete' | 'Failed' = 'Complete'): Promise<void> {
  if (!job) throw new Error('no such job');
  const at = new Date(room.clock.now()).toISOString().replace(/\.\d+/, '');
  const conditions =
    type === 'Complete'
      ? [
          { type: 'SuccessCriteriaMet', status: 'True' },
          { type, status: 'True' },
        ]
      : [
          { type: 'FailureTarget', status: 'True' },
          { type, status: 'True' },
        ];
  const completionTime = type === 'Complete' ? { completionTime: at } : {};
  await room.client.updateStatus('Job', {
    ...job,
    status: { startTime: at, ...completionTime, conditions },
  } as Job);
  await room.advance();
}

describe('a tick', () => {
  it('starts one Job, named by its time, with the template, the annotation and the owner', async () => {
    const owner = await create({ timeZone: 'Europe/Berlin' });
    await room.advance(5 * minute);
    const [job] = await jobs();
    expect(job?.metadata).toMatchObject({
      name: tickName(5),
      labels: { app: 'tick' },
      annotations: { a: 'b', 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T01:05:00+01:00' },
    });
    expect(controllerOf(job as Job)).toMatchObject({ kind: 'CronJob', uid: owner.metadata.uid });
    expect((await read()).status).toMatchObject({
      lastScheduleTime: '2026-01-01T00:05:00Z',
      active: [{ kind: 'Job', name: tickName(5), uid: job?.metadata.uid }],
    });
    expect(room.reasons('c')).toEqual(['SuccessfulCreate']);
  });

  it('is noticed within a minute after the wall clock jumped over it, and only the latest is made up for', async () => {
    await create();
    room.clock.jump(23 * minute);
    await room.advance(minute);
    expect(await names()).toEqual([tickName(20)]);
    expect(room.reasons('c')).not.toContain('TooManyMissedTimes');
  });

  it('is one start with a warning when more than 100 were missed', async () => {
    await create({ schedule: '* * * * *' });
    room.clock.jump(365 * 24 * 60 * minute);
    await room.advance(minute);
    expect(await jobs()).toHaveLength(1);
    expect(room.reasons('c')).toEqual(expect.arrayContaining(['TooManyMissedTimes', 'SuccessfulCreate']));
  });

  it('is not repeated when the clock goes back over it', async () => {
    await create();
    await room.advance(11 * minute);
    await end((await jobs())[0]);
    room.clock.jump(-11 * minute);
    await room.advance(13 * minute);
    expect(await names()).toEqual([tickName(5), tickName(10)]);
  });

  it('later than startingDeadlineSeconds is left out, with an event', async () => {
    await create({ startingDeadlineSeconds: 60 });
    room.clock.jump(8 * minute);
    await room.advance(minute);
    expect(await jobs()).toEqual([]);
    expect(room.reasons('c')).toEqual(['MissSchedule']);
    await room.advance(2 * minute);
    expect(await names()).toEqual([tickName(10)]);
  });

  it('starts nothing while suspended; afterwards the latest missed one is made up for', async () => {
    await create({ suspend: true });
    await room.advance(12 * minute);
    expect(await jobs()).toEqual([]);
    await patch({ suspend: false });
    await room.advance();
    expect(await names()).toEqual([tickName(10)]);
  });

  it('of a changed schedule counts from the change', async () => {
    await create();
    await room.advance(12 * minute);
    const before = await names();
    await patch({ schedule: '11,16 * * * *' });
    await room.advance(2 * minute);
    expect(await names()).toEqual(before);
    await room.advance(3 * minute);
    expect(await names()).toEqual([...before, tickName(16)]);
  });
});

describe('while a Job runs', () => {
  it('Allow starts another', async () => {
    await create();
    await room.advance(10 * minute);
    expect((await read()).status?.active).toHaveLength(2);
  });

  it('Forbid starts none, and makes up for the tick when it ends', async () => {
    await create({ concurrencyPolicy: 'Forbid' });
    await room.advance(11 * minute);
    expect(await names()).toEqual([tickName(5)]);
    expect(room.reasons('c').filter((reason) => reason === 'JobAlreadyActive')).toHaveLength(1);
    await end((await jobs())[0]);
    expect(await names()).toEqual([tickName(5), tickName(10)]);
    expect(room.reasons('c')).toContain('SawCompletedJob');
  });

  it('Replace deletes it first', async () => {
    await create({ concurrencyPolicy: 'Replace' });
    await room.advance(10 * minute);
    expect(await names()).toEqual([tickName(10)]);
    expect((await read()).status?.active).toMatchObject([{ name: tickName(10) }]);
    expect(room.reasons('c')).toContain('SuccessfulDelete');
  });
});

describe('the status', () => {
  it('lists running Jobs, and the last success', async () => {
    await create();
    await room.advance(5 * minute);
    await end((await jobs())[0]);
    const { status } = await read();
    expect(status).toEqual({ lastScheduleTime: '2026-01-01T00:05:00Z', lastSuccessfulTime: '2026-01-01T00:05:00Z' });
  });

  it('loses a Job that a person deleted, with an event', async () => {
    await create();
    await room.advance(5 * minute);
    await room.client.delete('Job', tickName(5), { namespace, propagationPolicy: 'Background' });
    await room.advance();
    expect((await read()).status?.active ?? []).toEqual([]);
    expect(room.reasons('c')).toContain('MissingJob');
    await room.advance(2 * minute);
    expect(await jobs()).toEqual([]);
  });

  it('leaves out a Job that a person created from it, which does not hold back Forbid', async () => {
    const owner = await create({ concurrencyPolicy: 'Forbid' });
    await room.client.create('Job', {
      metadata: {
        name: 'manual',
        namespace,
        annotations: { 'cronjob.kubernetes.io/instantiate': 'manual' },
        ownerReferences: [
          { apiVersion: 'batch/v1', kind: 'CronJob', name: 'c', uid: owner.metadata.uid, controller: true },
        ],
      },
      spec: template.spec,
    });
    await room.advance(5 * minute);
    expect(await names()).toEqual([tickName(5), 'manual']);
    expect((await read()).status?.active).toMatchObject([{ name: tickName(5) }]);
    expect(room.reasons('c').filter((reason) => reason === 'UnexpectedJob')).toHaveLength(1);
  });
});

it('keeps as many finished Jobs as the history limits say', async () => {
  await create({ successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 0 });
  for (const type of ['Complete', 'Failed', 'Complete', 'Complete'] as const) {
    await room.advance(5 * minute);
    const running = (await jobs()).find(({ status }) => !status?.conditions);
    await end(running, type);
  }
  expect(await names()).toEqual([tickName(20)]);
  expect((await read()).status).toEqual({
    lastScheduleTime: '2026-01-01T00:20:00Z',
    lastSuccessfulTime: '2026-01-01T00:20:00Z',
  });
});

it('leaves a Job alone that has the name and another owner', async () => {
  await room.client.create('Job', { metadata: { name: tickName(5), namespace }, spec: template.spec });
  await create();
  await room.advance(6 * minute);
  expect(await jobs()).toHaveLength(1);
  expect(room.reasons('c')).toContain('FailedCreate');
  await room.advance(5 * minute);
  expect(await names()).toEqual([tickName(10), tickName(5)].sort());
});

it('of several ticks in one minute starts one Job, and does not take it for running when it has ended', async () => {
  await create({ schedule: '@every 10s' });
  await room.advance(11_000);
  await end((await jobs())[0]);
  await room.advance(25_000);
  expect(await jobs()).toHaveLength(1);
  expect((await read()).status).toMatchObject({ lastScheduleTime: '2026-01-01T00:00:30Z' });
  expect((await read()).status?.active).toBeUndefined();
  expect(room.reasons('c')).toEqual(['SuccessfulCreate', 'SawCompletedJob']);
});

it('records the tick of a Job whose status was lost in a crash, though the Job is beyond the history', async () => {
  await create({ successfulJobsHistoryLimit: 0 });
  room.braked.writes.fail({ match: ({ verb, kind }) => verb === 'patch' && kind === 'CronJob', times: 3 });
  await room.advance(5 * minute);
  await end((await jobs())[0]);
  await room.advance(2 * minute);
  expect(await jobs()).toEqual([]);
  expect((await read()).status?.lastScheduleTime).toBe('2026-01-01T00:05:00Z');
  expect(room.reasons('c').filter((reason) => reason === 'SuccessfulCreate')).toHaveLength(1);
});

type Step =
  | { readonly do: 'pass' | 'jump'; readonly minutes: number }
  | { readonly do: 'finish' | 'fail' | 'lose' | 'crash' };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('pass' as const), minutes: fc.integer({ min: 1, max: 7 }) }),
  fc.record({ do: fc.constant('jump' as const), minutes: fc.integer({ min: -15, max: 15 }) }),
  fc.record({ do: fc.constantFrom('finish' as const, 'fail' as const, 'lose' as const, 'crash' as const) }),
);

it('never two Jobs for one tick and, with Forbid, never two active, under faults, restarts and jumps of the clock', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.constantFrom('Forbid', 'Allow'), async (steps, policy) => {
      await room.stop();
      // Two at once: a former leader that has not noticed yet.
      room = await ControllerRoom.start(createCronJobController, createCronJobController);
      const started: string[] = [];
      await create({ schedule: '*/2 * * * *', concurrencyPolicy: policy, successfulJobsHistoryLimit: 0 });
      const look = async () => {
        const present = await jobs();
        const active = present.filter(({ status }) => !status?.conditions);
        if (policy === 'Forbid') expect(active.length).toBeLessThanOrEqual(1);
        started.length = 0;
        started.push(...room.events.filter(({ reason }) => reason === 'SuccessfulCreate').map((one) => one.message));
        expect(new Set(started).size).toBe(started.length);
        return active;
      };
      for (const one of steps) {
        if (one.do === 'pass') {
          for (let at = 0; at < one.minutes; at++) {
            await room.advance(minute);
            await look();
          }
        } else if (one.do === 'jump') room.clock.jump(one.minutes * minute);
        else if (one.do === 'finish') for (const job of await look()) await end(job);
        else if (one.do === 'fail') room.braked.writes.fail({ times: 2 });
        else if (one.do === 'lose') room.braked.writes.fail({ times: 1, applied: true });
        else room.braked.watches.cut();
      }
      await look();
    }),
    { numRuns: 15 },
  );
}, 120_000);
