import { expect, it } from 'vitest';
import type { StatusCause } from '../../generated/types.ts';
import { deletionCost, deletionCostAnnotation, validatePodAnnotations } from './pod-annotations.ts';

const cost = (text: string) => deletionCost({ [deletionCostAnnotation]: text });

it('reads a deletion cost as Kubernetes does: a 32-bit integer, without plus sign or leading zeros', () => {
  expect(['0', '1', '-100', '2147483647', '-2147483648'].map(cost)).toEqual([0, 1, -100, 2147483647, -2147483648]);
  for (const text of ['', 'abc', '+1', '01', '1.5', '1e3', '2147483648', '-2147483649', ' 1']) {
    expect(cost(text), text).toBeUndefined();
  }
  expect(deletionCost(undefined)).toBe(0);
});

it('refuses another deletion cost by name', () => {
  const causes: StatusCause[] = [];
  validatePodAnnotations({ [deletionCostAnnotation]: 'abc' }, {}, 'metadata.annotations', causes);
  expect(causes).toEqual([
    {
      reason: 'FieldValueInvalid',
      field: 'metadata.annotations[controller.kubernetes.io/pod-deletion-cost]',
      message: 'Invalid value: "abc": must be a 32bit integer',
    },
  ]);
});
