import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ignoring } from '../../../shared/errors.ts';
import type { Job, JobSpec, Pod } from '../../../shared/generated/types.ts';
import { createInformers } from '../../../shared/informers.ts';
import { silentLog } from '../../../shared/log.ts';
import { seededRandom } from '../../../shared/random.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { runController } from '../controller.ts';
import { createJobController } from './controller.ts';

const namespace = 'default';
const indexKey = 'batch.kubernetes.io/job-completion-index';

/** What happens to the Job of a scene, its pods, its controller and the requests of that. */
type Step =
  | { readonly do: 'succeed' | 'fail' | 'remove'; readonly pod: number }
  | { readonly do: 'restart' }
  | { readonly do: 'hold' }
  | { readonly do: 'deliver' }
  | {
      readonly do: 'lose';
      readonly times: number;
      readonly applied: boolean;
      readonly verb: 'create' | 'patch' | 'updateStatus' | 'delete';
    }
  | { readonly do: 'change'; readonly spec: { readonly parallelism?: number; readonly suspend?: boolean } }
  | { readonly do: 'wait'; readonly ms: number };

const pod = fc.nat({ max: 5 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('succeed' as const), pod }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('fail' as const), pod }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), pod }) },
  { weight: 3, arbitrary: fc.constantFrom<Step>({ do: 'restart' }, { do: 'hold' }, { do: 'deliver' }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('lose' as const),
      applied: fc.boolean(),
      times: fc.constantFrom(1, 1, 6),
      verb: fc.constantFrom('create' as const, 'patch' as const, 'updateStatus' as const, 'delete' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('change' as const),
      spec: fc.oneof(fc.record({ parallelism: fc.integer({ min: 0, max: 4 }) }), fc.record({ suspend: fc.boolean() })),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 5, 50, 2_000, 30_000) }),
  },
);

/** A Job, whose pods end and whose controller restarts as the steps say. Remembers what became of each pod. */
class Scene {
  readonly succeeded = new Map<string, string>();
  readonly failed = new Set<string>();
  /** The largest parallelism since the last time that the controller had nothing to do. */
  bound: number;
  readonly #room: ControllerRoom;
  #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #release: (() => void) | undefined;

  private constructor(room: ControllerRoom, { parallelism = 1 }: Partial<JobSpec>) {
    this.#room = room;
    this.bound = parallelism;
  }

  static async start(spec: Partial<JobSpec>): Promise<Scene> {
    const room = await ControllerRoom.start();
    const scene = new Scene(room, spec);
    await scene.#run();
    const template: JobSpec['template'] = {
      spec: { containers: [{ name: 'main', image: 'some:1' }], restartPolicy: 'Never' },
    };
    await room.client.create('Job', {
      metadata: { name: 'work', namespace },
      spec: { backoffLimit: 1_000, template, ...spec },
    });
    await room.advance(20);
    return scene;
  }

