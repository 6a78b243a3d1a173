import { createAgent } from '../../agent/agent.ts';
import { memoryCheckpoint } from '../../agent/checkpoint/checkpoint.ts';
import { FakeEngine } from '../../agent/runtime/fake/engine.ts';
import { FakeRuntime } from '../../agent/runtime/fake/fake.ts';
import { hollowVolumes } from '../../agent/volumes/hollow-volumes.ts';
import { type ControlPlane, createControlPlane } from '../../control-plane/control-plane.ts';
import { LivenessCore } from '../../control-plane/liveness/core.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import { systemClock as clock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { createAuthority, loadAuthority } from '../../shared/pki/certificates.ts';
import { systemRandom as random } from '../../shared/random.ts';
import { SimNetwork } from '../sim/network.ts';
import { eventually } from './eventually.ts';
import { type Kubectl, serveKubectl } from './kubectl.ts';

export interface HollowKubectl {
  readonly controlPlane: ControlPlane;
  readonly kubectl: Kubectl;
  close(): Promise<void>;
}

/** A whole cluster in this process, in real time, with one hollow node called `node-1`, and real kubectl on it. */
export async function startHollowKubectl(): Promise<HollowKubectl> {
  const stop = new AbortController();
  const base = { clock, random, log: silentLog };
  const store = new MemoryStore({ clock });
  // The agent shares this process with everything that a test does.
  const liveness = new LivenessCore({ ...base, store, server: 'test' });
  const controlPlane = createControlPlane({
    ...base,
    store,
    liveness,
    holder: 'test',
    clusterCIDR: '10.98.0.0/16',
    leaseMs: 20_000,
  });
  const running = controlPlane.run(stop.signal);
  await controlPlane.ready(stop.signal);
  const network = new SimNetwork(clock, random);
  network.servers.set('test', { sessions: controlPlane.sessions, heartbeats: liveness });
  const agent = createAgent({
    ...base,
    transport: network.transportOf('node-1'),
    runtime: new FakeRuntime(new FakeEngine({ clock, random }, { images: 'all' })),
    volumes: hollowVolumes,
    checkpoint: memoryCheckpoint(new Map()),
    dialers: { http: refuse, tcp: refuse, grpc: refuse },
    usageEveryMs: 1_100,
    node: {
      name: 'node-1',
      address: '192.0.2.1',
      labels: {},
      taints: [],
      version: 'v1.32.0-test',
      machineId: 'machine',
      bootId: 'boot',
      maxPods: 110,
      reserved: { cpuMillis: 0, memoryBytes: 0 },
    },
  });
  const working = agent.run(stop.signal);
  const pki = { clock, random };
  const authority = await loadAuthority(await createAuthority('test-ca', pki), pki);
  const kubectl = await serveKubectl({ controlPlane, authority });
  await eventually(async () => {
    const { items } = await controlPlane.client.list('Node', {});
    return items.some(({ status }) =>
      status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True'),
    );
  });
  return {
    controlPlane,
    kubectl,
    async close() {
      await kubectl.close();
      network.agentDied('node-1', false);
      stop.abort(new Error('the test is over'));
      await Promise.all([running, working]);
      await store.close();
    },
  };
}

async function refuse(): Promise<never> {
  throw new Error('connect: connection refused');
}
