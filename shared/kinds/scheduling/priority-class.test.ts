import { describe, expect, it } from 'vitest';
import { admitted, faults, updateFaults } from '../../../test/support/kind-rules.ts';
import type { PriorityClass } from '../../generated/types.ts';
import { podPriority, systemPriorityClasses } from './priority-class.ts';

function classOf(name: string, value: number, more: object = {}): PriorityClass {
  return admitted('PriorityClass', { metadata: { name }, value, ...more }) as unknown as PriorityClass;
}

describe('PriorityClass', () => {
  it('leaves the highest values and the names that begin with system- to the cluster', () => {
    expect(faults('PriorityClass', { metadata: { name: 'a' }, value: 1_000_000_000 })).toEqual([]);
    expect(faults('PriorityClass', { metadata: { name: 'a' }, value: 1_000_000_001 })).toEqual([
      'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
    ]);
    const reserved =
      "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: ";
    expect(faults('PriorityClass', { metadata: { name: 'system-mine' }, value: 1 })).toEqual([
      `${reserved}system-mine is not a known system priority class`,
    ]);
    expect(faults('PriorityClass', { metadata: { name: 'system-node-critical' }, value: 1 })).toEqual([
      `${reserved}value of system-node-critical PriorityClass must be 2000001000`,
    ]);
  });

  it('has the classes that a cluster begins with in order', () => {
    for (const { metadata, value } of systemPriorityClasses) {
      expect(faults('PriorityClass', { metadata: { name: metadata.name }, value })).toEqual([]);
    }
  });

  it('never changes its value or its way with others', () => {
    expect(updateFaults('PriorityClass', { value: 1 }, { value: 2, preemptionPolicy: 'Never' })).toEqual([
      'preemptionPolicy: Invalid value: "Never": field is immutable',
      'value: Forbidden: may not be changed in an update.',
    ]);
    expect(updateFaults('PriorityClass', { value: 1 }, { value: 1, globalDefault: true })).toEqual([]);
  });
});

describe('the priority of a pod', () => {
  const classes = [
    classOf('low', 1, { globalDefault: true, preemptionPolicy: 'Never' }),
    classOf('high', 10),
    classOf('other', 5, { globalDefault: true }),
  ];
  const of = (name: string | undefined, all: readonly PriorityClass[] = classes) =>
    podPriority(
      name,
      (wanted) => all.find(({ metadata }) => metadata.name === wanted),
      () => all,
    );

  it('is that of the class it names', () => {
    expect(of('high')).toEqual({ className: 'high', priority: 10, preemptionPolicy: 'PreemptLowerPriority' });
    expect(of('missing')).toBeUndefined();
  });

  it('is that of the default class when it names none, the lowest of several', () => {
    expect(of(undefined)).toEqual({ className: 'low', priority: 1, preemptionPolicy: 'Never' });
    expect(of(undefined, [])).toEqual({ priority: 0, preemptionPolicy: 'PreemptLowerPriority' });
  });

  it('has the system classes even before they are stored', () => {
    expect(of('system-cluster-critical', [])?.priority).toBe(2_000_000_000);
  });
});
