import type { SchedulerMetrics } from '../../control-plane/scheduler/metrics.ts';
import { createScheduler, type Scheduler, type SchedulerOptions } from '../../control-plane/scheduler/scheduler.ts';
import { KeyParser } from '../../control-plane/store/keys.ts';
import type { StoreBatch } from '../../control-plane/store/store.ts';
import type { Node, Pod } from '../../shared/generated/types.ts';
import { builtinKinds } from '../../shared/kinds/index.ts';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { startTestApi, type TestApi } from './api-server.ts';
import { BrakedClient, type ClientWrite } from './braked-client.ts';
import { asDraft } from './scheduling.ts';

const keys = new KeyParser(builtinKinds.stored);

/** Bindings, for the brake on writes. */
export const bindings = ({ verb }: ClientWrite): boolean => verb === 'bind';

/**
 * A scheduler on a virtual clock, whose view of the cluster and whose writes a test can hold, lose and fail. Each
 * revision of the store is checked: no pod is bound twice, and no node is given more pods or cpu than it has.
 */
export class BrakedScheduler {
  readonly clock: VirtualClock;
  readonly api: TestApi;
  readonly client: BrakedClient;
  readonly scheduler: Scheduler;
  readonly broken: string[] = [];
  /** Pods named in calls of bind, in their order. */
  readonly sent: string[] = [];
  decisions = 0;
  /** Results of decisions, `bound` and `conflict` as the scheduler measures them, with their seconds. */
  readonly measured: [string, number?][] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #pods = new Map<string, Pod>();
  readonly #nodes = new Map<string, Node>();
  readonly #bound = new Map<string, string>();

  static async start(options: SchedulerOptions = {}): Promise<BrakedScheduler> {
    const clock = new VirtualClock();
    const starting = startTestApi({ clock, random: seededRandom(1) });
    let started = false;
    void starting.then(() => {
      started = true;
    });
    await clock.advanceUntil(() => started, 10_000);
    const one = new BrakedScheduler(clock, await starting, options);
    await clock.advance(100);
    return one;
  }

  private constructor(clock: VirtualClock, api: TestApi, options: SchedulerOptions) {
    this.clock = clock;
    this.api = api;
    this.client = new BrakedClient(api.client);
    const bind = this.client.bind.bind(this.client);
    this.client.bind = (bindings) => {
      this.sent.push(...bindings.map(({ name }) => name));
      return bind(bindings);
    };
    const metrics: SchedulerMetrics = {
      decided: (result, seconds) => {
        this.decisions++;
        this.measured.push([result, seconds]);
      },
      bound: (seconds) => void this.measured.push(['bound', seconds]),
      conflict: () => void this.measured.push(['conflict']),
    };
    const deps = { client: this.client, clock, random: seededRandom(2), log: silentLog, metrics };
    this.scheduler = createScheduler(deps, options);
    this.#running = this.scheduler.run(this.#stop.signal);
    void this.#watch();
  }

  /** Aborts the scheduler alone. */
  async halt(): Promise<void> {
    this.#stop.abort();
    await this.clock.advance(1_000);
    await this.#running;
  }

  async stop(): Promise<void> {
    await this.halt();
    const stopping = this.api.stop();
    await this.clock.advance(1_000);
    await stopping;
  }

  async addNode(node: Node): Promise<void> {
    const made = await this.api.client.create('Node', asDraft(node));
    await this.api.client.updateStatus('Node', { ...made, status: node.status });
  }

  async addPod(pod: Pod): Promise<void> {
    await this.api.client.create('Pod', asDraft(pod));
  }

  async deletePod(name: string): Promise<void> {
    await this.api.client.delete('Pod', name, { namespace: 'default', gracePeriodSeconds: 0 });
  }

  /** Another scheduler binds the pod if it `fits`, which is called after the guard is read; returns whether it could. */
  async bindByOther(name: string, node: string, fits = async (): Promise<boolean> => true): Promise<boolean> {
    const { client } = this.api;
    const guard = await client.get('NodeGuard', node);
    const guardVersion = guard.metadata.resourceVersion;
    if (!(await fits())) return false;
    const { uid, resourceVersion } = (await client.get('Pod', name, 'default')).metadata;
    const [result] = await client.bind([{ namespace: 'default', name, uid, resourceVersion, node, guardVersion }]);
    return result?.ok === true;
  }

  /** The names of the pods on each node. */
  async placed(): Promise<Record<string, string[]>> {
    const placed: Record<string, string[]> = {};
    for (const { metadata, spec } of (await this.api.client.list('Pod')).items) {
      const { nodeName } = spec;
      if (nodeName) placed[nodeName] = [...(placed[nodeName] ?? []), metadata.name].sort();
    }
    return placed;
  }

  async nodeOf(name: string): Promise<string | undefined> {
    return (await this.api.client.get('Pod', name, 'default')).spec.nodeName;
  }

  async #watch(): Promise<void> {
    const { store } = this.api;
    for await (const batch of store.watch('/coracle/registry/', 0, this.#stop.signal)) this.#check(batch);
  }

  #check({ revision, events }: StoreBatch): void {
    for (const event of events) {
      const key = event.type === 'put' ? event.item.key : event.key;
      const kind = keys.parse(key)?.kind.kind;
      if (kind !== 'Pod' && kind !== 'Node') continue;
      const known: Map<string, Pod | Node> = kind === 'Pod' ? this.#pods : this.#nodes;
      if (event.type === 'put') known.set(key, JSON.parse(event.item.value) as Pod | Node);
      else known.delete(key);
    }
    const used = new Map<string, { millis: number; pods: number }>();
    for (const { metadata, spec, status } of this.#pods.values()) {
      const { nodeName } = spec;
      if (!nodeName) continue;
      const before = this.#bound.get(metadata.uid) ?? nodeName;
      if (before !== nodeName) this.broken.push(`${metadata.name} was moved from ${before} to ${nodeName}`);
      this.#bound.set(metadata.uid, nodeName);
      if (status?.phase === 'Succeeded' || status?.phase === 'Failed') continue;
      const sum = used.get(nodeName) ?? { millis: 0, pods: 0 };
      const millis = millisOf(spec.containers[0]?.resources?.requests);
      used.set(nodeName, { millis: sum.millis + millis, pods: sum.pods + 1 });
    }
    for (const node of this.#nodes.values()) {
      const { cpu = '0', pods = '0' } = node.status?.allocatable ?? {};
      const sum = used.get(node.metadata.name);
      if (!sum || !node.status?.allocatable) continue;
      if (sum.millis > millisOf({ cpu }) || sum.pods > Number(pods)) {
        this.broken.push(`${node.metadata.name} has ${sum.pods} pods with ${sum.millis}m at ${revision}`);
      }
    }
  }
}

/** Of amounts like `250m` and `2`. */
export function millisOf({ cpu = '0' }: Readonly<Record<string, string>> = {}): number {
  return cpu.endsWith('m') ? Number(cpu.slice(0, -1)) : 1_000 * Number(cpu);
}
