import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Pod } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import type { Cidr } from '../../shared/net/ipv4.ts';
import { keyOf } from '../../shared/object.ts';
import type { Random } from '../../shared/random.ts';
import type { PodStatusUpdate } from '../../shared/session.ts';
import type { NodeView } from '../admission/admit.ts';
import { type NodeFeatures, unsupported } from '../admission/features.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import type { PodDns } from '../dns/pod-dns.ts';
import type { NodeFacts } from '../pod/executors/context.ts';
import type { Hooks } from '../pod/hooks.ts';
import type { StatusContext } from '../pod/status.ts';
import type { TokenSource } from '../pod/tokens.ts';
import type { Dialers } from '../probes/dialers.ts';
import type { Runtime, RuntimeEvent } from '../runtime/runtime.ts';
import type { AssignedChanges } from '../session/assigned.ts';
import type { NodeAssigned } from '../session/assigned-kinds.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import { OrphanedPods } from './orphaned-pods.ts';
import { Pleg, type RuntimePods } from './pleg.ts';
import { PodAddresses } from './pod-addresses.ts';
import { PodCheckpoints } from './pod-checkpoints.ts';
import { PodLister } from './pod-lister.ts';
import { PodWorkers } from './pod-workers.ts';
import {
  initialState,
  isEngineUp,
  isListed,
  mayRemoveOrphans,
  mayStartPods,
  type SyncEvent,
  type SyncState,
  sourcesReady,
  transition,
} from './sync-state.ts';

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
  node(): NodeFacts;
  /** What pods are admitted by; undefined while the control plane has not sent the node's own state. */
  nodeView(): NodeView | undefined;
  /** What pods can have here; undefined while the engine has not answered. */
  features(): NodeFeatures | undefined;
  seccompProfile(name: string): Promise<string>;
  status(): StatusContext;
  dnsOf(pod: Pod): PodDns;
  event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void;
  report(update: PodStatusUpdate): void;
  /** The engine came up or went down, or the node has become clean: its conditions may have changed. */
  changed(): void;
  /** The runtime has been listed for the first time: the pods that it has, and those of the checkpoint. */
  listed(uids: readonly string[]): void;
}

/** After a start: how long the agent waits for the control plane before it starts pods from its checkpoint, milliseconds. */
const sourcesTimeoutMs = 10_000;

/** What is assigned to pods, and what they read. */
const inputKinds = ['Pod', 'ConfigMap', 'Secret', 'PersistentVolumeClaim', 'PersistentVolume'] as const;

/**
 * Brings the node's pods to what is assigned: workers for those that are, removal of those that are not. Composes the parts, and
 * decides by one state (`sync-state.ts`) when pods may be started and removed.
 */
export class PodManager {
  readonly lister: PodLister;
  readonly #deps: PodManagerDeps;
  readonly #log: Log;
  readonly #addresses = new PodAddresses();
  readonly #orphans: OrphanedPods;
  readonly #workers: PodWorkers;
  readonly #pleg: Pleg;
  /** Aborted while the manager does not run. */
  #signal: AbortSignal = AbortSignal.abort();
  #state: SyncState = initialState;

