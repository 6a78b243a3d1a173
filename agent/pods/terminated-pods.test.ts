import { afterEach, expect, it } from 'vitest';
import { container, HollowNode, makePod } from '../../test/support/hollow-agent.ts';

let node: HollowNode;
afterEach(() => node.kill());

it('a pod that has ended here is reported with the same status to a server whose view of it is older', async () => {
  node = new HollowNode();
  const agent = node.start();
  await node.until(() => node.server.connected);
  const pod = makePod('web', { containers: [container('app')] });
  node.server.assign(pod);
  await node.until(() => node.running().includes('app'));
  const older = node.status('default/web');
  node.server.acknowledgeStatuses = false;
  node.server.delete('default/web', 1);
  await node.until(() => agent.stats.pods === 0);

  const metadata = { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 1 };
  node.server.pods.set('default/web', { ...pod, metadata, ...(older ? { status: older } : {}) });
  node.server.cut();
  node.server.acknowledgeStatuses = true;
  await node.until(() => node.server.terminated.has(pod.metadata.uid));
  expect(older?.phase).toBe('Running');
  expect(node.status('default/web')).toMatchObject({
    phase: 'Succeeded',
    containerStatuses: [{ state: { terminated: { exitCode: 0, reason: 'Completed' } } }],
  });
});
