import { expect, it } from 'vitest';
import type { FieldSelectorAttributes } from '../../../../shared/generated/types.ts';
import { admitted } from '../../../../test/support/kind-rules.ts';
import type { Attributes } from '../../auth/identity.ts';
import type { WriteRequest } from '../../requests/request.ts';
import { subjectAccessReview } from './access.ts';

it('asks about what a review selects, as far as it can be read', async () => {
  const asked: Attributes[] = [];
  const authorizer = {
    authorize: (_identity: unknown, attributes: Attributes) => {
      asked.push(attributes);
      return { allowed: true } as const;
    },
  };
  const ask = async (fieldSelector: FieldSelectorAttributes): Promise<Attributes['fields']> => {
    const spec = { user: 'ann', resourceAttributes: { verb: 'list', resource: 'pods', fieldSelector } };
    const core = { authorizer } as unknown as WriteRequest['core'];
    await subjectAccessReview.create?.({ core } as WriteRequest, admitted('SubjectAccessReview', { spec }));
    return asked.at(-1)?.fields;
  };
  const mine = [{ path: 'spec.nodeName', equal: true, value: 'n1' }];
  expect(await ask({ rawSelector: 'spec.nodeName=n1' })).toEqual(mine);
  expect(await ask({ requirements: [{ key: 'spec.nodeName', operator: 'In', values: ['n1'] }] })).toEqual(mine);
  expect(await ask({ requirements: [{ key: 'a', operator: 'NotIn', values: ['b'] }] })).toEqual([
    { path: 'a', equal: false, value: 'b' },
  ]);
  expect(await ask({ requirements: [{ key: 'a', operator: 'In', values: ['b', 'c'] }] })).toEqual([]);
  expect(await ask({ rawSelector: 'no selector' })).toBeUndefined();
});
