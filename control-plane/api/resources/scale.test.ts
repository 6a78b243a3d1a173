import { afterEach, beforeEach, expect, it } from 'vitest';
import { kindNamed } from '../../../shared/kinds/index.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { deploymentDraft } from '../../../test/support/drafts.ts';
import type { WriteResult } from '../api.ts';
import type { Authorizer } from '../auth/identity.ts';

/** Lets a user named `scaler` scale, and do nothing else; lets all others do everything. */
const authorizer: Authorizer = {
  authorize: ({ user }, { subresource }) =>
    user !== 'scaler' || subresource === 'scale' ? { allowed: true } : { allowed: false, reason: 'not allowed' },
};

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi({ authorizer });
  await server.client.create('Deployment', deploymentDraft('web'));
});
afterEach(() => server.stop());

const target = { entry: kindNamed('Deployment'), namespace: 'default', name: 'web', subresource: 'scale' } as const;
const scaleTo = (replicas: number) => ({
  apiVersion: 'autoscaling/v1',
  kind: 'Scale',
  metadata: { name: 'web' },
  spec: { replicas },
});
const context = () => ({
  identity: { user: 'scaler', groups: [] },
  signal: AbortSignal.timeout(10_000),
  warnings: [],
});

it.each<[string, () => Promise<WriteResult>]>([
  ['an update', () => server.api.update(context(), target, scaleTo(3))],
  ['a patch', () => server.api.patch(context(), target, { type: 'merge', body: { spec: { replicas: 3 } } })],
  [
    'an apply',
    () => server.api.patch(context(), target, { type: 'apply', body: scaleTo(3) }, { fieldManager: 'm', force: true }),
  ],
])('%s needs the right to the subresource alone', async (_how, scale) => {
  expect(await scale()).toMatchObject({ object: { kind: 'Scale', spec: { replicas: 3 } }, outcome: 'updated' });
  expect((await server.client.get('Deployment', 'web', 'default')).spec.replicas).toBe(3);
});

it('ignores the kind in a strategic merge patch, at scale too, as clients name the kind that they scale', async () => {
  await server.client.create('Deployment', deploymentDraft('named'));
  const patch = (subresource: 'scale' | undefined, type: 'strategic' | 'merge', body: object) =>
    server.client.patch('Deployment', 'named', { type, body }, { namespace: 'default', subresource });
  await patch('scale', 'strategic', { apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas: 4 } });
  expect((await server.client.get('Deployment', 'named', 'default')).spec.replicas).toBe(4);
  const labelled = { kind: 'Scale', metadata: { labels: { a: 'b' } } };
  expect(await patch(undefined, 'strategic', labelled)).toMatchObject({
    kind: 'Deployment',
    metadata: { labels: { a: 'b' } },
  });
  await expect(patch('scale', 'merge', { kind: 'Deployment', spec: { replicas: 5 } })).rejects.toThrow('Scale');
});

it('scales through the scale subresource', async () => {
  await server.client.create('Deployment', deploymentDraft('d'));
  await server.client.patch(
    'Deployment',
    'd',
    { type: 'merge', body: { spec: { replicas: 4 } } },
    { namespace: 'default', subresource: 'scale' },
  );
  expect((await server.client.get('Deployment', 'd', 'default')).spec.replicas).toBe(4);
});
