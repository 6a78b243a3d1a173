import { type Clock, pause } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { NodeStatus } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { intValue, milliValue } from '../../shared/quantity.ts';
import type { NodeFeatures } from '../admission/features.ts';
import type { NodeFacts } from '../pod/executors/context.ts';
import type { EngineInfo, ImageState, Runtime } from '../runtime/runtime.ts';
import { type NodeIdentity, nodeStatus, type Pressure, sameStatus } from './node-status.ts';

export interface NodeStatusDeps {
  readonly node: NodeIdentity;
  readonly runtime: Pick<Runtime, 'info' | 'listImages'>;
  /** Absent: the machine is short of nothing. */
  readonly machine?: { look(): Promise<{ pressure: Pressure; diskBytes: number }> } | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** What the Ready condition depends on. */
  pods(): { readonly engineUp: boolean; readonly clean: boolean };
  /** The engine has answered for the first time: the node's capacity is known. */
  capacityKnown(): void;
}

/** What pods may know of the node. `memoryCapacity`: 0 while it is not known. */
type NodePodFacts = Omit<NodeFacts, 'kubernetes'>;

/** Milliseconds. */
const firstLookWithinMs = 3_000;
const lookEveryMs = 10_000;
const imagesEveryMs = 60_000;
const reportEveryMs = 60_000;

const noPressure: Pressure = { memory: false, disk: false, pid: false };

/** Looks at the engine and the machine regularly, and reports the node's status when it has changed, and once a minute. */
export class NodeStatusReporter {
  readonly #deps: NodeStatusDeps;
  #engine: EngineInfo | undefined;
  #images: readonly ImageState[] = [];
  #pressure: Pressure = noPressure;
  #diskBytes = 0;
  #podFacts: NodePodFacts | undefined;
  /** The status that was reported last. */
  #reported: NodeStatus | undefined;
  /** The status of the registration that is under way. */
  #registering: NodeStatus | undefined;
  #changed = true;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #lookAt = 0;
  #imagesAt = 0;
  #looking = false;

  constructor(deps: NodeStatusDeps) {
    this.#deps = deps;
  }

  /** The first look, before the node registers; given up after a few seconds. */
  async firstLook(signal: AbortSignal): Promise<void> {
    const waited = new AbortController();
    const either = AbortSignal.any([signal, waited.signal]);
    await Promise.race([this.#look(), pause(this.#deps.clock, firstLookWithinMs, either)]);
    waited.abort();
  }

  /** The status as it is now. */
  status(): NodeStatus {
    const facts = {
      engine: this.#engine,
      ...this.#deps.pods(),
      images: this.#images,
      pressure: this.#pressure,
      diskBytes: this.#diskBytes,
    };
    return nodeStatus(this.#deps.node, facts, this.#reported, this.#deps.clock.now());
  }

  podFacts(): NodePodFacts {
    this.#podFacts ??= podFactsOf(this.#deps.node, this.status(), this.#engine);
    return this.#podFacts;
  }

  features(allowedUnsafeSysctls: readonly string[]): NodeFeatures | undefined {
    const engine = this.#engine;
    return engine && { kernelVersion: engine.kernelVersion, security: engine.security, allowedUnsafeSysctls };
  }

  /** What the Ready condition depends on has changed. */
  podsChanged(): void {
    this.#changed = true;
    this.#lookAt = 0;
  }

  /** The status that the node registers with. */
  register(): NodeStatus {
    this.#registering = this.status();
    return this.#registering;
  }

  /** The control plane has the status of the registration. */
  registered(): void {
    this.#reported = this.#registering;
    this.#changed = true;
  }

  /** The status to report now; undefined when it has not changed since it was reported less than a minute ago. */
  take(): NodeStatus | undefined {
    const now = this.#deps.clock.monotonic();
    const due = now - this.#reportedAt >= reportEveryMs;
    if (!this.#changed && !due) return undefined;
    this.#changed = false;
    const status = this.status();
    if (!due && sameStatus(this.#reported, status)) return undefined;
    this.#reported = status;
    this.#reportedAt = now;
    return status;
  }

  /** Looks when that is due. To be called about once a second; true when there may be a status to report. */
  tick(): boolean {
    const now = this.#deps.clock.monotonic();
    if (now >= this.#lookAt) void this.#look();
    return this.#changed || now - this.#reportedAt >= reportEveryMs;
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const { clock, runtime, machine, log } = this.#deps;
    const now = clock.monotonic();
    this.#lookAt = now + lookEveryMs;
    const isFirst = this.#engine === undefined;
    try {
      if (machine) {
        const { pressure, diskBytes } = await machine.look();
        this.#pressure = pressure;
        this.#diskBytes = diskBytes;
      }
      if (isFirst || now >= this.#imagesAt) {
        this.#engine = await runtime.info();
        this.#images = await runtime.listImages();
        this.#imagesAt = now + imagesEveryMs;
      }
    } catch (error) {
      log.debug({ component: 'node', err: messageOf(error) }, 'the node could not be looked at');
    } finally {
      this.#looking = false;
      this.#changed = true;
      this.#podFacts = undefined;
    }
    if (isFirst && this.#engine) this.#deps.capacityKnown();
  }
}

function podFactsOf({ name, address }: NodeIdentity, status: NodeStatus, engine: EngineInfo | undefined): NodePodFacts {
  const { allocatable = {} } = status;
  return {
    nodeName: name,
    hostIP: address,
    allocatable: {
      cpuMillis: milliValue(allocatable.cpu ?? '0'),
      memoryBytes: intValue(allocatable.memory ?? '0'),
      ephemeralBytes: intValue(allocatable['ephemeral-storage'] ?? '0'),
    },
    memoryCapacity: engine?.memoryBytes ?? 0,
  };
}
