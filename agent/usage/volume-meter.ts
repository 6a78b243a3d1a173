import { type Clock, pause } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { LocalVolumes } from '../volumes/local-volumes.ts';

/** The space of local volumes, in bytes. */
export interface VolumeSpace {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Of each volume, by its path. */
  readonly used: ReadonlyMap<string, number>;
  /** Of the file system that they share. */
  readonly capacityBytes: number;
  readonly availableBytes: number;
}

/** Milliseconds between two measurements; longer where one takes long. */
const everyMs = 60_000;
const restFactor = 5;

/** Measures regularly what the local volumes of the node take on its disk. */
export class VolumeMeter {
  readonly #deps: { readonly volumes: LocalVolumes; readonly clock: Clock; readonly log: Log };
  #last: VolumeSpace | undefined;

  constructor(deps: { readonly volumes: LocalVolumes; readonly clock: Clock; readonly log: Log }) {
    this.#deps = deps;
  }

  /** The last measurement. */
  get last(): VolumeSpace | undefined {
    return this.#last;
  }

  /** Runs until aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, volumes } = this.#deps;
    while (!signal.aborted) {
      const begun = clock.monotonic();
      try {
        const used = await volumes.usage(signal);
        if (used.size > 0) this.#last = { at: clock.now(), used, ...(await volumes.space()) };
      } catch (error) {
        if (!signal.aborted) log.debug({ component: 'usage', err: messageOf(error) }, 'local volumes not measured');
      }
      const rest = Math.max(everyMs, (clock.monotonic() - begun) * restFactor);
      await pause(clock, rest, signal);
    }
  }
}
