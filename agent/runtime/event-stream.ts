import { RuntimeError, type RuntimeEvent } from './runtime.ts';

/** What a reader may lag behind before its stream breaks; it then lists again, as after any broken stream. */
const maxPending = 10_000;

/** A bounded queue between an engine that pushes and one reader that iterates. */
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

  /** Ends the stream after what is pending. */
  end(): void {
    this.#end ??= {};
    this.#wake?.();
  }

  /** Breaks the stream after what is pending. */
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
