import { component } from '../../control-plane/api/auth/identity.ts';
import { LocalClient } from '../../control-plane/api/local-client.ts';
import { usageHandlers } from '../../control-plane/api/resources/metrics/usage.ts';
import { type Controller, type ControllerDeps, runController } from '../../control-plane/controllers/controller.ts';
import type { EventRecorder } from '../../shared/event-recorder.ts';
import type { Kind } from '../../shared/generated/types.ts';
import type { Informers } from '../../shared/informer.ts';
import { createInformers } from '../../shared/informers.ts';
import { kinds } from '../../shared/kinds/index.ts';
import { silentLog } from '../../shared/log.ts';
import type { KubeObject } from '../../shared/object.ts';
import { seededRandom } from '../../shared/random.ts';
import type { LatestUsage } from '../../shared/session.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { startTestApi, type TestApi } from './api-server.ts';
import { BrakedClient } from './braked-client.ts';

/** One event that a controller recorded. */
export interface RecordedEvent {
  readonly about: string;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

const watched = kinds.map(({ kind }) => kind as Kind).filter((kind) => kind !== 'Event');

/**
 * Some controllers on a memory store and a virtual clock. Their client and informers have a brake; the test's own client has
 * none. Nothing else runs: pods stay as the test made them.
 */
export class ControllerRoom {
  readonly clock: VirtualClock;
  readonly server: TestApi;
  /** The controllers' client. */
  readonly braked: BrakedClient;
  readonly informers: Informers;
  readonly events: RecordedEvent[] = [];
  /** The latest usage of each node and its pods. */
  readonly usage: Map<string, LatestUsage>;
  readonly #stop = new AbortController();
  #running: Promise<unknown> | undefined;

  private constructor(server: TestApi, clock: VirtualClock, usage: Map<string, LatestUsage>) {
    this.server = server;
    this.usage = usage;
    this.clock = clock;
    this.braked = new BrakedClient(new LocalClient({ api: server.api, identity: component('test'), clock }));
    this.informers = createInformers(this.#base, watched);
  }

  static async start(...factories: readonly ((deps: ControllerDeps) => Controller)[]): Promise<ControllerRoom> {
    const clock = new VirtualClock();
    const usage = new Map<string, LatestUsage>();
    const handlers = usageHandlers(async () => usage);
    const server = await startTestApi({ clock, random: seededRandom(1), handlers });
    const room = new ControllerRoom(server, clock, usage);
    await room.#start(factories);
    return room;
  }

  get client(): LocalClient {
    return this.server.client;
  }

  /** What its controllers are made with. */
  get deps(): ControllerDeps {
    return { ...this.#base, informers: this.informers, events: recorder(this.events) };
  }

  get #base() {
    return { client: this.braked, clock: this.clock, random: seededRandom(2), log: silentLog };
  }

  async #start(factories: readonly ((deps: ControllerDeps) => Controller)[]): Promise<void> {
    const { signal } = this.#stop;
    const { deps } = this;
    const controllers = factories.map((create) => create(deps));
    this.#running = Promise.allSettled([
      this.informers.run(signal),
      ...controllers.map((controller) => runController(controller, deps, signal)),
    ]);
    await this.clock.advance(1);
    await this.informers.synced(signal);
    await this.clock.advance(1);
  }

  /** Lets `ms` pass: what is due and what is ready is done. */
  advance(ms = 100): Promise<void> {
    return this.clock.advance(ms);
  }

  /** Advances until `check` holds, a minute at most. */
  async until(check: () => Promise<unknown>, what: string): Promise<void> {
    const end = this.clock.monotonic() + 60_000;
    while (!(await check())) {
      if (this.clock.monotonic() > end) throw new Error(`not within a minute: ${what}`);
      await this.clock.advance(20);
    }
  }

  /** The reasons of the events about an object, in order. */
  reasons(about: string): string[] {
    return this.events.filter((one) => one.about === about).map(({ reason }) => reason);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the test is over'));
    await this.clock.advance(1);
    await this.#running;
    await this.server.stop();
  }
}

function recorder(recorded: RecordedEvent[]): EventRecorder {
  const all: EventRecorder = {
    event: (object: KubeObject, type: string, reason: string, message: string) =>
      void recorded.push({ about: object.metadata.name, type, reason, message }),
    of: () => all,
    idle: async () => undefined,
    dropped: 0,
  };
  return all;
}
