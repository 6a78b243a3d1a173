import { expect, test } from 'vitest';
import type { Measured, Sample } from '../usage/report.ts';
import { reportOf } from '../usage/report.ts';
import { summaryOf } from './summary.ts';

const start = Date.parse('2026-01-01T00:00:00Z');

function measured(uid: string, name: string, at: number, cpuMs: number | undefined): Measured {
  const pod = { namespace: 'default', name: `pod-${uid}`, uid };
  const id = `${uid}-${name}`;
  const state = { id, sandboxId: 's', pod, name, attempt: 0, state: 'running', image: '', imageId: '' } as const;
  const stats = cpuMs === undefined ? undefined : { at, cpuNanoseconds: cpuMs * 1e6, workingSetBytes: 1024 };
  return { state: { ...state, createdAt: start, startedAt: start - 60_000, labels: {} }, stats };
}

function sample(at: number, containers: readonly Measured[]): Sample {
  const entries = containers.map((each) => [each.state.id, each] as const);
  const machine = { cpuNanoseconds: at * 1e6, workingSetBytes: 7 };
  return { at: start + at, monotonic: at, containers: new Map(entries), machine };
}

test('a node’s summary has the past and current usage of the node, its pods and containers, as the kubelet’s', () => {
  const before = sample(0, [measured('p', 'a', 0, 1_000), measured('p', 'b', 0, 0)]);
  const now = sample(10_000, [measured('p', 'a', 10_000, 3_500), measured('p', 'b', 10_000, 500)]);
  const time = '2026-01-01T00:00:10Z';
  const use = (usageNanoCores: number, usageCoreNanoSeconds: number, workingSetBytes: number): object => ({
    cpu: { time, usageNanoCores, usageCoreNanoSeconds },
    memory: { time, workingSetBytes },
  });
  const startTime = '2025-12-31T23:59:00Z';
  expect(summaryOf('n', now, reportOf(now, before), () => [])).toEqual({
    node: { nodeName: 'n', ...use(1e9, 1e10, 7) },
    pods: [
      {
        podRef: { namespace: 'default', name: 'pod-p', uid: 'p' },
        startTime,
        containers: [
          { name: 'a', startTime, ...use(250_000_000, 3.5e9, 1024) },
          { name: 'b', startTime, ...use(50_000_000, 5e8, 1024) },
        ],
        ...use(300_000_000, 4e9, 2048),
      },
    ],
  });
});

test('what is not known is left out: rates before a second look, and a pod with a container that cannot be read', () => {
  expect(summaryOf('n', undefined, undefined, () => [])).toEqual({ node: { nodeName: 'n' }, pods: [] });
  const first = sample(0, [measured('p', 'a', 0, 1_000), measured('p', 'b', 0, undefined)]);
  expect(summaryOf('n', first, undefined, () => [])).toMatchObject({
    node: { cpu: { usageCoreNanoSeconds: 0 } },
    pods: [{ containers: [{ name: 'a', cpu: { usageCoreNanoSeconds: 1e9 } }, { name: 'b' }] }],
  });
  const [pod] = (summaryOf('n', first, undefined, () => []) as { pods: object[] }).pods;
  expect(pod).not.toHaveProperty('cpu');
});
