import { RuntimeError, type RuntimeEvent } from './runtime.ts';

/** The most events that a reader may lag behind; then its stream fails, and it lists again. */
const maxPending = 10_000;

/** A bounded queue between the engine's events and one reader. */
export class EventStream implements AsyncIterable<RuntimeEvent> {
  #pending: RuntimeEvent[] = [];
  #wake: (() => void) | undefined;
  #end: { error?: Error } | undefined;

  push(event: RuntimeEvent): void {
    if (this.#end) return;
    if (this.#pending.length >= maxPending) {
      this.#pending = [];
      this.fail(new RuntimeError('Unavailable', `the reader of events fell ${maxPending} behind`));
      return;
    }
    this.#pending.push(event);
    this.#wake?.();
  }

  /** Ends the stream after the pending events. */
  end(): void {
    this.#end ??= {};
    this.#wake?.();
  }

  /** Fails the stream after the pending events. */
  fail(error: Error): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RuntimeEvent> {
    for (;;) {
      const batch = this.#pending;
      this.#pending = [];
      yield* batch;
      if (this.#pending.length > 0) continue;
      if (this.#end) {
        if (this.#end.error) throw this.#end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
