import { backoffMs } from '../../shared/backoff.ts';
import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Pod, PodStatus } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import type { Cidr } from '../../shared/net/ipv4.ts';
import { keyOf } from '../../shared/object.ts';
import { isPodTerminal } from '../../shared/pod.ts';
import { podReferences } from '../../shared/pod-references.ts';
import type { Random } from '../../shared/random.ts';
import type { PodStatusUpdate } from '../../shared/session.ts';
import { Admissions } from '../admission/admissions.ts';
import type { NodeView } from '../admission/admit.ts';
import { type NodeFeatures, unsupported } from '../admission/features.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import type { PodDns } from '../dns.ts';
import { AddressPool } from '../network/ipam.ts';
import { podRef } from '../pod/container-spec.ts';
import type { Hooks } from '../pod/hooks.ts';
import type { PodFacts, PodInputs } from '../pod/inputs.ts';
import { newMemory, type PodMemory } from '../pod/model.ts';
import type { StatusContext } from '../pod/status.ts';
import type { TokenSource } from '../pod/tokens.ts';
import { PodWorker, type WorkerDeps } from '../pod/worker.ts';
import type { Dialers } from '../probes/dialers.ts';
import type { ContainerState, Runtime, RuntimeEvent, SandboxState } from '../runtime/runtime.ts';
import type { AssignedChanges } from '../session/assigned.ts';
import type { NodeAssigned } from '../session/assigned-kinds.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import { PodCheckpoints } from './pod-checkpoints.ts';

export interface PodManagerDeps {
  readonly runtime: Runtime;
  readonly volumes: PodVolumes;
  readonly hooks: Hooks;
  readonly dialers: Dialers;
  readonly tokens?: TokenSource | undefined;
  readonly assigned: NodeAssigned;
  readonly checkpoint: Checkpoint;
  /** Survives the agent and not the machine: for what must not lie on a disk. */
  readonly volatile: Checkpoint;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  node(): Omit<PodFacts, 'podIP'> & { readonly memoryCapacity: number };
  /** What pods are admitted by; undefined while the control plane says nothing of the node. */
  nodeView(): NodeView | undefined;
  /** What pods can have here; undefined while the engine has not been heard. */
  features(): NodeFeatures | undefined;
  seccompProfile(name: string): Promise<string>;
  status(): StatusContext;
  dnsOf(pod: Pod): PodDns;
  event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void;
  report(update: PodStatusUpdate): void;
  /** The engine came or went, or the last orphan did: the node's conditions may have changed. */
  changed(): void;
  /** The first look at the runtime is done: these pods have something in it, or are restored. */
  listed(uids: readonly string[]): void;
}

/** Milliseconds. */
const resyncEveryMs = 45_000;
/** After the engine's event stream has begun, in case something happened while it did. */
const resyncAfterConnectMs = 1_000;
const resyncSoonMs = 500;
/** After a start: how long the agent waits for the control plane before it starts pods that do not run from its checkpoint. */
const restoreAfterMs = 10_000;
const engineRetry = { firstMs: 200, capMs: 5_000 };
const orphanRetryMs = 1_000;

interface Unclaimed {
  readonly sandboxes: SandboxState[];
  readonly containers: ContainerState[];
}

/**
 * All pods of the node: which there should be (assignments, or the checkpoint until they come), which the runtime has, and
 * a worker for each. What nobody wants is removed once the control plane has said all that it wants.
 */
export class PodManager {
  readonly #deps: PodManagerDeps;
  readonly #log: Log;
  readonly #workers = new Map<string, PodWorker>();
  #addresses: AddressPool | undefined;
  /** Addresses found in use, by pod. */
  readonly #known = new Map<string, string>();
  /** What the last list of the runtime's showed of pods without a worker. */
  #unclaimed = new Map<string, Unclaimed>();
  readonly #removing = new Set<string>();
  /** Pods that were on the node when the agent started, and are not wanted: Ready waits for their end. */
  readonly #leftovers = new Set<string>();
  /** Pods that are gone from the node while the cluster still has their objects, with what was last reported of them. */
  readonly #finished = new Map<string, PodStatusUpdate>();
  readonly #admissions: Admissions;
  readonly #records: PodCheckpoints;
  #listed = false;
  /** The control plane has said what it wants, at least once in this process. */
  #authoritative = false;
  #settled = false;
  /** What the control plane wants is to be heard anew before the node is settled again. */
  #outdated = false;
  #engineUp = false;
  /** The node knows what it has: before, limits that default to the whole node would be zero. */
  #engineKnown = false;
  #mayRestoreAt = Number.POSITIVE_INFINITY;
  #restored = false;
  #resyncAt = 0;
  #resyncing = false;
  #signal: AbortSignal | undefined;

