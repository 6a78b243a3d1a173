import { describe, expect, it } from 'vitest';
import { admitted, faults, updateFaults } from '../../../test/support/kind-rules.ts';
import type { LimitRange } from '../../generated/types.ts';
import { kindNamed } from '../index.ts';

describe('a resource quota', () => {
  it.each<[string, object, string[]]>([
    [
      'an unknown resource',
      { hard: { foo: '1' } },
      ['spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota'],
    ],
    [
      'more names than each object can be looked at with',
      { hard: Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`count/r${i}.x`, '1'])) },
      ['spec.hard: Too many: 1001: must have at most 1000 items'],
    ],
    [
      'half an object',
      { hard: { 'count/jobs.batch': '500m' } },
      ['spec.hard[count/jobs.batch]: Invalid value: "500m": must be an integer'],
    ],
    [
      'a negative amount',
      { hard: { cpu: '-1' } },
      ['spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
    ],
    [
      'scopes that exclude each other',
      { scopes: ['BestEffort', 'NotBestEffort'] },
      ['spec.scopes: Invalid value: []core.ResourceQuotaScope{"BestEffort", "NotBestEffort"}: conflicting scopes'],
    ],
    [
      'a scope that does not apply to the resource',
      { hard: { services: '1' }, scopes: ['Terminating'] },
      ['spec.scopes: Invalid value: []core.ResourceQuotaScope{"Terminating"}: unsupported scope applied to resource'],
    ],
    [
      'a scope with no values',
      {
        scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In' }] },
      },
      [
        "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
      ],
    ],
  ])('is refused with %s', (_what, spec, expected) => {
    expect(faults('ResourceQuota', { spec })).toEqual(expected);
  });

  it('never changes what it counts', () => {
    const of = (...scopes: string[]) => ({ spec: { scopes } });
    expect(updateFaults('ResourceQuota', of('BestEffort'), of('NotBestEffort'))).toEqual([
      'spec.scopes: Invalid value: []core.ResourceQuotaScope{"NotBestEffort"}: field is immutable',
    ]);
    expect(updateFaults('ResourceQuota', { spec: { hard: { pods: '1' } } }, { spec: { hard: { pods: '2' } } })).toEqual(
      [],
    );
  });

  it('shows requests and limits apart', () => {
    const status = { hard: { pods: '3', 'limits.cpu': '2', 'requests.cpu': '1' }, used: { pods: '1' } };
    const object = { ...admitted('ResourceQuota', {}), status };
    const cells = kindNamed('ResourceQuota')
      .columns.slice(1, 3)
      .map((column) => column.value(object, 0));
    expect(cells).toEqual(['pods: 1/3, requests.cpu: 0/1', 'limits.cpu: 0/2']);
  });
});

describe('a limit range', () => {
  const defaults = (item: object): object => {
    const object = admitted('LimitRange', { spec: { limits: [{ type: 'Container', ...item }] } }) as LimitRange;
    const { type: _type, ...limits } = object.spec.limits?.[0] ?? { type: '' };
    return limits;
  };

  it('makes its limits the defaults of a container, and these its requests', () => {
    expect(defaults({ max: { cpu: '2' }, min: { cpu: '1', memory: '1Gi' } })).toEqual({
      max: { cpu: '2' },
      min: { cpu: '1', memory: '1Gi' },
      default: { cpu: '2' },
      defaultRequest: { cpu: '2', memory: '1Gi' },
    });
    expect(defaults({ default: { cpu: '1' }, defaultRequest: { cpu: '500m' } })).toEqual({
      default: { cpu: '1' },
      defaultRequest: { cpu: '500m' },
    });
  });

  it.each<[string, object, string[]]>([
    [
      'defaults for whole pods',
      { type: 'Pod', default: { cpu: '1' } },
      ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
    ],
    [
      'claims of any size',
      { type: 'PersistentVolumeClaim' },
      [
        'spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided',
      ],
    ],
    [
      'a ratio below one',
      { type: 'Pod', maxLimitRequestRatio: { cpu: '500m' } },
      ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1'],
    ],
    [
      'more at least than at most',
      { type: 'Pod', min: { cpu: '2' }, max: { cpu: '1' } },
      ['spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'],
    ],
    [
      'types without limits',
      { type: 'Node' },
      ['spec.limits[0].type: Invalid value: "Node": must be a standard limit type or fully qualified'],
    ],
  ])('is refused with %s', (_what, item, expected) => {
    expect(faults('LimitRange', { spec: { limits: [item] } })).toEqual(expected);
  });

  it('allows each type once', () => {
    expect(faults('LimitRange', { spec: { limits: [{ type: 'Pod' }, { type: 'Pod' }] } })).toEqual([
      'spec.limits[1].type: Duplicate value: "Pod"',
    ]);
  });
});
