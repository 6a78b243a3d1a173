import { expect, test } from 'vitest';
import { nodeStatus } from './node-status.ts';

const identity = {
  name: 'n1',
  address: '192.0.2.1',
  labels: {},
  taints: [],
  version: 'v1',
  machineId: 'm',
  bootId: 'b',
  maxPods: 110,
  reserved: { cpuMillis: 0, memoryBytes: 0 },
};
const facts = { engine: undefined, engineUp: true, clean: true, images: [], diskBytes: 0 };

test('a node reports its pressure with the kubelet’s reasons and messages', () => {
  const reported = (short: boolean) => {
    const pressure = { memory: short, disk: short, pid: short };
    const { conditions = [] } = nodeStatus(identity, { ...facts, pressure }, undefined, 0);
    return conditions.slice(0, 3).map(({ status, reason, message }) => [status, reason, message]);
  };
  expect(reported(true)).toEqual([
    ['True', 'KubeletHasInsufficientMemory', 'kubelet has insufficient memory available'],
    ['True', 'KubeletHasDiskPressure', 'kubelet has disk pressure'],
    ['True', 'KubeletHasInsufficientPID', 'kubelet has insufficient PID available'],
  ]);
  expect(reported(false)).toEqual([
    ['False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
    ['False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
    ['False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
  ]);
});
