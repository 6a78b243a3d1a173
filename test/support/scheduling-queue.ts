import { type QueuedPod, SchedulingQueue } from '../../control-plane/scheduler/queue.ts';
import { seededRandom } from '../../shared/random.ts';
import type { PodInfo } from '../../shared/scheduling/node-info.ts';
import type { ClusterEvent } from '../../shared/scheduling/plugin.ts';
import type { PodShape } from '../../shared/scheduling/pod-shape.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';

export const removed: ReadonlySet<ClusterEvent> = new Set(['AssignedPodDelete']);
export const node: ReadonlySet<ClusterEvent> = new Set(['NodeChange']);

/** A queue on a virtual clock, with pods that have a name, a shape and a priority. */
export function queueOf() {
  const clock = new VirtualClock();
  let rings = 0;
  const queue = new SchedulingQueue({ clock, random: seededRandom(1) }, () => rings++);
  const shapes = new Map<string, PodShape>();
  const shapeOf = (name: string): PodShape => {
    const shape = shapes.get(name) ?? ({ key: name } as PodShape);
    shapes.set(name, shape);
    return shape;
  };
  const add = (name: string, shape = 'shape', priority = 0): QueuedPod => {
    const info = { key: `default/${name}`, shape: shapeOf(shape), priority, created: 0 } as PodInfo;
    return queue.add(info, {} as QueuedPod['pod']);
  };
  const name = (queued: QueuedPod | undefined) => queued?.info.key.slice('default/'.length);
  /** Takes all that are ready, and parks them until `events`. */
  const popAll = (events = removed): (string | undefined)[] => {
    const taken: (string | undefined)[] = [];
    for (let next = queue.pop(); next; next = queue.pop()) {
      taken.push(name(next));
      queue.addUnschedulable(next, events);
    }
    return taken;
  };
  return { clock, queue, add, name, popAll, shapeOf, rings: () => rings };
}
