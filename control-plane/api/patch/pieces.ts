/** The items of a piece; a piece of twice as many is split. */
const pieceSize = 512;

/** A long list that many operations change: inserting or removing an item moves only the items of its piece. Indexes must be in range. */
export class Pieces {
  /** At least one; empty pieces stay. */
  readonly #pieces: unknown[][] = [];
  #length: number;

  constructor(list: readonly unknown[]) {
    this.#pieces.push(list.slice(0, pieceSize));
    for (let at = pieceSize; at < list.length; at += pieceSize) this.#pieces.push(list.slice(at, at + pieceSize));
    this.#length = list.length;
  }

  get length(): number {
    return this.#length;
  }

  get(index: number): unknown {
    const { piece, at } = this.#find(index);
    return piece[at];
  }

  set(index: number, value: unknown): void {
    const { piece, at } = this.#find(index);
    piece[at] = value;
  }

  /** Inserts before the item at `index`; at the length of the list: appends. */
  insert(index: number, value: unknown): void {
    const { number, piece, at } = this.#find(index);
    piece.splice(at, 0, value);
    this.#length++;
    const rest = cutOff(piece);
    if (rest) this.#pieces.splice(number + 1, 0, rest);
  }

  remove(index: number): void {
    const { piece, at } = this.#find(index);
    piece.splice(at, 1);
    this.#length--;
  }

  /** The present list as an array. */
  whole(): unknown[] {
    return this.#pieces.flat();
  }

  #find(index: number): { number: number; piece: unknown[]; at: number } {
    const last = this.#pieces.length - 1;
    let at = index;
    for (let number = 0; ; number++) {
      const piece = this.#pieces[number] ?? [];
      if (at < piece.length || number >= last) return { number, piece, at };
      at -= piece.length;
    }
  }
}

/** Removes the second half of a piece of twice the usual size; undefined for a shorter one. */
export function cutOff(piece: unknown[]): unknown[] | undefined {
  return piece.length < 2 * pieceSize ? undefined : piece.splice(pieceSize);
}
