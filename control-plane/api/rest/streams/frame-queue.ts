import { ApiError } from '../../../../shared/errors.ts';

/** Hands one frame to the connection and calls `done` when it has left the process, or could not. */
export type WriteFrame = (done: (error?: Error | null) => void) => void;

/**
 * Writes frames one at a time: each is handed over when the one before has left. Frames that wait together would share a TLS record,
 * and a client that polls its socket does not see what is left of a record (Python's `websocket-client`).
 */
export class FrameQueue {
  readonly #maxUnsent: number;
  readonly #waiting: { readonly write: WriteFrame; readonly size: number; settle(error?: Error | null): void }[] = [];
  #unsent = 0;
  #writing = false;
  #ended = false;

  /** `maxUnsent`: what may wait (bytes) before a sender must wait, too. */
  constructor(maxUnsent: number) {
    this.#maxUnsent = maxUnsent;
  }

  /** Frames wait, or one is under way. */
  get busy(): boolean {
    return this.#writing;
  }

  /** Resolves when the frame (`size` bytes) has left, or at once while few bytes wait. Rejects when the frame could not be written. */
  send(size: number, write: WriteFrame): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const settle = (error?: Error | null): void => {
        this.#unsent -= size;
        if (error) reject(error);
        else resolve();
      };
      this.#unsent += size;
      this.#waiting.push({ write, size, settle });
      this.#next();
      if (this.#unsent < this.#maxUnsent) resolve();
    });
  }

  /** The connection is closed: what waits, and what is still sent, is rejected. */
  end(): void {
    this.#ended = true;
    this.#writing = false;
    this.#next();
  }

  #next(): void {
    if (this.#ended) {
      for (const { settle } of this.#waiting.splice(0))
        settle(new ApiError('ServiceUnavailable', 'the connection was closed'));
      return;
    }
    if (this.#writing) return;
    const frame = this.#waiting.shift();
    if (!frame) return;
    this.#writing = true;
    frame.write((error) => {
      this.#writing = false;
      frame.settle(error);
      this.#next();
    });
  }
}
