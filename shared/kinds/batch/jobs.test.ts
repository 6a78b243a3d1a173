import { describe, expect, it } from 'vitest';
import { admitted, faults, updateFaults } from '../../../test/support/kind-rules.ts';
import type { Job } from '../../generated/types.ts';
import { kindNamed } from '../index.ts';
import { scheduleFault } from '../rules/cron-schedule.ts';

const template = (restartPolicy?: string, labels?: object) => ({
  ...(labels ? { metadata: { labels } } : {}),
  spec: { ...(restartPolicy ? { restartPolicy } : {}), containers: [{ name: 'app', image: 'app:1' }] },
});
const metadata = { name: 'a', namespace: 'default', uid: 'u-1' };
const job = (more: object = {}) => ({ metadata, spec: { template: template('Never'), ...more } });
const cronJob = (more: object = {}) => ({
  spec: { schedule: '* * * * *', jobTemplate: { spec: { template: template('Never') } }, ...more },
});

describe('a job', () => {
  it('runs one pod to its end, which it knows by its own uid', () => {
    const { metadata: meta, spec } = admitted('Job', job()) as Job;
    expect(spec).toMatchObject({
      completions: 1,
      parallelism: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      suspend: false,
      podReplacementPolicy: 'TerminatingOrFailed',
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u-1' } },
    });
    expect(meta.labels).toEqual(spec.template.metadata?.labels);
    expect(spec.template.metadata?.labels).toEqual({
      'batch.kubernetes.io/controller-uid': 'u-1',
      'controller-uid': 'u-1',
      'batch.kubernetes.io/job-name': 'a',
      'job-name': 'a',
    });
    expect(faults('Job', job())).toEqual([]);
  });

  it('takes a selector that the client answers for', () => {
    const own = {
      manualSelector: true,
      selector: { matchLabels: { a: 'b' } },
      template: template('Never', { a: 'b' }),
    };
    const { spec } = admitted('Job', job(own)) as Job;
    expect(spec.template.metadata?.labels).toEqual({ a: 'b' });
    expect(faults('Job', job(own))).toEqual([]);
  });

  it.each<[string, object, string[]]>([
    [
      'pods that never end',
      { template: template() },
      ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ],
    [
      'labels that belong to another job',
      { template: template('Never', { 'job-name': 'b' }) },
      [
        'spec.template.metadata.labels: Invalid value: {"job-name":"b","batch.kubernetes.io/job-name":"a","batch.kubernetes.io/controller-uid":"u-1","controller-uid":"u-1"}: must be \'a\'',
      ],
    ],
    [
      'indexes without end',
      { completionMode: 'Indexed', parallelism: 1 },
      ['spec.completions: Required value: when completion mode is Indexed'],
    ],
    [
      'failures by index without indexes',
      { backoffLimitPerIndex: 1 },
      ['spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode'],
    ],
    [
      'a rule about nothing',
      { podFailurePolicy: { rules: [{ action: 'Ignore' }] } },
      [
        'spec.podFailurePolicy.rules[0]: Invalid value: {}: specifying one of OnExitCodes and OnPodConditions is required',
      ],
    ],
    [
      'success as a failure',
      {
        podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [0, 1] } }] },
      },
      ['spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator'],
    ],
    [
      'more successes than indexes',
      {
        completionMode: 'Indexed',
        completions: 5,
        successPolicy: { rules: [{ succeededIndexes: '0,2-3', succeededCount: 4 }] },
      },
      [
        'spec.successPolicy.rules[0].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of indexes in the specified succeededIndexes field)',
      ],
    ],
  ])('is refused with %s', (_what, more, expected) => {
    expect(faults('Job', job(more))).toEqual(expected);
  });

  it('keeps its template and the number of completions, unless it runs all of its indexes at once', () => {
    expect(updateFaults('Job', job(), job({ completions: 2, parallelism: 1 }))).toEqual([
      'spec.completions: Invalid value: 2: field is immutable',
    ]);
    const indexed = (count: number) => job({ completionMode: 'Indexed', completions: count, parallelism: count });
    expect(updateFaults('Job', indexed(2), indexed(3))).toEqual([]);
    expect(updateFaults('Job', job(), job({ parallelism: 3, completions: 1 }))).toEqual([]);
    expect(updateFaults('Job', job(), job({ template: template('OnFailure') }))).toHaveLength(1);
  });

  it('may change its scheduling constraints while it has not started', () => {
    const placed = { spec: { ...template('Never').spec, nodeSelector: { disk: 'ssd' } } };
    expect(updateFaults('Job', job({ suspend: true }), job({ suspend: true, template: placed }))).toEqual([]);
    expect(updateFaults('Job', job(), job({ template: placed }))).toHaveLength(1);
  });

  it.each([
    [{ succeeded: 1, conditions: [{ type: 'Complete', status: 'True' }] }, ['Complete', '1/1', '5s']],
    [{ conditions: [{ type: 'Suspended', status: 'True' }] }, ['Suspended', '0/1', '5s']],
    [{ active: 1 }, ['Running', '0/1', '5s']],
  ])('shows its state: %j', (status, cells) => {
    const object = { ...admitted('Job', job()), status: { startTime: '2026-01-01T00:00:00Z', ...status } };
    const now = Date.parse('2026-01-01T00:00:05Z');
    expect(
      kindNamed('Job')
        .columns.slice(1, 4)
        .map((column) => column.value(object, now)),
    ).toEqual(cells);
  });
});

describe('a cron job', () => {
  it.each<[string, object, string[]]>([
    [
      'a schedule that is none',
      { schedule: 'daily' },
      ['spec.schedule: Invalid value: "daily": expected exactly 5 fields, found 1: [daily]'],
    ],
    [
      'a time zone in the schedule',
      { schedule: 'TZ=UTC * * * * *' },
      [
        'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
      ],
    ],
    [
      'an unknown time zone',
      { timeZone: 'Mars/Olympus' },
      ['spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus'],
    ],
    [
      'a policy of its own',
      { concurrencyPolicy: 'Maybe' },
      ['spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"'],
    ],
    [
      'a selector',
      { jobTemplate: { spec: { selector: {}, template: template('Never') } } },
      ['spec.jobTemplate.spec.selector: Invalid value: {}: `selector` will be auto-generated'],
    ],
  ])('is refused with %s', (_what, more, expected) => {
    expect(faults('CronJob', cronJob(more))).toEqual(expected);
  });

  it('has a name that leaves room for those of its jobs', () => {
    const name = 'a'.repeat(53);
    expect(faults('CronJob', { ...cronJob(), metadata: { name, namespace: 'default' } })).toEqual([
      `metadata.name: Invalid value: "${name}": must be no more than 52 characters`,
    ]);
  });
});

describe('a schedule', () => {
  it.each(['* * * * *', '*/5 0-6/2 1,15 jan-mar MON', '0 0 ? * sun', '@daily', '@every 1h30m', '5/15 * * * *'])(
    '%s is one',
    (schedule) => {
      expect(scheduleFault(schedule)).toBeUndefined();
    },
  );

  it.each([
    ['60 * * * *', 'end of range (60) above maximum (59): 60'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
    ['* 5-3 * * *', 'beginning of range (5) beyond end of range (3): 5-3'],
    ['*/0 * * * *', 'step of range should be a positive number: */0'],
    ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
    ['*/1/2 * * * *', 'too many slashes: */1/2'],
    ['x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
    ['@often', 'unrecognized descriptor: @often'],
    ['* * * * 7', 'end of range (7) above maximum (6): 7'],
  ])('%s is none', (schedule, fault) => {
    expect(scheduleFault(schedule)).toBe(fault);
  });
});
