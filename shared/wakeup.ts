/** A bell that one loop waits for and anyone rings; rings before the wait are not lost, and many count as one. */
export class Wakeup {
  #rung = false;
  #resolve: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#resolve?.();
  }

  /** Resolves at once when it has been rung since the last wait. Rejects with the signal's reason. */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#rung) {
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
    this.#rung = false;
  }
}
