import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Pod } from '../../../shared/generated/types.ts';
import { createInformers } from '../../../shared/informers.ts';
import { silentLog } from '../../../shared/log.ts';
import { seededRandom } from '../../../shared/random.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { runController } from '../controller.ts';
import { createStatefulSetController } from './controller.ts';

const namespace = 'default';
const labels = { app: 'db' };
// The pods are bound: they are terminating until their agent has stopped them.
const template = (image: string) => ({
  metadata: { labels },
  spec: { nodeName: 'n1', containers: [{ name: 'main', image }] },
});
const claims: object = {
  volumeClaimTemplates: [
    {
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
  ],
};

const isAvailable = (pod: Pod | undefined) =>
  pod?.status?.phase === 'Running' &&
  !pod.metadata.deletionTimestamp &&
  pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
const ordinal = (pod: Pod) => Number(pod.metadata.name.slice(3));

/** A StatefulSet whose controllers crash, and whose pods are watched for what the set promises. */
class Scene {
  readonly room: ControllerRoom;
  readonly isOrdered: boolean;
  replicas = 3;
  readonly max = 2;
  #leader: AbortController | undefined;
  #writes = 0;
  readonly faults: string[] = [];

  private constructor(room: ControllerRoom, isOrdered: boolean) {
    this.room = room;
    this.isOrdered = isOrdered;
  }

  static async start(isOrdered: boolean): Promise<Scene> {
    const scene = new Scene(await ControllerRoom.start(), isOrdered);
    const { room } = scene;
    await room.client.create('Node', { metadata: { name: 'n1' }, spec: {} });
    const pods = new Map<number, Pod>();
    room.informers.onChange((changes) => {
      for (const { kind, before, after } of changes) {
        if (kind !== 'Pod') continue;
        scene.#check(pods, before as Pod | undefined, after as Pod | undefined);
        if (after) pods.set(ordinal(after as Pod), after as Pod);
        else if (before) pods.delete(ordinal(before as Pod));
      }
    });
    await scene.lead();
    const spec = {
      replicas: 3,
      serviceName: 'db',
      selector: { matchLabels: labels },
      template: template('some:1'),
      ...claims,
      podManagementPolicy: isOrdered ? 'OrderedReady' : 'Parallel',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: scene.max } },
    };
    await room.client.create('StatefulSet', { metadata: { name: 'db', namespace }, spec });
    await room.advance();
    return scene;
  }

  /** What must hold of each change, in the order of the store. */
  #check(pods: ReadonlyMap<number, Pod>, before: Pod | undefined, after: Pod | undefined): void {
    if (!before && after) {
      if (pods.has(ordinal(after))) this.faults.push(`two pods named ${after.metadata.name}`);
      const first = [...Array(ordinal(after)).keys()].find((each) => !isAvailable(pods.get(each)));
      if (this.isOrdered && first !== undefined)
        this.faults.push(`${after.metadata.name} before db-${first} is available`);
    } else if (before && isAvailable(before) && after?.metadata.deletionTimestamp) {
      const wanted = [...Array(this.replicas).keys()];
      const unavailable = wanted.filter((each) => !isAvailable(pods.get(each))).length;
      if (ordinal(before) < this.replicas && unavailable >= this.max) {
        this.faults.push(`${before.metadata.name} deleted with ${unavailable} unavailable`);
      }
      const higher = [...pods.keys()].some((each) => each > ordinal(before));
      if (this.isOrdered && ordinal(before) >= this.replicas && higher) {
        this.faults.push(`${before.metadata.name} deleted before a higher one`);
      }
    }
  }

  /** A new leader, with informers of its own. */
  async lead(): Promise<void> {
    const leader = new AbortController();
    this.#leader = leader;
    const { room } = this;
    const base = { client: room.braked, clock: room.clock, random: seededRandom(3), log: silentLog };
    const kinds = ['StatefulSet', 'Pod', 'ControllerRevision', 'PersistentVolumeClaim'] as const;
    const informers = createInformers(base, kinds);
    const deps = { ...room.deps, informers };
    void Promise.allSettled([
      runController(createStatefulSetController(deps), deps, leader.signal),
      informers.run(leader.signal),
    ]);
    await room.advance();
  }

  /** The leader ends at its write of this number from now, before or after the store has it; then there is another. */
  crashAt(write: number, applied: boolean): void {
    const at = this.#writes + write;
    const match = (): boolean => {
      if (this.#writes++ !== at) return false;
      this.#leader?.abort(new Error('it crashed'));
      return true;
    };
    this.room.braked.writes.fail({ applied, match });
  }

  async takeOver(): Promise<void> {
    if (this.#leader?.signal.aborted) await this.lead();
  }

  async pods(): Promise<Pod[]> {
    return (await this.room.client.list('Pod', { namespace })).items;
  }

  async set(spec: object): Promise<void> {
    await this.room.client.patch('StatefulSet', 'db', { type: 'merge', body: { spec } }, { namespace });
    await this.room.advance();
  }

  /** The agent stops what is being deleted; other pods run, ready unless their image is broken. */
  async agent(): Promise<void> {
    for (const pod of await this.pods()) {
      const { name, uid, deletionTimestamp } = pod.metadata;
      const preconditions = { uid };
      if (deletionTimestamp) {
        await this.room.client.delete('Pod', name, { namespace, gracePeriodSeconds: 0, preconditions });
      } else if (pod.status?.phase !== 'Running' && pod.spec.containers[0]?.image !== 'broken') {
        await this.report(pod, 'True');
      }
      await this.room.advance();
    }
  }

  async report(pod: Pod, ready: string): Promise<void> {
    const conditions = [{ type: 'Ready', status: ready, lastTransitionTime: '2020-01-01T00:00:00Z' }];
    await this.room.client.updateStatus('Pod', {
      ...pod,
      status: { ...pod.status, phase: 'Running', conditions },
    } as Pod);
    await this.room.advance();
  }

  async stop(): Promise<void> {
    this.#leader?.abort(new Error('the test is over'));
    await this.room.stop();
  }
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ agent: true }) },
  { weight: 3, arbitrary: fc.record({ crashAt: fc.nat(5), applied: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ image: fc.constantFrom('some:1', 'some:2', 'broken') }) },
  { weight: 1, arbitrary: fc.record({ replicas: fc.integer({ min: 1, max: 4 }) }) },
);

it.each([true, false])(
  'a set keeps its promises when its controller crashes at any write, and comes to its last template (ordered: %s)',
  async (isOrdered) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const scene = await Scene.start(isOrdered);
        try {
          for (const one of steps) {
            if ('agent' in one) await scene.agent();
            else if ('crashAt' in one) scene.crashAt(one.crashAt, one.applied);
            else if ('image' in one) await scene.set({ template: template(one.image) });
            else {
              scene.replicas = one.replicas;
              await scene.set({ replicas: one.replicas });
            }
            await scene.takeOver();
          }
          await scene.set({ template: template('some:3') });
          await scene.room.until(async () => {
            await scene.takeOver();
            await scene.agent();
            const pods = await scene.pods();
            const isNew = (pod: Pod) => isAvailable(pod) && pod.spec.containers[0]?.image === 'some:3';
            return pods.length === scene.replicas && pods.every(isNew);
          }, 'the last template');
          expect(scene.faults).toEqual([]);
        } finally {
          await scene.stop();
        }
      }),
      { numRuns: 15 },
    );
  },
  60_000,
);
