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

/** A binder on a virtual clock; a test answers each of its calls, and reads what it reports. */
export function binderOf(limits: Partial<BinderLimits> = {}) {
  const clock = new VirtualClock();
  const calls: Call[] = [];
  const reported: string[] = [];
  const reasons: string[] = [];
  let settled = 0;
  const name = ({ queued }: { queued: QueuedPod }): string => queued.info.key.slice('default/'.length);
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
      bound: (placement) => reported.push(`bound ${name(placement)}`),
      failed(placement, reason) {
        reported.push(`failed ${name(placement)}`);
        reasons.push(reason);
      },
      stale: (placement) => reported.push(`stale ${name(placement)}`),
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
    const info = index.setPod(made);
    if (!info) throw new Error('the pod has ended');
    const queued = queue.add(info, made);
    binder.enqueue({ queued, node });
    return queued;
  };
  const place = (pod: string, node = 'n'): QueuedPod => {
    const queued = add(pod, node);
    binder.flush();
    return queued;
  };
  const sent = () => calls.map(({ bindings }) => bindings.map((one) => `${one.name} ${one.node} ${one.guardVersion}`));
  return { clock, binder, calls, reported, reasons, add, place, sent, settled: () => settled };
}
