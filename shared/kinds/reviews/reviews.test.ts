import { describe, expect, it } from 'vitest';
import { faults } from '../../../test/support/kind-rules.ts';
import type { StatusCause } from '../../generated/types.ts';
import { validateTokenRequest } from './reviews.ts';

const none = { name: undefined, namespace: undefined };
const resourceAttributes = { verb: 'get', resource: 'pods' };

describe('reviews', () => {
  it('name a resource or a path, and a subject', () => {
    const ask = (spec: object) => faults('SubjectAccessReview', { metadata: none, spec });
    expect(ask({ user: 'jane', resourceAttributes })).toEqual([]);
    expect(ask({})).toEqual([
      'spec.resourceAttributes: Invalid value: "null": exactly one of nonResourceAttributes or resourceAttributes must be specified',
      'spec.user: Invalid value: "": at least one of user or group must be specified',
    ]);
    expect(ask({ groups: ['a'], resourceAttributes, nonResourceAttributes: { path: '/' } })).toEqual([
      'spec.nonResourceAttributes: Invalid value: {"path":"/"}: cannot be specified in combination with resourceAttributes',
    ]);
  });

  it('have no name', () => {
    expect(faults('SelfSubjectAccessReview', { metadata: { name: 'a' }, spec: { resourceAttributes } })).toEqual([
      'metadata: Invalid value: {"name":"a"}: must be empty',
    ]);
  });

  it('of one namespace speak of it alone', () => {
    const ask = (spec: object) =>
      faults('LocalSubjectAccessReview', { metadata: { namespace: 'a' }, spec: { user: 'jane', ...spec } });
    expect(ask({ resourceAttributes: { ...resourceAttributes, namespace: 'a' } })).toEqual([]);
    expect(ask({ resourceAttributes: { ...resourceAttributes, namespace: 'b' } })).toEqual([
      'spec.resourceAttributes.namespace: Invalid value: "b": must match metadata.namespace',
    ]);
    expect(ask({ nonResourceAttributes: { path: '/' } })).toEqual([
      'spec.nonResourceAttributes: Invalid value: {"path":"/"}: disallowed on this kind of request',
    ]);
  });

  it('accept unknown operators of newer servers, but no empty selector', () => {
    const ask = (fieldSelector: object) =>
      faults('SelfSubjectAccessReview', {
        metadata: none,
        spec: { resourceAttributes: { ...resourceAttributes, fieldSelector } },
      });
    expect(ask({ requirements: [{ key: 'a', operator: 'Resembles' }] })).toEqual([]);
    const field = 'spec.resourceAttributes.fieldSelector';
    expect(ask({})).toEqual([
      `${field}.requirements: Required value: when ${field} is specified, requirements or rawSelector is required`,
    ]);
    expect(ask({ requirements: [{ key: 'a', operator: 'In' }] })).toEqual([
      `${field}.requirements[0].values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`,
    ]);
  });
});

describe('a request for a token', () => {
  it.each([
    [599, ['may not specify a duration less than 10 minutes']],
    [600, []],
    [2 ** 32, []],
    [2 ** 32 + 1, ['may not specify a duration larger than 2^32 seconds']],
  ])('for %d seconds is judged by its length', (expirationSeconds, expected) => {
    const causes: StatusCause[] = [];
    validateTokenRequest({ spec: { audiences: [], expirationSeconds } }, causes);
    expect(causes.map(({ message = '' }) => message.replace(/^Invalid value: \d+: /, ''))).toEqual(expected);
  });
});
