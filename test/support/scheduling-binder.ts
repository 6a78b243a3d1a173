import { Binder, type BinderLimits, defaultBinderLimits } from '../../control-plane/scheduler/binder.ts';
import { type QueuedPod, SchedulingQueue } from '../../control-plane/scheduler/queue.ts';
import type { Binding, BindResult } from '../../shared/client.ts';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import { NodeIndex } from '../../shared/scheduling/node-index.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { pendingPod, readyNode } from './scheduling.ts';

interface Call {
  readonly bindings: readonly Binding[];
  answer(results: BindResult[]): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** A binder on a virtual clock; a test answers each of its calls, and reads what it has told. */
export function binderOf(limits: Partial<BinderLimits> = {}) {
  const clock = new VirtualClock();
  const calls: Call[] = [];
  const told: string[] = [];
  const reasons: string[] = [];
  let settled = 0;
  const name = ({ queued }: { queued: QueuedPod }): string => queued.entry.key.slice('default/'.length);
  const bind = (bindings: readonly Binding[]): Promise<BindResult[]> =>
    new Promise((resolve, reject) => {
      calls.push({
        bindings,
        async answer(results) {
          resolve(results);
          await clock.advance(0);
        },
        async fail(error) {
          reject(error);
          await clock.advance(0);
        },
      });
    });
  const binder = new Binder(
    { client: { bind }, clock, log: silentLog },
    {
      bound: (placement) => told.push(`bound ${name(placement)}`),
      lost(placement, reason) {
        told.push(`lost ${name(placement)}`);
        reasons.push(reason);
      },
      outdated: (placement) => told.push(`outdated ${name(placement)}`),
      settled() {
        settled++;
        binder.flush();
      },
    },
    { ...defaultBinderLimits, ...limits },
  );
  const index = new NodeIndex();
  index.setNode(readyNode('n'));
  const queue = new SchedulingQueue({ clock, random: seededRandom(1) }, () => undefined);
  /** Places the pod without sending it yet. */
  const add = (pod: string, node = 'n'): QueuedPod => {
    const made = pendingPod(pod);
    const entry = index.setPod(made);
    if (!entry) throw new Error('the pod has ended');
    const queued = queue.add(entry, made);
    binder.place({ queued, node });
    return queued;
  };
  const place = (pod: string, node = 'n'): QueuedPod => {
    const queued = add(pod, node);
    binder.flush();
    return queued;
  };
  const sent = () => calls.map(({ bindings }) => bindings.map((one) => `${one.name} ${one.node} ${one.guardVersion}`));
  return { clock, binder, calls, told, reasons, add, place, sent, settled: () => settled };
}
