import { type Controller, type ControllerDeps, runController } from '../../control-plane/controllers/controller.ts';
import type { Client } from '../../shared/client.ts';
import { systemClock } from '../../shared/clock.ts';
import type { EventRecorder } from '../../shared/event-recorder.ts';
import type { Kind } from '../../shared/generated/types.ts';
import { createInformers } from '../../shared/informers.ts';
import { kinds } from '../../shared/kinds/index.ts';
import { silentLog } from '../../shared/log.ts';
import { systemRandom } from '../../shared/random.ts';

const silent: EventRecorder = { event: () => undefined, of: () => silent, idle: async () => undefined, dropped: 0 };

/** Runs some controllers, whose events go nowhere, until the function that comes back is called. */
export async function startControllers(
  client: Client,
  ...factories: readonly ((deps: ControllerDeps) => Controller)[]
): Promise<() => Promise<void>> {
  const stop = new AbortController();
  const base = { client, clock: systemClock, random: systemRandom, log: silentLog };
  const informers = createInformers(
    base,
    kinds.map(({ kind }) => kind as Kind).filter((kind) => kind !== 'Event'),
  );
  const deps = { ...base, informers, events: silent };
  const controllers = factories.map((create) => create(deps));
  const running = Promise.all([
    informers.run(stop.signal),
    ...controllers.map((controller) => runController(controller, deps, stop.signal)),
  ]).catch((error) => {
    if (!stop.signal.aborted) throw error;
  });
  await informers.synced(stop.signal);
  return async () => {
    stop.abort(new Error('the test is over'));
    await running;
  };
}
