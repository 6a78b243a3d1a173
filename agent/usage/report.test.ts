import { expect, test } from 'vitest';
import { busyTime, workingSet } from './machine.ts';
import { type Measured, reportOf, type Sample } from './report.ts';

const start = Date.parse('2026-01-01T00:00:00Z');

/** A container's reading: milliseconds since the first look, and of processor time. */
function measured(uid: string, name: string, at: number, cpuMs: number, startedAt = -60_000): Measured {
  const pod = { namespace: 'default', name: uid, uid };
  const id = `${uid}-${name}`;
  const state = { id, sandboxId: 's', pod, name, attempt: 0, state: 'running', image: '', imageId: '' } as const;
  return {
    state: { ...state, createdAt: 0, startedAt: start + startedAt, labels: {} },
    stats: { at: 1_000 + at, cpuNanoseconds: cpuMs * 1e6, workingSetBytes: 1024 },
  };
}

function sample(at: number, containers: readonly Measured[], machine?: Sample['machine']): Sample {
  const entries = containers.map((each) => [each.state.id, each] as const);
  return { at: start + at, monotonic: 1_000 + at, containers: new Map(entries), machine };
}

test('a rate is processor time over the time between two looks', () => {
  const before = sample(0, [measured('p', 'app', 0, 1_000)], { cpuNanoseconds: 0, workingSetBytes: 1 });
  const now = sample(10_000, [measured('p', 'app', 10_000, 3_500)], { cpuNanoseconds: 15e9, workingSetBytes: 7 });
  expect(reportOf(now, before)).toEqual({
    at: start + 10_000,
    node: { cpuNanoCores: 1_500_000_000, memoryBytes: 7, windowMs: 10_000 },
    pods: [{ uid: 'p', windowMs: 10_000, containers: [{ name: 'app', cpuNanoCores: 250_000_000, memoryBytes: 1024 }] }],
  });
});

test('without a look before there are no rates', () => {
  expect(reportOf(sample(0, []), undefined)).toBeUndefined();
});

test('a container that has begun since the look before is measured from its start', () => {
  const now = sample(10_000, [measured('p', 'app', 10_000, 1_000, 5_000)]);
  expect(reportOf(now, sample(0, []))?.pods).toEqual([
    { uid: 'p', windowMs: 5_000, containers: [{ name: 'app', cpuNanoCores: 200_000_000, memoryBytes: 1024 }] },
  ]);
});

test('a pod is left out while one of its running containers cannot be measured', () => {
  const young = measured('p', 'young', 10_000, 1, 9_900);
  const unread = { ...measured('q', 'app', 10_000, 1), stats: undefined };
  const now = sample(10_000, [measured('p', 'app', 10_000, 1), young, unread]);
  expect(reportOf(now, sample(0, []))?.pods).toEqual([]);
});

test('a node that cannot look at its machine uses what its pods use', () => {
  const now = sample(10_000, [measured('p', 'a', 10_000, 1_000, 0), measured('p', 'b', 10_000, 2_000, 0)]);
  expect(reportOf(now, sample(0, []))?.node).toMatchObject({ cpuNanoCores: 300_000_000, memoryBytes: 2048 });
});

test('the machine is busy with everything but idling and waiting for disks', () => {
  expect(busyTime('cpu  100 20 30 4000 500 6 7 8 9 0\ncpu0 1 1 1 1\n')).toBe(171 * 1e7);
});

test('the working set of the machine excludes free memory and inactive file pages', () => {
  const meminfo = 'MemTotal:  1000 kB\nMemFree:  300 kB\nInactive:  250 kB\nInactive(file):  200 kB\n';
  expect(workingSet(meminfo)).toBe(500 * 1024);
});
