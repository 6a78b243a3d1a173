import { afterEach, describe, expect, it } from 'vitest';
import { container, HollowNode, makePod } from '../../test/support/hollow-agent.ts';

let node: HollowNode;
afterEach(() => node.kill());

function fresh(...args: ConstructorParameters<typeof HollowNode>): HollowNode {
  node = new HollowNode(...args);
  return node;
}

async function withRunningPod(spec = {}): Promise<void> {
  fresh().start();
  node.server.assign(makePod('web', spec));
  await node.until(() => node.status('default/web')?.phase === 'Running');
}

describe('the session', () => {
  it('is built anew after a gap in the assignments', async () => {
    await withRunningPod();
    node.server.send([], 5);
    await node.until(() => node.server.registrations.length === 2, 2_000);
    expect(node.running()).toEqual(['app']);
  });

  it('is built anew when heartbeats are not acknowledged for the lease’s time', async () => {
    await withRunningPod();
    node.server.acknowledgeHeartbeats = false;
    await node.until(() => node.server.registrations.length >= 2, 8_000);
  });

  it('comes back within about a second of a control plane’s return', async () => {
    await withRunningPod();
    node.server.crash();
    await node.clock.advance(30_000);
    node.server.up = true;
    await node.until(() => node.server.connected, 2_100);
  });

  it('loses no status: what was not acknowledged is sent again', async () => {
    fresh().start();
    node.server.acknowledgeStatuses = false;
    node.server.assign(makePod('web'));
    await node.until(() => node.running().length === 1);
    node.server.crash();
    node.server.acknowledgeStatuses = true;
    await node.clock.advance(1_000);
    node.server.up = true;
    await node.until(() => node.status('default/web')?.phase === 'Running', 5_000);
  });

  it('streams a log through a tunnel', async () => {
    await withRunningPod({ containers: [container('app', { command: ['fake.log=hello', 'fake.log=there'] })] });
    const parameters = {
      namespace: 'default',
      pod: 'web',
      uid: 'uid-web',
      container: 'app',
      follow: false,
      previous: false,
      timestamps: false,
    };
    node.server.openLogs('t1', { ...parameters, tail: 1 });
    await node.until(() => node.server.tunnels.has('t1'));
    const text: string[] = [];
    for await (const frame of node.server.tunnels.get('t1')?.incoming ?? []) {
      text.push(Buffer.from(frame.data).toString());
      if (frame.end) break;
    }
    expect(text.join('')).toBe('there\n');
    node.server.openLogs('t2', { ...parameters, container: 'app', previous: true });
    await node.until(() => node.server.tunnels.has('t2'));
    for await (const frame of node.server.tunnels.get('t2')?.incoming ?? []) {
      expect(frame.channel).toBe(3);
      expect(JSON.parse(Buffer.from(frame.data).toString())).toMatchObject({ kind: 'Status', code: 400 });
      break;
    }
  });
});
