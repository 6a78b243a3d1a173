import { afterEach, beforeEach, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../../../test/support/api-server.ts';
import { podDraft } from '../../../../test/support/drafts.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

it('marks a pod that runs on a node as being deleted', async () => {
  const draft = podDraft('a');
  const made = await server.client.create('Pod', { ...draft, spec: { ...draft.spec, nodeName: 'n1' } });
  await server.client.evict(made);
  expect((await server.client.get('Pod', 'a', 'default')).metadata.deletionTimestamp).toBeDefined();
});
