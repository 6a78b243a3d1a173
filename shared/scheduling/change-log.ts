/** The slots of the nodes that changed last, so that cached results are updated for those nodes alone. */
export class ChangeLog {
  static readonly #size = 4_096;
  readonly #slots = new Int32Array(ChangeLog.#size);
  head = 0;

  add(slot: number): void {
    this.#slots[this.head++ % ChangeLog.#size] = slot;
  }

  /** Whether all changes from `cursor` on are still in the log. */
  covers(cursor: number): boolean {
    return this.head - cursor <= ChangeLog.#size;
  }

  at(cursor: number): number {
    return this.#slots[cursor % ChangeLog.#size] ?? 0;
  }
}
