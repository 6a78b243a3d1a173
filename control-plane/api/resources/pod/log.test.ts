import { afterAll, beforeAll, expect, test } from 'vitest';
import { kindNamed } from '../../../../shared/kinds/index.ts';
import type { LogStreamParameters } from '../../../../shared/session.ts';
import { startTestApi, type TestApi } from '../../../../test/support/api-server.ts';
import { noPodStreams } from '../../../../test/support/pod-stream.ts';
import type { LogQuery } from '../../api.ts';
import { component } from '../../auth/identity.ts';

let server: TestApi;
const asked: LogStreamParameters[] = [];

beforeAll(async () => {
  server = await startTestApi({
    nodeStreams: {
      ...noPodStreams,
      async logs(_node, parameters) {
        asked.push(parameters);
        return (async function* () {
          yield Buffer.from('text');
        })();
      },
    },
  });
  const containers = [{ name: 'app', image: 'x' }];
  await server.client.create('Pod', {
    metadata: { name: 'placed', namespace: 'default' },
    spec: { nodeName: 'n1', containers },
  });
  await server.client.create('Pod', { metadata: { name: 'waiting', namespace: 'default' }, spec: { containers } });
});
afterAll(() => server.stop());

async function logs(name: string, query: LogQuery = {}): Promise<string> {
  const context = { identity: component('test'), signal: new AbortController().signal, warnings: [] };
  const target = { entry: kindNamed('Pod'), namespace: 'default', name, subresource: 'log' as const };
  let text = '';
  for await (const chunk of await server.api.logs(context, target, query)) text += Buffer.from(chunk).toString();
  return text;
}

test('a log is requested from the pod’s node, with the start time it is relative to', async () => {
  expect(await logs('placed', { sinceTime: '2026-01-01T00:00:00Z', tailLines: 0, limitBytes: 5 })).toBe('text');
  expect(asked.at(-1)).toMatchObject({
    pod: 'placed',
    container: 'app',
    follow: false,
    previous: false,
    since: Date.UTC(2026, 0, 1),
    tail: 0,
    limitBytes: 5,
  });
});

test('a pod that has no node yet has an empty log', async () => {
  expect(await logs('waiting')).toBe('');
});

test.each([
  [
    { tailLines: -1 },
    'PodLogOptions "placed" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
  ],
  [{ limitBytes: 0 }, 'PodLogOptions "placed" is invalid: limitBytes: Invalid value: 0: must be greater than 0'],
  [{ sinceSeconds: 0 }, 'PodLogOptions "placed" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0'],
  [
    { sinceSeconds: 1, sinceTime: '2026-01-01T00:00:00Z' },
    'at most one of `sinceTime` or `sinceSeconds` may be specified',
  ],
])('%j is refused in Kubernetes’ words', async (query, message) => {
  await expect(logs('placed', query)).rejects.toMatchObject({
    reason: 'Invalid',
    message: expect.stringContaining(message),
  });
});
