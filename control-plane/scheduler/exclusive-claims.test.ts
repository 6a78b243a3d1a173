import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { PersistentVolume, PersistentVolumeClaim } from '../../shared/generated/types.ts';
import { annotations } from '../../shared/storage/claims.ts';
import { SchedulerScene } from '../../test/support/scheduler-scene.ts';
import { onNode, pendingPod, readyNode, terminating } from '../../test/support/scheduling.ts';
import { claimOf, volumeOf } from '../../test/support/volumes.ts';

const modes = { accessModes: ['ReadWriteOncePod'] };
const claim = {
  ...claimOf('data', { ...modes, volumeName: 'v' }, { uid: 'c', annotations: { [annotations.bindCompleted]: 'yes' } }),
  kind: 'PersistentVolumeClaim',
} as unknown as PersistentVolumeClaim;
const volume = { ...volumeOf('v', modes, { uid: 'v' }), kind: 'PersistentVolume' } as unknown as PersistentVolume;

const pod = (name: string, priority: number) =>
  pendingPod(
    name,
    {},
    {
      spec: { priority, volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
    },
  );

const step = fc.record({
  do: fc.constantFrom('create', 'show', 'terminate', 'delete', 'wait'),
  name: fc.constantFrom('a', 'b', 'c'),
  priority: fc.constantFrom(0, 10),
});

it('two pods never have one ReadWriteOncePod claim at the same time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const one = new SchedulerScene();
      void one.run();
      /** The pods that are there, and those of them that were bound and are not gone. */
      const present = new Map<string, ReturnType<typeof pod>>();
      const holders = () => [...present.keys()].filter((name) => one.bound.includes(name));
      try {
        await one.show(readyNode('n1'), readyNode('n2'), claim, volume);
        let count = 0;
        for (const { do: what, name: of, priority } of steps) {
          const name = [...present.keys()].find((each) => each.startsWith(of));
          const known = name === undefined ? undefined : present.get(name);
          if (what === 'create' && name === undefined) {
            const made = pod(`${of}${count++}`, priority);
            present.set(made.metadata.name, made);
            await one.show(made);
          } else if (what === 'show' && known && name && one.bound.includes(name)) {
            await one.show(onNode(known, 'n1'));
          } else if (what === 'terminate' && known && name && one.bound.includes(name)) {
            await one.show(terminating(onNode(known, 'n1')));
          } else if (what === 'delete' && name !== undefined) {
            present.delete(name);
            await one.remove('Pod', `default/${name}`);
          } else await one.clock.advance(2_500);
          expect(holders().length).toBeLessThanOrEqual(1);
        }
      } finally {
        await one.stop();
      }
    }),
    { numRuns: 100 },
  );
});
