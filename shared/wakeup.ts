/** Wakes one loop that waits. A wake-up before the wait is kept, and several count as one. */
export class Wakeup {
  #pending = false;
  #resolve: (() => void) | undefined;

  wake(): void {
    this.#pending = true;
    this.#resolve?.();
  }

  /** Resolves at once after a wake-up since the last wait. Rejects with the signal's reason. */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#pending) {
      let onAbort = (): void => undefined;
      await new Promise<void>((resolve, reject) => {
        this.#resolve = resolve;
        onAbort = () => reject(signal.reason);
        signal.addEventListener('abort', onAbort, { once: true });
      }).finally(() => {
        this.#resolve = undefined;
        signal.removeEventListener('abort', onAbort);
      });
    }
    this.#pending = false;
  }
}