  constructor(deps: PodManagerDeps) {
    this.#deps = deps;
    this.#log = deps.log.child({ component: 'pods' });
    this.#records = new PodCheckpoints(deps.checkpoint, deps.volatile);
    this.#admissions = new Admissions({
      node: deps.nodeView,
      event: deps.event,
      fail: (pod, refusal) => this.#workers.get(pod.metadata.uid)?.fail(refusal),
    });
    deps.assigned.subscribe(['Pod', 'ConfigMap', 'Secret'], (changes) => this.#assign(changes));
  }

  get engineUp(): boolean {
    return this.#engineUp;
  }

  /** Whether everything that was on the node and should not be has been removed. */
  get settled(): boolean {
    return this.#settled;
  }

  get size(): number {
    return this.#workers.size;
  }

  /** Restores what the checkpoint knows, then follows the runtime until aborted. */
  async run(documents: ReadonlyMap<string, unknown>, signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#restore(documents);
    this.#mayRestoreAt = this.#deps.clock.monotonic() + restoreAfterMs;
    signal.addEventListener('abort', () => this.#stop(), { once: true });
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await this.#follow(signal, () => {
          attempt = 0;
        });
      } catch (error) {
        if (signal.aborted) return;
        this.#setEngine(false);
        this.#log.warn({ err: messageOf(error) }, 'the container engine does not answer');
      }
      await this.#deps.clock.sleep(backoffMs(attempt, engineRetry, this.#deps.random), signal).catch(() => undefined);
    }
  }

  /** Called about once a second, while connected or not: the agent's only clockwork. */
  tick(): void {
    const now = this.#deps.clock.monotonic();
    if (!this.#restored && !this.#authoritative && now >= this.#mayRestoreAt) {
      this.#restored = true;
      if (this.#workers.size > 0)
        this.#log.info({ pods: this.#workers.size }, 'no control plane: restoring pods from the checkpoint');
      for (const worker of this.#workers.values()) worker.wake();
    }
    if (!this.#engineKnown && this.#deps.node().memoryCapacity > 0) {
      this.#engineKnown = true;
      if (this.#listed) this.#adopt(this.#wanted());
      for (const worker of this.#workers.values()) worker.wake();
    }
    if (this.#engineUp && now >= this.#resyncAt) void this.#resync();
  }

  setPodCIDR(cidr: Cidr): void {
    if (this.#addresses?.cidr === cidr) return;
    this.#addresses = new AddressPool(cidr);
    for (const [uid, address] of this.#known) this.#addresses.adopt(uid, address);
    for (const worker of this.#workers.values()) worker.addressesChanged();
  }

  #assign(changes: AssignedChanges<'Pod' | 'ConfigMap' | 'Secret'>): void {
    if (changes.complete) {
      this.#authoritative = true;
      this.#outdated = false;
    }
    if (!this.#listed) return;
    this.#reconcile(changes.of('Pod'), changes.complete);
    this.#inputsChanged(changes.of('ConfigMap'), changes.of('Secret'));
  }

  /** The control plane may have replaced pods of this node: it is not ready until those have ended. */
  unsettle(): void {
    this.#settled = false;
    this.#outdated = true;
  }

  /** Every pod's status, for a new session. */
  statuses(): PodStatusUpdate[] {
    return [...this.#workers.values()].map((worker) => worker.currentReport());
  }

  /** The pods as they are on the node. */
  pods(): Pod[] {
    return [...this.#workers.values()].map((worker) => ({
      ...worker.pod,
      status: worker.currentReport().status ?? {},
    }));
  }

  /** The status last reported of a pod. */
  statusOf(uid: string): PodStatus | undefined {
    return this.#workers.get(uid)?.currentReport().status;
  }

  /** The container of this name that runs now. */
  runningContainer({ uid, container }: { uid: string; container: string }): ContainerState | undefined {
    return [...(this.#workers.get(uid)?.containers ?? [])].find(
      ({ name, state }) => name === container && state === 'running',
    );
  }

  /** The running sandbox of a pod. */
  sandboxOf(uid: string): string | undefined {
    const sandbox = this.#workers.get(uid)?.sandbox;
    return sandbox?.running ? sandbox.id : undefined;
  }

  /** All containers that run now. */
  running(): ContainerState[] {
    return [...this.#workers.values()].flatMap(({ containers }) =>
      [...containers].filter(({ state }) => state === 'running'),
    );
  }

  /** The pods that go on, with the newest container of each name. */
  *active(): Generator<{ pod: Pod; containers: ContainerState[] }> {
    for (const { pod, memory, containers } of this.#workers.values()) {
      if (memory.terminal || memory.deletion) continue;
      const newest = new Map([...containers].sort((a, b) => a.attempt - b.attempt).map((state) => [state.name, state]));
      yield { pod, containers: [...newest.values()] };
    }
  }

  evict(uid: string, message: string): void {
    this.#workers.get(uid)?.evict(message);
  }

  hasPod(uid: string): boolean {
    return this.#workers.has(uid);
  }

  #stop(): void {
    for (const worker of this.#workers.values()) worker.stop();
  }

  #restore(documents: ReadonlyMap<string, unknown>): void {
    const { assigned } = this.#deps;
    for (const key of documents.keys()) {
      const record = PodCheckpoints.restored(key, documents);
      if (record) {
        const { pod, memory } = record;
        assigned.put('Pod', keyOf(pod), pod);
        if (memory.address) this.#reserve(pod.metadata.uid, memory.address);
        this.#workers.set(pod.metadata.uid, new PodWorker(this.#workerDeps(), pod, memory));
      }
    }
  }

  async #follow(signal: AbortSignal, connected: () => void): Promise<void> {
    const ended = new AbortController();
    const events = this.#deps.runtime.events(AbortSignal.any([signal, ended.signal]))[Symbol.asyncIterator]();
    try {
      // The stream first, then the list: what happens in between is in one of the two.
      let next = events.next();
      next.catch(() => undefined);
      await this.#list();
      this.#setEngine(true);
      connected();
      void this.#prepare(signal);
      this.#resyncAt = this.#deps.clock.monotonic() + resyncAfterConnectMs;
      for (;;) {
        const { done, value } = await next;
        if (done) throw new Error('the stream of events has ended');
        this.#dispatch(value);
        next = events.next();
      }
    } finally {
      ended.abort();
    }
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.runtime.prepare(signal);
    } catch (error) {
      // The first pod says so again, where it is seen.
      if (!signal.aborted) this.#log.warn({ err: messageOf(error) }, 'the engine could not be prepared for pods');
    }
  }

  #dispatch(event: RuntimeEvent): void {
    const worker = this.#workers.get(event.podUid);
    if (!worker) return;
    worker.onEvent(event).catch((error: unknown) => {
      this.#log.warn({ key: keyOf(worker.pod), err: messageOf(error) }, 'runtime event not understood');
      this.#resyncSoon();
    });
  }

  async #resync(): Promise<void> {
    if (this.#resyncing) return;
    this.#resyncing = true;
    this.#resyncAt = this.#deps.clock.monotonic() + resyncEveryMs;
    try {
      await this.#list();
      if (this.#authoritative) this.#removeOrphans();
    } catch (error) {
      if (!this.#signal?.aborted) this.#log.warn({ err: messageOf(error) }, 'no list of the engine’s containers');
    } finally {
      this.#resyncing = false;
    }
  }

  async #list(): Promise<void> {
    const versions = new Map([...this.#workers].map(([uid, worker]) => [uid, worker.version]));
    const { sandboxes, containers } = await this.#deps.runtime.list(this.#signal);
    const byPod = new Map<string, Unclaimed>();
    const of = (uid: string): Unclaimed => {
      let found = byPod.get(uid);
      if (!found) {
        found = { sandboxes: [], containers: [] };
        byPod.set(uid, found);
      }
      return found;
    };
    for (const sandbox of sandboxes) of(sandbox.pod.uid).sandboxes.push(sandbox);
    for (const container of containers) of(container.pod.uid).containers.push(container);
    for (const { pod, address } of sandboxes) if (address) this.#reserve(pod.uid, address);
    const first = !this.#listed;
    await Promise.all(
      [...this.#workers].map(async ([uid, worker]) => {
        const version = versions.get(uid);
        const has = byPod.get(uid) ?? { sandboxes: [], containers: [] };
        byPod.delete(uid);
        if (version === undefined) return;
        if (!(await worker.observe(has.sandboxes, has.containers, version))) this.#resyncSoon();
      }),
    );
    this.#unclaimed = byPod;
    if (!first) return;
    this.#listed = true;
    this.#deps.listed([...new Set([...this.#workers.keys(), ...byPod.keys()])]);
    const everything = new Set([
      ...this.#deps.assigned.of('Pod').keys(),
      ...[...this.#workers.values()].map(({ pod }) => keyOf(pod)),
    ]);
    this.#reconcile(everything, this.#authoritative);
  }

  /** Brings the workers to what is assigned. */
  #reconcile(keys: ReadonlySet<string>, complete: boolean): void {
    const wanted = this.#wanted();
    for (const [uid, report] of this.#finished) {
      const deleted = wanted.get(uid)?.metadata.deletionTimestamp !== undefined;
      // A control plane that starts afresh is told again, in the same words: the status that it has may be older.
      if (deleted && complete) this.#deps.report(report);
      else if (complete || !wanted.has(uid)) this.#finished.delete(uid);
    }
    for (const [uid, worker] of this.#workers) {
      if (!complete && !keys.has(keyOf(worker.pod))) continue;
      const pod = wanted.get(uid);
      if (pod) {
        if (pod !== worker.pod) worker.assign(pod);
        else worker.wake();
        continue;
      }
      if (!this.#settled) this.#leftovers.add(uid);
      worker.assign(undefined);
    }
    this.#adopt(wanted);
    if (this.#authoritative) this.#removeOrphans();
    this.#settle();
  }

  /** Gives each pod that has no worker one, unless what is left of an earlier time is still being removed. */
  #adopt(wanted: ReadonlyMap<string, Pod>): void {
    const arriving = [...wanted.values()].filter(({ metadata: { uid } }) => {
      return !this.#workers.has(uid) && !this.#finished.has(uid) && !this.#removing.has(uid);
    });
    for (const pod of arriving.sort(byAge)) {
      const { uid } = pod.metadata;
      // Before the node knows what it has, it can neither admit nor refuse.
      if (this.#deps.node().memoryCapacity === 0 && !this.#isAdmitted(pod)) continue;
      const worker = new PodWorker(this.#workerDeps(), pod, this.#refused(pod));
      this.#workers.set(uid, worker);
      worker.assign(pod);
      const has = this.#unclaimed.get(uid);
      this.#unclaimed.delete(uid);
      void worker.observe(has?.sandboxes ?? [], has?.containers ?? [], worker.version);
    }
  }

  /** The memory of a pod that the node does not admit; undefined for one that it does. */
  #refused(pod: Pod): PodMemory | undefined {
    if (this.#isAdmitted(pod)) return undefined;
    const others = [...this.#workers.values()].filter((worker) => worker.active).map((worker) => worker.pod);
    const refusal = this.#admissions.refusal(pod, others);
    if (!refusal) return undefined;
    this.#log.info({ key: keyOf(pod), ...refusal }, 'pod refused');
    return { ...newMemory(this.#deps.clock.now()), terminal: { phase: 'Failed', ...refusal, refused: true } };
  }

  /** An agent that has lost its checkpoint finds that the pod was admitted: by what runs, or by what was reported. */
  #isAdmitted({ metadata: { uid }, status }: Pod): boolean {
    return this.#unclaimed.has(uid) || status?.startTime !== undefined || isPodTerminal({ status } as Pod);
  }

  #wanted(): Map<string, Pod> {
    return new Map([...this.#deps.assigned.of('Pod').values()].map((pod) => [pod.metadata.uid, pod]));
  }

  #inputsChanged(configMaps: ReadonlySet<string>, secrets: ReadonlySet<string>): void {
    if (configMaps.size === 0 && secrets.size === 0) return;
    for (const worker of this.#workers.values()) {
      const namespace = worker.pod.metadata.namespace ?? '';
      const references = podReferences(worker.pod);
      const reads =
        [...references.configMaps].some((name) => configMaps.has(`${namespace}/${name}`)) ||
        [...references.secrets].some((name) => secrets.has(`${namespace}/${name}`));
      if (reads) worker.inputsChanged();
    }
  }

  /** Removes what the runtime has of pods that this node should not have. */
  #removeOrphans(): void {
    for (const [uid, has] of this.#unclaimed) {
      if (this.#workers.has(uid) || this.#removing.has(uid)) continue;
      this.#removing.add(uid);
      void this.#removeOrphan(uid, has);
    }
  }

  async #removeOrphan(uid: string, { sandboxes, containers }: Unclaimed): Promise<void> {
    const { runtime, volumes, clock } = this.#deps;
    this.#log.info(
      { pod: sandboxes[0]?.pod ?? containers[0]?.pod },
      'removing a pod that is not assigned to this node',
    );
    while (!this.#signal?.aborted) {
      try {
        for (const { id } of sandboxes) await runtime.removeSandbox(id, this.#signal);
        for (const { id } of containers) await runtime.removeContainer(id, this.#signal);
        await volumes.remove(uid);
        this.#release(uid);
        break;
      } catch (error) {
        if (this.#signal?.aborted) return;
        this.#log.warn({ uid, err: messageOf(error) }, 'orphan not removed');
        await clock.sleep(orphanRetryMs, this.#signal).catch(() => undefined);
      }
    }
    this.#removing.delete(uid);
    this.#unclaimed.delete(uid);
    this.#adopt(this.#wanted());
    this.#settle();
  }

  #settle(): void {
    if (this.#settled || this.#outdated || !this.#authoritative || !this.#listed) return;
    if (this.#removing.size > 0 || this.#leftovers.size > 0) return;
    this.#settled = true;
    void this.#removeStrayFiles();
    this.#deps.changed();
  }

  /** Files of pods that ended while no agent watched. */
  async #removeStrayFiles(): Promise<void> {
    try {
      for (const uid of await this.#deps.volumes.list()) {
        if (!this.#workers.has(uid) && !this.#removing.has(uid)) await this.#removeFiles(uid);
      }
    } catch (error) {
      this.#log.warn({ err: messageOf(error) }, 'files of former pods not removed');
    }
  }

  async #removeFiles(uid: string): Promise<void> {
    this.#removing.add(uid);
    try {
      await this.#deps.volumes.remove(uid);
    } finally {
      this.#removing.delete(uid);
      this.#adopt(this.#wanted());
    }
  }

  /** Pods that waited for the room of this one may start. */
  #ended(uid: string): void {
    for (const ready of this.#admissions.ended(uid)) this.#workers.get(ready)?.wake();
  }

  #reserve(uid: string, address: string): void {
    this.#known.set(uid, address);
    this.#addresses?.adopt(uid, address);
  }

  #allocate(uid: string, wanted: string | undefined): string {
    if (!this.#addresses) throw new Error('the node has no range of pod addresses yet');
    if (wanted) this.#addresses.adopt(uid, wanted);
    const address = this.#addresses.take(uid);
    this.#known.set(uid, address);
    return address;
  }

  #release(uid: string): void {
    this.#known.delete(uid);
    this.#addresses?.release(uid);
  }

  #setEngine(up: boolean): void {
    if (this.#engineUp === up) return;
    this.#engineUp = up;
    this.#deps.changed();
  }

  #resyncSoon(): void {
    this.#resyncAt = Math.min(this.#resyncAt, this.#deps.clock.monotonic() + resyncSoonMs);
  }

  #inputs: PodInputs = {
    configMap: (namespace, name) => this.#deps.assigned.of('ConfigMap').get(`${namespace}/${name}`),
    secret: (namespace, name) => this.#deps.assigned.of('Secret').get(`${namespace}/${name}`),
  };

  #shared: WorkerDeps | undefined;

  #workerDeps(): WorkerDeps {
    const { checkpoint, volatile: _volatile, ...deps } = this.#deps;
    this.#shared ??= {
      ...deps,
      log: deps.log.child({ component: 'pod' }),
      inputs: this.#inputs,
      saved: () => checkpoint.flush(),
      confiners: { security: () => deps.features()?.security, seccompProfile: deps.seccompProfile },
      unsupported: (pod) => {
        const features = deps.features();
        return features && unsupported(pod, features);
      },
      mayStart: ({ metadata: { uid } }) =>
        this.#listed &&
        (this.#authoritative || this.#restored) &&
        this.#deps.node().memoryCapacity > 0 &&
        this.#admissions.hasRoom(uid),
      report: (update) => {
        deps.report(update);
        if (update.terminated || !this.#workers.get(update.uid)?.active) this.#ended(update.uid);
      },
      remember: (pod, memory, status) => {
        this.#records.put(pod, memory, status);
      },
      gone: (pod) => {
        const { uid } = pod.metadata;
        const report = this.#workers.get(uid)?.currentReport() ?? podRef(pod);
        this.#workers.delete(uid);
        this.#finished.set(uid, { ...report, terminated: true });
        this.#leftovers.delete(uid);
        this.#release(uid);
        this.#ended(uid);
        this.#records.remove(uid);
        this.#settle();
      },
      allocateAddress: (uid, wanted) => this.#allocate(uid, wanted),
      releaseAddress: (uid) => this.#release(uid),
      resync: () => this.#resyncSoon(),
    };
    return this.#shared;
  }
}

/** The older first, as the kubelet admits them. */
function byAge({ metadata: a }: Pod, { metadata: b }: Pod): number {
  const order = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0);
  return order(a.creationTimestamp, b.creationTimestamp) || order(a.uid, b.uid);
}
