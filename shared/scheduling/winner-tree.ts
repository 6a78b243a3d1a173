/**
 * A winner tree (tournament tree): the best of many candidates, numbered from 0. A change of one candidate costs a logarithmic number of
 * comparisons.
 *
 *            winner
 *           ┌──┴──┐         node i has the children 2i and 2i + 1;
 *         best   best       the leaves are the candidates, or -1
 *        ┌─┴─┐  ┌─┴─┐
 *        0   1  2  -1
 */
export class WinnerTree {
  readonly #isBetter: (a: number, b: number) => boolean;
  #leaves = 1;
  #tree = new Int32Array(2).fill(-1);

  constructor(isBetter: (a: number, b: number) => boolean) {
    this.#isBetter = isBetter;
  }

  /** -1 when there is no candidate. */
  get winner(): number {
    return this.#tree[1] ?? -1;
  }

  rebuild(size: number, isCandidate: (at: number) => boolean): void {
    this.#grow(size);
    for (let at = 0; at < this.#leaves; at++) {
      this.#tree[this.#leaves + at] = at < size && isCandidate(at) ? at : -1;
    }
    for (let at = this.#leaves - 1; at > 0; at--) this.#play(at);
  }

  /** A candidate was added, changed or removed. */
  set(at: number, isCandidate: boolean): void {
    if (at >= this.#leaves) {
      const before = this.#tree.slice(this.#leaves);
      this.#grow(at + 1);
      this.#tree.set(before, this.#leaves);
      for (let parent = this.#leaves - 1; parent > 0; parent--) this.#play(parent);
    }
    this.#tree[this.#leaves + at] = isCandidate ? at : -1;
    for (let parent = (this.#leaves + at) >> 1; parent > 0; parent >>= 1) this.#play(parent);
  }

  #play(at: number): void {
    const left = this.#tree[2 * at] ?? -1;
    const right = this.#tree[2 * at + 1] ?? -1;
    this.#tree[at] = left < 0 ? right : right < 0 || this.#isBetter(left, right) ? left : right;
  }

  #grow(size: number): void {
    while (this.#leaves < size) this.#leaves *= 2;
    if (this.#tree.length < 2 * this.#leaves) this.#tree = new Int32Array(2 * this.#leaves).fill(-1);
  }
}
