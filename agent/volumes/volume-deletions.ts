import { backoffMs } from '../../shared/backoff.ts';
import { type Clock, pause } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { Random } from '../../shared/random.ts';
import type { DeletedVolume } from '../../shared/session.ts';
import type { NodeAssigned } from '../session/assigned-kinds.ts';
import type { LocalVolumes } from './local-volumes.ts';

export interface VolumeDeletionsDeps {
  readonly assigned: NodeAssigned;
  readonly volumes: LocalVolumes;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Whether a pod of the node, or what may be left of one, can still use the volumes of this claim. */
  inUse(claim: string): boolean;
  /** There is a deletion to report. */
  ready(): void;
}

/** Milliseconds between tries. */
const retry = { firstMs: 1_000, capMs: 60_000 };

type Report = { readonly name: string; readonly uid: string };

/**
 * Deletes the data of the local volumes that are assigned for it, and reports each once it is gone. A volume stays assigned until the
 * control plane has the report, so every session begins with all reports that may have been lost.
 */
export class VolumeDeletions {
  readonly #deps: VolumeDeletionsDeps;
  readonly #log: Log;
  /** By uid: the volumes whose data is being deleted. */
  readonly #running = new Set<string>();
  /** By uid: the volumes whose data is gone, while they are assigned. */
  readonly #deleted = new Map<string, Report>();
  #reports: Report[] = [];
  /** Aborted while it does not run. */
  #signal: AbortSignal = AbortSignal.abort();

  constructor(deps: VolumeDeletionsDeps) {
    this.#deps = deps;
    this.#log = deps.log.child({ component: 'volumes' });
    deps.assigned.subscribe(['DeletedVolume'], () => this.#reconcile());
  }

  /** Finishes what a former process has begun, and deletes what is assigned until aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#reconcile();
    await this.#deps.volumes.sweep().catch((error: unknown) => {
      this.#log.warn({ err: messageOf(error) }, 'deleted volumes not removed');
    });
  }

  /** The next report to send. */
  take(): Report | undefined {
    return this.#reports.shift();
  }

  /** A new session has begun: earlier reports may be lost. */
  resend(): void {
    this.#reports = [...this.#deleted.values()];
  }

  #reconcile(): void {
    if (this.#signal.aborted) return;
    const assigned = this.#deps.assigned.of('DeletedVolume');
    const uids = new Set([...assigned.values()].map(({ uid }) => uid));
    for (const uid of this.#deleted.keys()) if (!uids.has(uid)) this.#deleted.delete(uid);
    for (const [name, volume] of assigned) {
      if (this.#running.has(volume.uid) || this.#deleted.has(volume.uid)) continue;
      this.#running.add(volume.uid);
      void this.#delete(name, volume).finally(() => this.#running.delete(volume.uid));
    }
  }

  async #delete(name: string, volume: DeletedVolume): Promise<void> {
    const { clock, random, volumes, ready, inUse } = this.#deps;
    for (let attempt = 0; !this.#signal.aborted && this.#isAssigned(name, volume); attempt++) {
      try {
        if (inUse(volume.claim)) throw new Error('a pod of this node uses it');
        await volumes.remove(volume.path);
        this.#log.info({ volume: name, path: volume.path }, 'volume deleted');
        const report = { name, uid: volume.uid };
        this.#deleted.set(volume.uid, report);
        this.#reports.push(report);
        ready();
        return;
      } catch (error) {
        this.#log.warn({ volume: name, path: volume.path, err: messageOf(error) }, 'volume not deleted');
      }
      await pause(clock, backoffMs(attempt, retry, random), this.#signal);
    }
  }

  #isAssigned(name: string, { uid }: DeletedVolume): boolean {
    return this.#deps.assigned.of('DeletedVolume').get(name)?.uid === uid;
  }
}
