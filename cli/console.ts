import type { Readable, Writable } from 'node:stream';

/** The user's own end of a stream into a pod. */
export interface Console {
  /** Somebody sits at the keyboard, and sees what is written. */
  readonly interactive: boolean;
  /** What is typed or piped in, until its end or `stop`. */
  input(): AsyncIterable<Uint8Array>;
  /** Resolves when more can be taken. */
  write(to: 'stdout' | 'stderr', data: Uint8Array): Promise<void>;
  size(): { width: number; height: number } | undefined;
  /** Returns how to end it. */
  onResize(listener: () => void): () => void;
  /** Hands on every key as it is, ctrl-C too. */
  setRaw(raw: boolean): void;
  /** Reads no more: the program can end. */
  stop(): void;
}

export function processConsole(): Console {
  // Standard input is opened by the first look at it: not before somebody wants it.
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
    // Destroyed, by `stop`.
    if (!stream.destroyed) throw error;
  }
}

function written(stream: Writable, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}
