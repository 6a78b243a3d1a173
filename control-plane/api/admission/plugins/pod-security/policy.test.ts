import { describe, expect, test } from 'vitest';
import { compareLevels, formatLevelVersion, policyOf } from './policy.ts';

const key = 'pod-security.kubernetes.io/';

/** The levels in labels, by mode; the keys are shortened. */
function read(labels: Record<string, string>) {
  const { policy, causes } = policyOf(
    Object.fromEntries(Object.entries(labels).map(([name, value]) => [key + name, value])),
  );
  const { enforce, audit, warn } = policy;
  return { modes: [enforce, audit, warn].map(formatLevelVersion), faults: causes.map(({ field }) => field) };
}

describe('the labels of a namespace', () => {
  test('set each mode by itself, and its version', () => {
    expect(policyOf(undefined)).toMatchObject({ policy: { enforce: { level: 'privileged' } }, causes: [] });
    expect(read({ audit: 'baseline', 'audit-version': 'v1.20' })).toEqual({
      modes: ['privileged:latest', 'baseline:v1.20', 'privileged:latest'],
      faults: [],
    });
    expect(
      read({ enforce: 'baseline', audit: 'restricted', warn: 'restricted', 'warn-version': 'v1.0' }).modes,
    ).toEqual(['baseline:latest', 'restricted:latest', 'restricted:v1.0']);
  });

  test('warn at the enforced level and version, unless a warn label is set', () => {
    expect(read({ enforce: 'restricted', 'enforce-version': 'v1.25' }).modes[2]).toBe('restricted:v1.25');
    expect(read({ enforce: 'restricted', 'enforce-version': 'v1.25', 'warn-version': 'v1.30' }).modes[2]).toBe(
      'restricted:v1.30',
    );
    expect(read({ enforce: 'restricted', warn: 'baseline' }).modes[2]).toBe('baseline:latest');
    expect(read({ enforce: 'restricted', warn: 'privileged' }).modes[2]).toBe('privileged:latest');
    expect(read({ enforce: 'privileged', 'warn-version': 'v1.30' }).modes[2]).toBe('privileged:v1.30');
  });

  test('that can not be read are each named, and count as the strictest or the most open', () => {
    expect(read({ enforce: 'no', audit: 'no', warn: 'no' })).toEqual({
      modes: ['restricted:latest', 'privileged:latest', 'privileged:latest'],
      faults: ['enforce', 'audit', 'warn'].map((mode) => `metadata.labels[${key}${mode}]`),
    });
    expect(read({ enforce: 'no' }).modes[2]).toBe('privileged:latest');
    for (const version of ['1.25', 'v2.1', 'v1.', 'v1.01', 'v1.123456', 'v1.2.3', 'xv1.2', '']) {
      const { modes, faults } = read({ enforce: 'baseline', 'enforce-version': version });
      expect([version, modes[0], faults]).toEqual([
        version,
        'baseline:latest',
        [`metadata.labels[${key}enforce-version]`],
      ]);
    }
    expect(read({ enforce: 'baseline', 'enforce-version': 'latest' })).toMatchObject({ faults: [] });
    expect(read({ enforce: 'baseline', 'enforce-version': 'v1.12345' }).modes[0]).toBe('baseline:v1.12345');
  });
});

test('the levels are privileged, baseline and restricted, from the most open to the strictest', () => {
  expect(compareLevels('restricted', 'baseline')).toBeGreaterThan(0);
  expect(compareLevels('privileged', 'baseline')).toBeLessThan(0);
  expect(compareLevels('baseline', 'baseline')).toBe(0);
});
