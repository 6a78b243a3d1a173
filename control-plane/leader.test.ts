import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isApiError } from '../shared/errors.ts';
import { kindNamed } from '../shared/kinds/index.ts';
import { silentLog } from '../shared/log.ts';
import { seededRandom } from '../shared/random.ts';
import { VirtualClock } from '../shared/virtual-clock.ts';
import { createControlPlane } from './control-plane.ts';
import { lead, requireTerm } from './leader.ts';
import { LivenessCore } from './liveness/core.ts';
import type { LeaseStore } from './liveness/lease-store.ts';
import type { Liveness, Term } from './liveness/liveness.ts';
import { objectKey } from './store/keys.ts';
import { MemoryStore } from './store/memory.ts';

const leaderKey = objectKey(kindNamed('Lease'), 'kube-system', 'coracle-controllers');

let clock: VirtualClock;
let store: MemoryStore;
let stop: AbortController;
/** The leaders, in order. */
let led: string[];
const servers: Server[] = [];

/** A server that campaigns, leads and does nothing. */
class Server {
  term: Term | undefined;
  /** Of its work, while it leads. */
  working: AbortSignal | undefined;
  /** Whether its thread of requests runs. */
  lives = true;
  /** Whether it reaches the store. */
  online = true;
  failure: Error | undefined;
  readonly stop = new AbortController();
  readonly running: Promise<void>;

  constructor(readonly name: string) {
    const deps = { clock, random: seededRandom(servers.length + 1), log: silentLog };
    const liveness = new LivenessCore({
      ...deps,
      store: this.#store(),
      server: name,
      mainThreadAlive: () => this.lives,
    });
    const signal = AbortSignal.any([stop.signal, this.stop.signal]);
    this.running = lead({ ...deps, liveness, holder: name }, (term, working) => this.#work(term, working), signal);
    servers.push(this);
  }

  async #work(term: Term, working: AbortSignal): Promise<void> {
    led.push(this.name);
    Object.assign(this, { term, working });
    await clock.sleep(1_000_000, working).catch(() => undefined);
    this.working = undefined;
    if (this.failure) throw this.failure;
  }

  #store(): LeaseStore {
    const through = async <T>(call: () => Promise<T>): Promise<T> => {
      if (!this.online) throw new Error('no way to the store');
      return call();
    };
    return {
      get: (key) => through(() => store.get(key)),
      txn: (txn) => through(() => store.txn(txn)),
      grantLease: (ttl) => through(() => store.grantLease(ttl)),
      keepAlive: (lease) => through(() => store.keepAlive(lease)),
      revokeLease: (lease) => through(() => store.revokeLease(lease)),
    };
  }
}

beforeEach(() => {
  clock = new VirtualClock();
  store = new MemoryStore({ clock });
  stop = new AbortController();
  led = [];
});
afterEach(async () => {
  stop.abort(new Error('the test is over'));
  await clock.advance(1_000);
  await Promise.all(servers.splice(0).map(({ running }) => running));
});

/** A leader and a follower. */
async function two(): Promise<[Server, Server]> {
  const leader = new Server('a');
  await clock.advance(100);
  const follower = new Server('b');
  await clock.advance(60_000);
  expect(led).toEqual(['a']);
  return [leader, follower];
}

describe('a leader', () => {
  it('leads as long as it lives, and its term holds', async () => {
    const [leader] = await two();
    expect(leader.term?.holds()).toBe(true);
    expect(() => leader.term && requireTerm(leader.term)).not.toThrow();
  });

  it('lets another lead at once when it is stopped in order', async () => {
    const [leader] = await two();
    leader.stop.abort(new Error('stopped'));
    await clock.advance(2_000);
    expect(led).toEqual(['a', 'b']);
  });

  it('knows that its term is over before another leads, when it does not reach the store', async () => {
    const [leader, follower] = await two();
    leader.online = false;
    let held = clock.monotonic();
    for (let at = 0; at < 12_000; at += 50) {
      await clock.advance(50);
      if (leader.term?.holds()) held = clock.monotonic();
      if (!follower.working) continue;
      expect(leader.working).toBeUndefined();
      expect(clock.monotonic() - held).toBeGreaterThan(500);
      break;
    }
    expect(led).toEqual(['a', 'b']);
    expect(
      isApiError(
        thrownBy(() => leader.term && requireTerm(leader.term)),
        'ServiceUnavailable',
      ),
    ).toBe(true);
  });

  it('whose thread of requests does not run any more loses its leadership, and leads again only after another has', async () => {
    const [leader, follower] = await two();
    leader.lives = false;
    await clock.advance(10_000);
    expect(led).toEqual(['a', 'b']);
    expect(leader.term?.holds()).toBe(false);
    leader.lives = true;
    await clock.advance(30_000);
    expect(led).toEqual(['a', 'b']);
    follower.stop.abort(new Error('stopped'));
    await clock.advance(2_000);
    expect(led).toEqual(['a', 'b', 'a']);
    expect(leader.term?.holds()).toBe(true);
  });

  it('whose work fails as its term ends comes back as a follower', async () => {
    const [leader] = await two();
    const { item } = await store.get(leaderKey);
    expect(item).toBeDefined();
    leader.failure = new Error('its work has failed');
    leader.online = false;
    await clock.advance(12_000);
    leader.online = true;
    await clock.advance(12_000);
    expect(led).toEqual(['a', 'b']);
  });
});

it('a leader’s busy thread writes nothing once its term is over, even before it receives the event', async () => {
  let holds = true;
  const term: Term = { holds: () => holds, over: new Promise(() => undefined), resign: async () => undefined };
  const deps = { clock, random: seededRandom(1), log: silentLog, store };
  const core = new LivenessCore({ ...deps, server: 'a' });
  const liveness: Liveness = Object.assign(core, { campaign: async () => term });
  const controlPlane = createControlPlane({ ...deps, liveness, holder: 'a', clusterCIDR: '10.64.0.0/16' });
  const running = controlPlane.run(stop.signal);
  const ready = controlPlane.ready(stop.signal);
  await clock.advance(1_000);
  await ready;
  const create = (name: string) => {
    const labels = { app: name };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'x' }] } };
    const spec = { replicas: 1, selector: { matchLabels: labels }, template };
    return controlPlane.client.create('ReplicaSet', { metadata: { name, namespace: 'default' }, spec } as never);
  };
  const pods = async () => (await controlPlane.client.list('Pod', { namespace: 'default' })).items.length;
  const first = create('first');
  await clock.advance(400);
  await first;
  expect(await pods()).toBe(1);
  const second = create('second');
  holds = false;
  await clock.advance(400);
  await second;
  expect(await pods()).toBe(1);
  stop.abort(new Error('the test is over'));
  await clock.advance(1_000);
  await running;
});

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}
