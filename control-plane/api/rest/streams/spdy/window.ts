/** What each side may send before it is told that something was consumed (SPDY/3.1, section 2.6.8). */
export const initialWindow = 64 * 1024;

/** How much may be sent. It binds only when the other side has once told of its window: see SpdyConnection. */
export class SendWindow {
  #left = initialWindow;
  #initial = initialWindow;
  #binding = false;
  #closed = false;
  #waiting: (() => void)[] = [];

  /** How many of `wanted` bytes (1 or more) may be sent; they then count as sent. Waits until it is one at least, or the window is closed. */
  async take(wanted: number): Promise<number> {
    while (this.#binding && this.#left <= 0 && !this.#closed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const granted = this.#binding && !this.#closed ? Math.min(wanted, this.#left) : wanted;
    this.#left -= granted;
    return granted;
  }

  /** The other side has consumed `delta` bytes. */
  grow(delta: number): void {
    this.#binding = true;
    this.#left += delta;
    this.#wake();
  }

  /** The other side has set another size to begin with. */
  announce(initial: number): void {
    this.#binding = true;
    this.#left += initial - this.#initial;
    this.#initial = initial;
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
