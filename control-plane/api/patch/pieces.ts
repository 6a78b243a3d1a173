/** Items of a piece; one that grows to twice as many is cut in two. */
const pieceSize = 512;

/**
 * A long list that many operations change: an item goes in or out anywhere without moving all that stand behind it.
 * Indexes must be within the list.
 */
export class Pieces {
  /** At least one; those that have been emptied stay. */
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

  /** Before the item at `index`; at the length of the list: as its last. */
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

  /** The list as it is now, as a plain array. */
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

/** Takes from a piece that has grown to twice the usual size what is to be a piece of its own. */
export function cutOff(piece: unknown[]): unknown[] | undefined {
  return piece.length < 2 * pieceSize ? undefined : piece.splice(pieceSize);
}
