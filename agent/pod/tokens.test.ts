import { afterEach, describe, expect, it } from 'vitest';
import type { PodToken, PodTokenRequest } from '../../shared/rpc/tokens.ts';
import { container, HollowNode, makePod } from '../../test/support/hollow-agent.ts';
import { hollowVolumes } from '../volumes/hollow-volumes.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';

const minute = 60_000;
const wish = { audience: 'vault', expirationSeconds: 3600, path: 'token' };
const spec = {
  containers: [container('app')],
  serviceAccountName: 'robot',
  volumes: [{ name: 'access', projected: { sources: [{ serviceAccountToken: wish }] } }],
};

let node: HollowNode;
afterEach(() => node.kill());

/** A node whose control plane gives tokens that tell how many it has given, and which can be cut off from that. */
class Scene {
  readonly asked: PodTokenRequest[] = [];
  /** The token that the pod's volume shows now. */
  shown: string | undefined;
  readonly prepared: Array<string | undefined> = [];
  reachable = true;

  constructor() {
    node = new HollowNode();
    this.start();
  }

  start(): void {
    const request = async (one: PodTokenRequest): Promise<PodToken> => {
      if (!this.reachable) throw new Error('no way to the server');
      this.asked.push(one);
      return { token: `token-${this.asked.length}`, expires: node.clock.now() + 60 * minute };
    };
    const setUp: PodVolumes['prepare'] = async (pod, inputs, facts) => {
      const failures = await hollowVolumes.prepare(pod, inputs, facts);
      if (failures.length > 0) return failures;
      this.shown = (inputs.withoutTokens ?? inputs).token?.(wish);
      this.prepared.push(this.shown);
      return [];
    };
    const volumes: PodVolumes = { ...hollowVolumes, prepare: setUp, refresh: setUp };
    node.start({ tokens: { request }, volumes });
  }

  async run(): Promise<void> {
    node.server.assign(makePod('web', spec));
    await node.until(() => node.status('default/web')?.phase === 'Running');
  }
}

describe('a pod’s token', () => {
  it('is asked for once, for just this pod and account, before its containers start', async () => {
    const scene = new Scene();
    await scene.run();
    expect(scene.shown).toBe('token-1');
    expect(scene.asked).toEqual([
      {
        namespace: 'default',
        account: 'robot',
        pod: { name: 'web', uid: 'uid-web' },
        audience: 'vault',
        expirationSeconds: 3600,
      },
    ]);
  });

  it('is replaced after four fifths of its life, while the containers run on', async () => {
    const scene = new Scene();
    await scene.run();
    await node.clock.advance(44 * minute);
    expect(scene.shown).toBe('token-1');
    await node.clock.advance(5 * minute);
    expect(scene.shown).toBe('token-2');
    expect(node.status('default/web')?.containerStatuses?.[0]?.restartCount).toBe(0);
  });

  it('serves on when it can’t be renewed, and is renewed once it can', async () => {
    const scene = new Scene();
    await scene.run();
    scene.reachable = false;
    await node.clock.advance(50 * minute);
    expect(scene.shown).toBe('token-1');
    expect(node.running()).toEqual(['app']);
    scene.reachable = true;
    await node.until(() => scene.shown === 'token-2', minute);
  });

  it('is not asked for again by an agent that restarts', async () => {
    const scene = new Scene();
    await scene.run();
    await node.clock.advance(1_000);
    node.kill();
    scene.shown = undefined;
    scene.start();
    await node.until(() => scene.shown !== undefined);
    expect(scene.shown).toBe('token-1');
    expect(scene.asked).toHaveLength(1);
  });

  it('that is due, but not over, holds up no pod that is started again, and is renewed then', async () => {
    const scene = new Scene();
    await scene.run();
    await node.clock.advance(1_000);
    node.kill();
    scene.shown = undefined;
    await node.clock.advance(55 * minute);
    scene.start();
    scene.prepared.length = 0;
    await node.until(() => scene.shown === 'token-2');
    expect(scene.prepared).toEqual(['token-1', 'token-2']);
  });

  it('that has run out still lets the pod start while there is no other to be had', async () => {
    const scene = new Scene();
    await scene.run();
    await node.clock.advance(1_000);
    node.kill();
    scene.reachable = false;
    scene.shown = undefined;
    await node.clock.advance(120 * minute);
    scene.start();
    await node.until(() => scene.shown !== undefined);
    expect(scene.shown).toBe('token-1');
  });

  it('is never written to the disk', async () => {
    const scene = new Scene();
    await scene.run();
    await node.clock.advance(50 * minute);
    expect(scene.shown).toBe('token-2');
    expect([...node.checkpoint.values()].join()).not.toContain('token-');
    expect([...node.volatile.values()].join()).toContain('token-2');
    node.server.delete('default/web');
    await node.until(() => node.server.terminated.has('uid-web'));
    await node.clock.advance(1_000);
    expect([...node.volatile.keys()]).toEqual([]);
  });

  it('is missing after a power cut while the control plane is away, holds up nothing, and comes when it is back', async () => {
    const scene = new Scene();
    await scene.run();
    await node.clock.advance(1_000);
    node.kill();
    node.engine.powerCut();
    node.volatile.clear();
    scene.reachable = false;
    node.server.crash();
    scene.shown = undefined;
    scene.start();
    await node.until(() => node.running().length === 1);
    expect(scene.shown).toBeUndefined();
    scene.reachable = true;
    node.server.up = true;
    await node.until(() => scene.shown === 'token-2');
    expect(node.running()).toEqual(['app']);
  });

  it('keeps a pod waiting that has never had one, and says why', async () => {
    const scene = new Scene();
    scene.reachable = false;
    node.server.assign(makePod('web', spec));
    await node.until(() => node.server.events.some(({ reason }) => reason === 'FailedMount'));
    expect(node.server.events.find(({ reason }) => reason === 'FailedMount')?.message).toBe(
      'MountVolume.SetUp failed for volume "access" : failed to fetch token: no way to the server',
    );
    expect(node.running()).toEqual([]);
    scene.reachable = true;
    await node.until(() => node.status('default/web')?.phase === 'Running');
  });
});
