import type { Readable, Writable } from 'node:stream';

/** The terminal or pipes of the user, for a stream to a pod. */
export interface Console {
  /** Input and output are terminals. */
  readonly interactive: boolean;
  /** Standard input, until its end or `stop`. */
  input(): AsyncIterable<Uint8Array>;
  /** Resolves when more can be written. */
  write(to: 'stdout' | 'stderr', data: Uint8Array): Promise<void>;
  size(): { width: number; height: number } | undefined;
  /** Returns how to remove the listener. */
  onResize(listener: () => void): () => void;
  /** Raw mode: keys are passed as they are, ctrl-C too. */
  setRaw(raw: boolean): void;
  /** Stops reading, so that the program can end. */
  stop(): void;
}

export function processConsole(): Console {
  // The first access to process.stdin opens it, so it is done on demand.
  const { stdout, stderr } = process;
  return {
    get interactive() {
      return process.stdin.isTTY === true && stdout.isTTY === true;
    },
    input: () => bytesOf(process.stdin),
    write: (to, data) => written(to === 'stdout' ? stdout : stderr, data),
    size: () => (stdout.isTTY ? { width: stdout.columns, height: stdout.rows } : undefined),
    onResize(listener) {
      stdout.on('resize', listener);
      return () => void stdout.off('resize', listener);
    },
    setRaw(raw) {
      if (process.stdin.isTTY) process.stdin.setRawMode(raw);
    },
    stop: () => void process.stdin.destroy(),
  };
}

async function* bytesOf(stream: Readable): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield Buffer.from(chunk as Buffer);
  } catch (error) {
    // `stop` has destroyed it.
    if (!stream.destroyed) throw error;
  }
}

function written(stream: Writable, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}
