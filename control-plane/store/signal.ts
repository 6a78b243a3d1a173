/** Wakes all that wait for the next change, as a condition variable does. A wait that begins after a broadcast waits for the next one. */
export class Signal {
  #waiting = new Set<() => void>();

  broadcast(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  /** Resolves at the next broadcast, or when `abort` is aborted. Never rejects. */
  wait(abort: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (abort.aborted) return resolve();
      const wake = (): void => {
        abort.removeEventListener('abort', wake);
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      abort.addEventListener('abort', wake);
    });
  }
}
