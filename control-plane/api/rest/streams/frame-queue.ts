import { ApiError } from '../../../../shared/errors.ts';

/** Writes one frame to the connection and calls `done` when it was written, or failed. */
export type WriteFrame = (done: (error?: Error | null) => void) => void;

/**
 * Writes frames one at a time, each when the one before was written. Frames that are written together share a TLS record, and a client
 * that polls its socket does not see the rest of a record (Python's `websocket-client`).
 */
export class FrameQueue {
  readonly #maxUnsent: number;
  readonly #waiting: { readonly write: WriteFrame; readonly size: number; settle(error?: Error | null): void }[] = [];
  #unsent = 0;
  #writing = false;
  #ended = false;

  /** `maxUnsent`: the most queued bytes before senders must wait. */
  constructor(maxUnsent: number) {
    this.#maxUnsent = maxUnsent;
  }

  /** Frames are queued, or one is being written. */
  get busy(): boolean {
    return this.#writing;
  }

  /** Resolves when the frame (`size` bytes) was written, or at once while few bytes are queued. Rejects when it could not be written. */
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

  /** The connection is closed: queued and further frames are rejected. */
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
