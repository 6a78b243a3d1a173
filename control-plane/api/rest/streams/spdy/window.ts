/** The bytes that may be sent before a window update (SPDY/3.1, section 2.6.8). */
export const initialWindow = 64 * 1024;

/** A flow-control window. It binds only once the other side has sent a window update: see SpdyConnection. */
export class SendWindow {
  #left = initialWindow;
  #initial = initialWindow;
  #binding = false;
  #closed = false;
  #waiting: (() => void)[] = [];

  /** Takes up to `wanted` bytes (1 or more) from the window, and returns how many. Waits until there is one, or the window is closed. */
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

  /** The other side has changed its initial window. */
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
