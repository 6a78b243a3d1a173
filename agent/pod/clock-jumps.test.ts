import { afterEach, describe, expect, it } from 'vitest';
import { container, HollowNode, makePod } from '../../test/support/hollow-agent.ts';
import { FakeRuntime } from '../runtime/fake/fake.ts';
import { hollowVolumes } from '../volumes/hollow-volumes.ts';

let node: HollowNode;
afterEach(() => node.kill());

const hour = 3_600_000;

const app = (...command: string[]) => [container('app', { command })];
const status = () => node.status('default/web')?.containerStatuses?.[0];

describe('when the clock is set back by an hour', () => {
  it('a container that crashes again and again is still restarted within a minute', async () => {
    node = new HollowNode();
    node.start();
    await node.until(() => node.server.connected);
    node.server.assign(makePod('web', { containers: app('fake.exit=1') }));
    await node.until(() => (status()?.restartCount ?? 0) >= 3);
    const before = status()?.restartCount ?? 0;
    node.clock.jump(-hour);
    await node.until(() => (status()?.restartCount ?? 0) > before, 61_000);
  });

  it('an image that could not be pulled is tried again, and soon', async () => {
    let there = false;
    node = new HollowNode({ images: [], inRegistry: () => there });
    node.start();
    await node.until(() => node.server.connected);
    node.server.assign(makePod('web'));
    await node.until(() => status()?.state?.waiting?.reason === 'ImagePullBackOff');
    there = true;
    node.clock.jump(-hour);
    await node.until(() => node.running().includes('app'), 61_000);
  });

  it('a sandbox that could not be made is tried again, and soon', async () => {
    node = new HollowNode();
    const runtime = new FakeRuntime(node.engine);
    const create = runtime.createSandbox.bind(runtime);
    let broken = true;
    runtime.createSandbox = async (...args) => {
      if (broken) throw new Error('no room');
      return create(...args);
    };
    node.start({ runtime });
    await node.until(() => node.server.connected);
    node.server.assign(makePod('web'));
    await node.until(() => node.server.events.some(({ reason }) => reason === 'FailedCreatePodSandBox'));
    broken = false;
    node.clock.jump(-hour);
    await node.until(() => node.running().includes('app'), 31_000);
  });

  it('volumes that could not be written are tried again, and soon', async () => {
    node = new HollowNode();
    let broken = true;
    const volumes = {
      ...hollowVolumes,
      prepare: async (...args: Parameters<typeof hollowVolumes.prepare>) => {
        if (broken) throw new Error('no disk');
        return hollowVolumes.prepare(...args);
      },
    };
    node.start({ volumes });
    await node.until(() => node.server.connected);
    node.server.assign(makePod('web'));
    await node.until(() => node.server.events.some(({ reason }) => reason === 'FailedMount'));
    broken = false;
    node.clock.jump(-hour);
    await node.until(() => node.running().includes('app'), 31_000);
  });

  it('a step that threw is tried again, and soon', async () => {
    node = new HollowNode();
    const runtime = new FakeRuntime(node.engine);
    const remove = runtime.removeSandbox.bind(runtime);
    let refused = 0;
    runtime.removeSandbox = async (...args) => {
      if (refused++ === 0) throw new Error('busy');
      return remove(...args);
    };
    node.start({ runtime });
    await node.until(() => node.server.connected);
    node.server.assign(makePod('web', { containers: app() }));
    await node.until(() => node.running().includes('app'));
    node.server.delete('default/web', 1);
    await node.until(() => refused > 0);
    node.clock.jump(-hour);
    await node.until(() => node.server.terminated.has('uid-web'), 31_000);
  });

  it('a pod that is being deleted has its grace and no more', async () => {
    node = new HollowNode();
    node.start();
    await node.until(() => node.server.connected);
    const lifecycle = { preStop: { sleep: { seconds: 20 } } };
    const containers = [container('app', { command: ['fake.stubborn'], lifecycle })];
    const initContainers = [container('proxy', { command: ['fake.stubborn'], restartPolicy: 'Always' })];
    node.server.assign(makePod('web', { containers, initContainers }));
    await node.until(() => node.running().length === 2);
    node.server.delete('default/web', 10);
    await node.clock.advance(1_000);
    node.clock.jump(-hour);
    await node.until(() => node.server.terminated.has('uid-web'), 30_000);
    expect(node.running()).toEqual([]);
  });
});
