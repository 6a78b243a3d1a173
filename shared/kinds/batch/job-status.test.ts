import { describe, expect, it } from 'vitest';
import { admitted, writtenPart } from '../../../test/support/kind-rules.ts';
import type { Job, JobSpec, JobStatus } from '../../generated/types.ts';

const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'app', image: 'app:1' }] } };
const startTime = '2026-01-01T00:00:00Z';
const later = '2026-01-01T00:01:00Z';
const is = (...types: string[]) => ({ conditions: types.map((type) => ({ type, status: 'True' })) });
const indexed = { completionMode: 'Indexed', completions: 4, backoffLimitPerIndex: 1 } as const;

function faults(before: JobStatus, after: JobStatus, spec: Partial<JobSpec> = {}): string[] {
  const job = admitted('Job', { spec: { template, ...spec } }) as Job;
  return writtenPart('status', { ...job, status: before }, { ...job, status: after }, 0).faults;
}

describe('the status of a Job', () => {
  it.each<[string, JobStatus, JobStatus, Partial<JobSpec>?]>([
    ['starts', {}, { startTime, active: 1 }],
    ['completes', { startTime }, { startTime, completionTime: later, ...is('SuccessCriteriaMet', 'Complete') }],
    ['fails', { startTime, ...is('FailureTarget') }, { startTime, ...is('FailureTarget', 'Failed') }],
    ['begins anew', { startTime, ...is('Suspended') }, { startTime: later }],
    ['has indexes', {}, { completedIndexes: '0,2', failedIndexes: '1', succeeded: 2 }, indexed],
    [
      'loses indexes',
      { succeeded: 2, completedIndexes: '0,1' },
      { succeeded: 1, completedIndexes: '0' },
      { ...indexed, parallelism: 4 },
    ],
  ])('%s', (_what, before, after, spec) => {
    expect(faults(before, after, spec)).toEqual([]);
  });

  it.each<[string, JobStatus, JobStatus, Partial<JobSpec>?]>([
    ['status.failed: Invalid value: 1: cannot decrease the failed counter', { failed: 2 }, { failed: 1 }],
    ['status.succeeded: Invalid value: 1: cannot decrease the succeeded counter', { succeeded: 2 }, { succeeded: 1 }],
    [
      'status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
      { startTime },
      { startTime, completionTime: later, ...is('Complete') },
    ],
    [
      'status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition',
      { startTime },
      { startTime, ...is('Failed') },
    ],
    [
      'status.completionTime: Required value: completionTime is required for Complete jobs',
      { startTime },
      { startTime, ...is('SuccessCriteriaMet', 'Complete') },
    ],
    [
      `status.completionTime: Invalid value: "${later}": cannot set completionTime when there is no Complete=True condition`,
      { startTime },
      { startTime, completionTime: later },
    ],
    [
      'status.active: Invalid value: 1: active>0 is invalid for finished job',
      { startTime, active: 1, ...is('FailureTarget') },
      { startTime, active: 1, ...is('FailureTarget', 'Failed') },
    ],
    [
      'status.startTime: Required value: startTime cannot be removed for unsuspended job',
      { startTime },
      { startTime: later },
    ],
    [
      'status.conditions: Invalid value: cannot disable the terminal Failed=True condition',
      { startTime, ...is('FailureTarget', 'Failed') },
      { startTime, ...is('FailureTarget') },
    ],
    [
      'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
      {},
      { uncountedTerminatedPods: { succeeded: ['a'], failed: ['a'] } },
    ],
    [
      'status.completedIndexes: Invalid value: "9": error parsing completedIndexes: too large index: "9"',
      {},
      { completedIndexes: '9' },
      indexed,
    ],
    [
      'status.failedIndexes: Invalid value: "0": failedIndexes and completedIndexes overlap',
      {},
      { completedIndexes: '0', failedIndexes: '0' },
      indexed,
    ],
  ])('is refused with: %s', (fault, before, after, spec) => {
    expect(faults(before, after, spec)).toEqual([fault]);
  });
});
