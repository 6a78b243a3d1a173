import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Pod } from '../../../../shared/generated/types.ts';
import { kindNamed } from '../../../../shared/kinds/index.ts';
import { startTestApi, type TestApi } from '../../../../test/support/api-server.ts';

describe('pods/ephemeralcontainers', () => {
  let server: TestApi;
  beforeEach(async () => {
    server = await startTestApi();
    await server.client.create('Pod', {
      metadata: { name: 'p', namespace: 'default', labels: { a: 'b' } },
      spec: { containers: [{ name: 'app', image: 'app:1' }] },
    });
  });
  afterEach(() => server.stop());

  const target = () =>
    ({ entry: kindNamed('Pod'), namespace: 'default', name: 'p', subresource: 'ephemeralcontainers' }) as const;
  const context = () => ({ identity: { user: 'u', groups: [] }, signal: new AbortController().signal, warnings: [] });
  const add = async (...containers: object[]) => {
    const body = { spec: { ephemeralContainers: containers } };
    return (await server.api.patch(context(), target(), { type: 'strategic', body })).object;
  };

  it('adds containers to a pod and leaves all else', async () => {
    const body = { metadata: { labels: { a: 'c' } }, spec: { nodeName: 'x', ephemeralContainers: [debug('d1')] } };
    await server.api.patch(context(), target(), { type: 'strategic', body });
    const both = (await add(debug('d2', { targetContainerName: 'app' }))) as Pod;
    expect(both.spec.ephemeralContainers).toEqual([
      { ...debug('d2'), targetContainerName: 'app', imagePullPolicy: 'IfNotPresent', ...termination },
      { ...debug('d1'), imagePullPolicy: 'IfNotPresent', ...termination },
    ]);
    expect([both.spec.nodeName, both.metadata.labels]).toEqual([undefined, { a: 'b' }]);
    expect(await server.api.get(context(), target())).toEqual(both);
    // The pod can be changed as before.
    const labels = { type: 'merge', body: { metadata: { labels: { x: 'y' } } } } as const;
    await server.client.patch('Pod', 'p', labels, { namespace: 'default' });
  });

  it.each<[string, object[], string]>([
    ['a name that is taken', [debug('app')], 'spec.ephemeralContainers[0].name: Duplicate value: "app"'],
    [
      'a target that is not there',
      [debug('d2', { targetContainerName: 'x' })],
      'spec.ephemeralContainers[0].targetContainerName: Not found: "x"',
    ],
    [
      'what a container for looking may not have',
      [debug('d2', { ports: [{ containerPort: 80 }] })],
      'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container',
    ],
    [
      'another image for one that is there',
      [debug('d1', { image: 'other:1' })],
      'spec.ephemeralContainers: Forbidden: existing ephemeral containers "d1" may not be changed\n',
    ],
  ])('refuses %s', async (_what, containers, why) => {
    await add(debug('d1'));
    await expect(add(...containers)).rejects.toMatchObject({
      reason: 'Invalid',
      message: `Pod "p" is invalid: ${why}`,
    });
  });

  it('lets none be removed', async () => {
    await add(debug('d1'));
    const pod = await server.client.get('Pod', 'p', 'default');
    const without = { ...pod, spec: { ...pod.spec, ephemeralContainers: [] } };
    await expect(server.api.update(context(), target(), without)).rejects.toMatchObject({
      message:
        'Pod "p" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers "d1" may not be removed\n',
    });
  });
});

const termination = { resources: {}, terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File' };

function debug(name: string, more: object = {}) {
  return { name, image: 'busybox:1', ...more };
}
