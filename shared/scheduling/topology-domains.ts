import type { Domains } from './snapshot.ts';

/** Numbers the values of one node label, and keeps the number of each node. */
export class TopologyDomains implements Domains {
  of = new Int32Array(0);
  count = 0;
  readonly #ids = new Map<string, number>();

  set(slot: number, value: string | undefined): void {
    this.cover(slot + 1);
    this.of[slot] = value === undefined ? -1 : this.#id(value);
  }

  cover(slots: number): void {
    if (slots <= this.of.length) return;
    const grown = new Int32Array(Math.max(64, slots * 2)).fill(-1);
    grown.set(this.of);
    this.of = grown;
  }

  #id(value: string): number {
    let id = this.#ids.get(value);
    if (id === undefined) {
      id = this.count++;
      this.#ids.set(value, id);
    }
    return id;
  }
}