  constructor(deps: PodManagerDeps) {
    this.#deps = deps;
    const { assigned, checkpoint, volatile, features, ...shared } = deps;
    this.#log = deps.log.child({ component: 'pods' });
    this.#orphans = new OrphanedPods({
      ...deps,
      hasWorker: (uid) => this.#workers.all.has(uid),
      removed: (uid) => {
        this.#addresses.release(uid);
        this.#workers.adopt();
        this.#checkClean();
      },
    });
    this.#workers = new PodWorkers({
      ...shared,
      inputs: {
        configMap: (namespace, name) => assigned.of('ConfigMap').get(`${namespace}/${name}`),
        secret: (namespace, name) => assigned.of('Secret').get(`${namespace}/${name}`),
        claims: {
          claim: (namespace, name) => assigned.of('PersistentVolumeClaim').get(`${namespace}/${name}`),
          volume: (name) => assigned.of('PersistentVolume').get(name),
          nodeLabels: () => deps.nodeView()?.labels,
          takeAlone: (pod, claim) => this.#workers.claims.takeAlone(pod, claim),
        },
      },
      confiners: { security: () => features()?.security, seccompProfile: deps.seccompProfile },
      unsupported: (pod) => {
        const has = features();
        return has && unsupported(pod, has);
      },
      saved: () => checkpoint.flush(),
      checkpoints: new PodCheckpoints(checkpoint, volatile),
      orphans: this.#orphans,
      assignedPods: () => assigned.of('Pod').values(),
      mayStart: () => mayStartPods(this.#state),
      terminated: (uid) => {
        this.#addresses.release(uid);
        this.#checkClean();
      },
      allocateAddress: (uid, wanted) => this.#addresses.allocate(uid, wanted),
      releaseAddress: (uid) => this.#addresses.release(uid),
      resync: () => this.#pleg.relistSoon(),
    });
    this.#pleg = new Pleg(deps, {
      relisting: () => {
        const versions = this.#workers.versions();
        return (pods) => this.#takeList(pods, versions);
      },
      event: (event) => this.#dispatch(event),
      up: () => this.#apply('engineUp'),
      down: () => this.#apply('engineDown'),
    });
    this.lister = new PodLister(this.#workers.all);
    assigned.subscribe(inputKinds, (changes) => this.#assign(changes));
  }

  get engineUp(): boolean {
    return isEngineUp(this.#state);
  }

  /** Whether the node has no pods that it should not have. */
  get clean(): boolean {
    return this.#state.phase === 'clean';
  }

  /** Restores the pods of the checkpoint, then follows the runtime until aborted. Never throws. */
  async run(documents: ReadonlyMap<string, unknown>, signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#restore(documents);
    const timer = this.#deps.clock.timer(sourcesTimeoutMs, () => this.#startFromCheckpoint());
    const stop = (): void => {
      timer.cancel();
      this.#workers.stop();
    };
    signal.addEventListener('abort', stop, { once: true });
    await this.#pleg.run(signal);
  }

  /** To be called about once a second. */
  tick(): void {
    if (this.engineUp) void this.#pleg.relistIfDue(this.#signal);
  }

  setPodCIDR(cidr: Cidr): void {
    if (this.#addresses.setRange(cidr)) this.#workers.addressesChanged();
  }

  /** The node's capacity is known: pods can be admitted. */
  capacityKnown(): void {
    if (isListed(this.#state)) this.#workers.adopt();
    this.#workers.wakeAll();
  }

  /** The control plane may have moved pods of this node: it is not ready until those have ended. */
  leaseExpired(): void {
    this.#apply('leaseExpired');
  }

  /** Whether a pod of the node uses the claim, or what may be left of pods that are not known. */
  usesClaim(claim: string): boolean {
    return !this.clean || this.#workers.claims.isUsed(claim);
  }

  evict(uid: string, message: string): void {
    this.#workers.all.get(uid)?.evict(message);
  }

  #restore(documents: ReadonlyMap<string, unknown>): void {
    for (const key of documents.keys()) {
      const record = PodCheckpoints.restored(key, documents);
      if (!record) continue;
      const { pod, memory } = record;
      this.#deps.assigned.put('Pod', keyOf(pod), pod);
      if (memory.address) this.#addresses.reserve(pod.metadata.uid, memory.address);
      this.#workers.restore(pod, memory);
    }
  }

  #startFromCheckpoint(): void {
    if (sourcesReady(this.#state)) return;
    this.#apply('sourcesTimeout');
    const pods = this.#workers.all.size;
    if (pods > 0) this.#log.info({ pods }, 'no control plane: restoring pods from the checkpoint');
    this.#workers.wakeAll();
  }

  #assign(changes: AssignedChanges<(typeof inputKinds)[number]>): void {
    if (changes.complete) this.#apply('assigned');
    if (!isListed(this.#state)) return;
    this.#reconcile(changes.of('Pod'), changes.complete);
    this.#workers.inputsChanged({
      configMaps: changes.of('ConfigMap'),
      secrets: changes.of('Secret'),
      claims: this.#changedClaims(changes.of('PersistentVolumeClaim'), changes.of('PersistentVolume')),
    });
  }

  /** The claims that have changed, or whose volumes have. */
  #changedClaims(claims: ReadonlySet<string>, volumes: ReadonlySet<string>): ReadonlySet<string> {
    if (volumes.size === 0) return claims;
    const bound = [...this.#deps.assigned.of('PersistentVolumeClaim')].filter(([, claim]) =>
      volumes.has(claim.volumeName),
    );
    return new Set([...claims, ...bound.map(([key]) => key)]);
  }

  async #takeList(pods: RuntimePods, versions: ReadonlyMap<string, number>): Promise<void> {
    for (const [uid, { sandboxes }] of pods) {
      for (const { address } of sandboxes) if (address) this.#addresses.reserve(uid, address);
    }
    const orphans = new Map([...pods].filter(([uid]) => !this.#workers.all.has(uid)));
    // Before the workers take their parts: an assignment that comes meanwhile claims what the runtime has now.
    this.#orphans.found(orphans);
    if (!(await this.#workers.observe(pods, versions))) this.#pleg.relistSoon();
    if (isListed(this.#state)) return this.#removeOrphans();
    this.#apply('listed');
    this.#deps.listed([...new Set([...this.#workers.all.keys(), ...orphans.keys()])]);
    const keys = [...this.#workers.all.values()].map(({ pod }) => keyOf(pod));
    this.#reconcile(new Set([...this.#deps.assigned.of('Pod').keys(), ...keys]), sourcesReady(this.#state));
  }

  #dispatch(event: RuntimeEvent): void {
    this.#workers.onEvent(event).catch((error: unknown) => {
      this.#log.warn({ pod: event.podUid, err: messageOf(error) }, 'runtime event not applied');
      this.#pleg.relistSoon();
    });
  }

  #reconcile(keys: ReadonlySet<string>, complete: boolean): void {
    this.#workers.reconcile(keys, complete, this.clean);
    this.#removeOrphans();
    this.#checkClean();
  }

  #removeOrphans(): void {
    if (mayRemoveOrphans(this.#state)) this.#orphans.removeAll(this.#signal);
  }

  #checkClean(): void {
    if (this.#orphans.removing || this.#workers.ending) return;
    const before = this.#state;
    this.#apply('cleaned');
    if (this.#state !== before) void this.#orphans.removeVolumes();
  }

  #apply(event: SyncEvent): void {
    const before = this.#state;
    this.#state = transition(before, event);
    if (isEngineUp(before) !== this.engineUp || (this.clean && before.phase !== 'clean')) this.#deps.changed();
  }
}
