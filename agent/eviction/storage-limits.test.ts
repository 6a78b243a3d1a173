import { describe, expect, it } from 'vitest';
import type { PodSpec } from '../../shared/generated/types.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { exceededLimit, storageWatch } from './storage-limits.ts';

const mib = 2 ** 20;
const limited = (name: string, limit: string) =>
  container(name, { resources: { limits: { 'ephemeral-storage': limit } } });

function exceeded(spec: Partial<PodSpec>, volumes: Record<string, number>, containers: Record<string, number> = {}) {
  const inBytes = (amounts: Record<string, number>) =>
    new Map(Object.entries(amounts).map(([name, mebibytes]) => [name, mebibytes * mib]));
  return exceededLimit(makePod('web', spec), { volumes: inBytes(volumes), containers: inBytes(containers) });
}

describe('what is measured of a pod', () => {
  it('is nothing without a limit, or when it is critical', () => {
    const volumes = [{ name: 'data', emptyDir: {} }];
    expect(storageWatch(makePod('web', { volumes }))).toBeUndefined();
    expect(storageWatch(makePod('web', { volumes: [{ name: 'data', emptyDir: { sizeLimit: '0' } }] }))).toBeUndefined();
    const critical = { containers: [limited('app', '1Mi')], priority: 2_000_000_000 };
    expect(storageWatch(makePod('web', critical))).toBeUndefined();
  });

  it('begins below the priority of critical pods', () => {
    const spec = { containers: [limited('app', '1Mi')], priority: 1_999_999_999 };
    expect(storageWatch(makePod('web', spec))).toEqual({ volumes: [], containers: true });
  });

  it('is the volumes with a limit, or all on the disk and what containers write when one of these has one', () => {
    const volumes = [
      { name: 'data', emptyDir: { sizeLimit: '10Mi' } },
      { name: 'free', emptyDir: {} },
      { name: 'fast', emptyDir: { medium: 'Memory' } },
      { name: 'conf', configMap: { name: 'settings' } },
      { name: 'key', secret: { secretName: 'key' } },
    ];
    expect(storageWatch(makePod('web', { volumes }))).toEqual({ volumes: ['data'], containers: false });
    const containers = [limited('app', '1Mi'), container('other')];
    expect(storageWatch(makePod('web', { volumes, containers }))).toEqual({
      volumes: ['data', 'free', 'conf'],
      containers: true,
    });
  });
});

describe('an exceeded limit is reported in the kubelet’s words', () => {
  it('of an emptyDir', () => {
    const volumes = [
      { name: 'small', emptyDir: { sizeLimit: '10240Ki' } },
      { name: 'large', emptyDir: { sizeLimit: '1Gi' } },
    ];
    expect(exceeded({ volumes }, { small: 10, large: 1024 })).toBeUndefined();
    expect(exceeded({ volumes }, { small: 11, large: 1024 })).toBe(
      'Usage of EmptyDir volume "small" exceeds the limit "10Mi". ',
    );
  });

  it('of the second emptyDir, and not of one that was not measured', () => {
    const volumes = ['first', 'second'].map((name) => ({ name, emptyDir: { sizeLimit: '10Mi' } }));
    expect(exceeded({ volumes }, { first: 1, second: 11 })).toContain('"second"');
    expect(exceeded({ volumes }, { second: 11 })).toContain('"second"');
    expect(exceeded({ volumes }, {})).toBeUndefined();
  });

  it('of an emptyDir only where that has one: zero is none', () => {
    const volumes = [
      { name: 'zero', emptyDir: { sizeLimit: '0' } },
      { name: 'free', emptyDir: {} },
      { name: 'key', secret: { secretName: 'key' } },
    ];
    expect(exceeded({ volumes }, { zero: 100, free: 100, key: 100 })).toBeUndefined();
  });

  it('of the pod counts the volumes that lie on the disk, and those that were not measured as nothing', () => {
    const spec = {
      containers: [limited('app', '10Mi')],
      volumes: [
        { name: 'conf', configMap: { name: 'settings' } },
        { name: 'data', emptyDir: {} },
        { name: 'key', secret: { secretName: 'key' } },
      ],
    };
    expect(exceeded(spec, { conf: 5, data: 5, key: 90 })).toBeUndefined();
    expect(exceeded(spec, { conf: 6, data: 5, key: 90 })).toContain('Pod ephemeral local storage');
    expect(exceeded(spec, { data: 11 })).toContain('Pod ephemeral local storage');
    expect(exceeded(spec, {})).toBeUndefined();
  });

  it('of the pod: volumes, layers and logs together', () => {
    const spec = {
      containers: [limited('app', '30Mi'), limited('other', '20Mi'), container('free')],
      volumes: [
        { name: 'data', emptyDir: {} },
        { name: 'fast', emptyDir: { medium: 'Memory' } },
      ],
    };
    expect(exceeded(spec, { data: 30, fast: 500 }, { app: 10, other: 5, free: 5 })).toBeUndefined();
    expect(exceeded(spec, { data: 30 }, { app: 10, other: 5, free: 6 })).toBe(
      'Pod ephemeral local storage usage exceeds the total limit of containers 50Mi. ',
    );
  });

  it('of a container', () => {
    const spec = { containers: [limited('app', '10Mi'), limited('other', '20Mi')] };
    expect(exceeded(spec, {}, { app: 10, other: 20 })).toBeUndefined();
    expect(exceeded(spec, {}, { app: 11, other: 1 })).toBe(
      'Container app exceeded its local ephemeral storage limit "10Mi". ',
    );
  });

  it('of the second container, of none whose limit is zero, and of none that was not measured', () => {
    const spec = { containers: [limited('app', '10Mi'), limited('other', '10Mi')] };
    expect(exceeded(spec, {}, { app: 1, other: 11 })).toContain('Container other');
    expect(exceeded(spec, {}, { other: 11 })).toContain('Container other');
    const zero = { containers: [limited('none', '0'), limited('app', '10Mi')] };
    expect(exceeded(zero, {}, { none: 9, app: 1 })).toBeUndefined();
    expect(exceeded({ containers: [container('free'), limited('app', '10Mi')] }, {}, { free: 9 })).toBeUndefined();
  });
});
