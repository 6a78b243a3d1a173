import { expect, it } from 'vitest';
import { makePod } from '../../test/support/hollow-agent.ts';
import { volumeStats } from './volume-stats.ts';

it('a claim shows what its local volume takes, and other volumes are left out', () => {
  const pod = makePod('web', {
    volumes: [
      { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
      { name: 'scratch', ephemeral: {} },
      { name: 'far', persistentVolumeClaim: { claimName: 'far' } },
      { name: 'new', persistentVolumeClaim: { claimName: 'new' } },
      { name: 'dir', emptyDir: {} },
    ],
  });
  const paths = new Map([
    ['default/data', '/vol/a'],
    ['default/web-scratch', '/vol/b'],
    ['default/new', '/vol/c'],
  ]);
  const used = new Map([
    ['/vol/a', 4096],
    ['/vol/b', 8192],
  ]);
  const space = { at: 0, used, capacityBytes: 100, availableBytes: 50 };
  const shared = { time: '1970-01-01T00:00:00Z', availableBytes: 50, capacityBytes: 100 };
  expect(volumeStats(pod, space, (claim) => paths.get(claim))).toEqual([
    { ...shared, usedBytes: 4096, name: 'data', pvcRef: { name: 'data', namespace: 'default' } },
    { ...shared, usedBytes: 8192, name: 'scratch', pvcRef: { name: 'web-scratch', namespace: 'default' } },
  ]);
  expect(volumeStats(pod, undefined, (claim) => paths.get(claim))).toEqual([]);
});
