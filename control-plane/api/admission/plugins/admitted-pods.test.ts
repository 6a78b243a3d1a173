import { afterEach, beforeEach, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../../../test/support/api-server.ts';
import { podDraft } from '../../../../test/support/drafts.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

it('gives pods a service account and a priority, and has only the system’s priority classes', async () => {
  const plain = await server.client.create('Pod', podDraft('a'));
  expect(plain.spec).toMatchObject({ serviceAccountName: 'default', priority: 0 });
  const system = await server.client.create('Pod', {
    ...podDraft('b'),
    spec: { ...podDraft('b').spec, priorityClassName: 'system-node-critical' },
  });
  expect(system.spec.priority).toBe(2_000_001_000);
  await expect(
    server.client.create('Pod', { ...podDraft('c'), spec: { ...podDraft('c').spec, priorityClassName: 'mine' } }),
  ).rejects.toMatchObject({
    reason: 'Forbidden',
    message: expect.stringContaining('no PriorityClass with name mine'),
  });
});