  async #run(): Promise<void> {
    const { braked: client, clock, deps } = this.#room;
    const base = { client, clock, random: seededRandom(3), log: silentLog };
    const informers = createInformers(base, ['Job', 'Pod']);
    const own = { ...deps, informers };
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const controller = createJobController(own);
    this.#running = Promise.allSettled([runController(controller, own, signal), informers.run(signal)]);
    await clock.advance(1);
  }

  async restart(): Promise<void> {
    this.#stop.abort(new Error('restart'));
    await this.#room.advance(1);
    await this.#running;
    await this.#run();
  }

  job(): Promise<Job> {
    return this.#room.client.get('Job', 'work', namespace);
  }

  async pods(): Promise<Pod[]> {
    return (await this.#room.client.list('Pod', { namespace })).items;
  }

  async active(): Promise<Pod[]> {
    return (await this.pods()).filter(
      ({ metadata, status }) =>
        !/Succeeded|Failed/.test(status?.phase ?? '') && metadata.deletionTimestamp === undefined,
    );
  }

  async end(one: Pod | undefined, phase: 'Succeeded' | 'Failed'): Promise<void> {
    if (!one) return;
    const { uid, annotations, finalizers } = one.metadata;
    // A pod without the finalizer is one that the controller is about to delete.
    if (phase === 'Succeeded' && finalizers) this.succeeded.set(uid, annotations?.[indexKey] ?? uid);
    else this.failed.add(uid);
    const status = { ...one.status, phase };
    await this.#room.client.updateStatus('Pod', { ...one, status }).catch(ignoring('NotFound'));
  }

  async take(step: Step): Promise<void> {
    const room = this.#room;
    if ('pod' in step) {
      const active = await this.active();
      const one = active[step.pod % Math.max(1, active.length)];
      if (step.do !== 'remove') await this.end(one, step.do === 'succeed' ? 'Succeeded' : 'Failed');
      else if (one) {
        this.failed.add(one.metadata.uid);
        await room.client.delete('Pod', one.metadata.name, { namespace });
      }
    } else if (step.do === 'restart') await this.restart();
    else if (step.do === 'hold') this.#release ??= room.braked.watches.hold();
    else if (step.do === 'deliver') this.deliver();
    else if (step.do === 'lose') {
      room.braked.writes.fail({ applied: step.applied, times: step.times, match: ({ verb }) => verb === step.verb });
    } else if (step.do === 'wait') await room.advance(step.ms);
    else {
      if (step.spec.parallelism) this.bound = Math.max(this.bound, step.spec.parallelism);
      await room.client.patch('Job', 'work', { type: 'merge', body: { spec: step.spec } }, { namespace });
    }
    await room.advance(1);
  }

  deliver(): void {
    this.#release?.();
    this.#release = undefined;
  }

  /** Ends all pods with success, and lets time pass, until the Job has finished. */
  async finish(): Promise<void> {
    this.deliver();
    const spec = { suspend: false, parallelism: 3 };
    this.bound = Math.max(this.bound, 3);
    await this.#room.client.patch('Job', 'work', { type: 'merge', body: { spec } }, { namespace });
    for (let round = 0; round < 100; round++) {
      if ((await this.job()).status?.completionTime) return;
      for (const one of await this.active()) await this.end(one, 'Succeeded');
      await this.#room.advance(20_000);
    }
    throw new Error(`does not finish: ${JSON.stringify((await this.job()).status)}`);
  }

  async stop(): Promise<void> {
    this.deliver();
    this.#stop.abort(new Error('the scene is over'));
    await this.#room.advance(1);
    await this.#running;
    await this.#room.stop();
  }
}

async function check(scene: Scene): Promise<void> {
  const { spec, status = {} } = await scene.job();
  const waiting = status.uncountedTerminatedPods ?? {};
  const succeeded = (status.succeeded ?? 0) + (waiting.succeeded?.length ?? 0);
  const failed = (status.failed ?? 0) + (waiting.failed?.length ?? 0);
  expect((await scene.active()).length, 'active pods').toBeLessThanOrEqual(scene.bound);
  expect(succeeded, 'successes').toBeLessThanOrEqual(scene.succeeded.size);
  expect(failed, 'failures').toBeLessThanOrEqual(scene.failed.size);
  if (status.completionTime) expect(status.succeeded).toBeGreaterThanOrEqual(spec.completions ?? 1);
}

const cases: ReadonlyArray<[string, Partial<JobSpec>]> = [
  ['a Job', { completions: 4, parallelism: 2 }],
  ['an Indexed Job', { completions: 4, parallelism: 2, completionMode: 'Indexed' }],
  [
    'an Indexed Job with a backoff of each index',
    { completions: 3, parallelism: 2, completionMode: 'Indexed', backoffLimitPerIndex: 99 },
  ],
];

it.each(cases)(
  '%s never has more active pods than parallelism, never counts a pod twice, and never succeeds with fewer than completions, whatever restarts and gets lost',
  async (_name, spec) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const scene = await Scene.start(spec);
        try {
          for (const one of steps) {
            await scene.take(one);
            await check(scene);
          }
          await scene.finish();
          await check(scene);
          const { status } = await scene.job();
          expect(status?.uncountedTerminatedPods).toEqual({});
          if (spec.completionMode !== 'Indexed') return;
          // Each index has succeeded exactly once.
          expect(status?.completedIndexes).toBe(`0-${(spec.completions ?? 0) - 1}`);
          expect([...scene.succeeded.values()].sort()).toEqual(
            Array.from({ length: spec.completions ?? 0 }, (_, i) => `${i}`),
          );
        } finally {
          await scene.stop();
        }
      }),
      { numRuns: 25 },
    );
  },
  60_000,
);
