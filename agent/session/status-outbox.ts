import type { PodStatusUpdate } from '../../shared/session.ts';

/** The most updates of one report, and the most characters of JSON unless it has one update: a server accepts 1 MiB. */
const maxBatch = 100;
const maxCharacters = 256 * 1024;

/** The pod statuses to report: of each pod only the latest, kept until the control plane has acknowledged it. */
export class StatusOutbox {
  readonly #waiting = new Map<string, PodStatusUpdate>();
  readonly #sent = new Map<number, PodStatusUpdate[]>();
  #sequence = 0;

  get pending(): boolean {
    return this.#waiting.size > 0;
  }

  get unacknowledged(): number {
    return this.#waiting.size + this.#sent.size;
  }

  put(update: PodStatusUpdate): void {
    // In the order of the last change: a pod that changes often does not delay the others.
    this.#waiting.delete(update.uid);
    this.#waiting.set(update.uid, update);
  }

  /** The next report; its updates count as sent until they are acknowledged. */
  take(): { sequence: number; updates: PodStatusUpdate[] } | undefined {
    if (this.#waiting.size === 0) return undefined;
    const updates = this.#batch();
    for (const { uid } of updates) this.#waiting.delete(uid);
    this.#supersede(new Set(updates.map(({ uid }) => uid)));
    const sequence = ++this.#sequence;
    this.#sent.set(sequence, updates);
    return { sequence, updates };
  }

  #batch(): PodStatusUpdate[] {
    const updates: PodStatusUpdate[] = [];
    let characters = 0;
    for (const update of this.#waiting.values()) {
      characters += JSON.stringify(update.status ?? {}).length;
      if (updates.length >= maxBatch || (characters > maxCharacters && updates.length > 0)) break;
      updates.push(update);
    }
    return updates;
  }

  acknowledge(sequence: number): void {
    this.#sent.delete(sequence);
  }

  /** For a new session: queues again what was not acknowledged, and `all`, unless a newer status waits. */
  restart(all: readonly PodStatusUpdate[]): void {
    const again = [...[...this.#sent.values()].flat(), ...all];
    this.#sent.clear();
    const newest = new Map(again.map((update) => [update.uid, update]));
    for (const [uid, update] of this.#waiting) newest.set(uid, update);
    this.#waiting.clear();
    for (const update of newest.values()) if (update.status || update.terminated) this.put(update);
  }

  /** Drops earlier reports of these pods: sent again after a lost acknowledgement, they would overwrite the newer ones. */
  #supersede(uids: ReadonlySet<string>): void {
    for (const [sequence, updates] of this.#sent) {
      const left = updates.filter(({ uid }) => !uids.has(uid));
      if (left.length > 0) this.#sent.set(sequence, left);
      else this.#sent.delete(sequence);
    }
  }
}
