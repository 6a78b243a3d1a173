import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';

/** Small documents by key (`pods/UID`), each written atomically. */
export interface CheckpointStorage {
  /** All documents that can be read; the others are set aside. */
  load(): Promise<Map<string, string>>;
  write(key: string, text: string): Promise<void>;
  remove(key: string): Promise<void>;
}

/** How long a change waits for others of the same document, in milliseconds. */
const gatherMs = 100;
const retryMs = 1_000;

/**
 * Writes the agent's state to disk: of each document only the latest version, one document at a time. A failed write is retried while
 * the agent goes on, as the runtime's labels hold most of the state as well.
 */
export class Checkpoint {
  readonly #storage: CheckpointStorage;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #dirty = new Map<string, unknown>();
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(deps: { storage: CheckpointStorage; clock: Clock; log: Log }) {
    this.#storage = deps.storage;
    this.#clock = deps.clock;
    this.#log = deps.log.child({ component: 'checkpoint' });
  }

  /** The parsed documents; one that is not JSON is removed, with a line in the log. */
  async load(): Promise<Map<string, unknown>> {
    const documents = new Map<string, unknown>();
    for (const [key, text] of await this.#storage.load()) {
      try {
        documents.set(key, JSON.parse(text));
      } catch (error) {
        this.#log.error({ key, err: messageOf(error) }, 'checkpoint set aside: it cannot be read');
        await this.#storage.remove(key);
      }
    }
    return documents;
  }

  /** As `load`; nothing, with a line in the log, when the storage cannot be read. */
  async loadOrEmpty(): Promise<Map<string, unknown>> {
    try {
      return await this.load();
    } catch (error) {
      this.#log.error({ err: messageOf(error) }, 'checkpoint not loaded: starting without');
      return new Map();
    }
  }

  put(key: string, document: object): void {
    this.#change(key, document);
  }

  remove(key: string): void {
    this.#change(key, undefined);
  }

  /** Resolves when everything put so far has been written. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** Writes nothing more. */
  close(): void {
    this.#closed = true;
    this.#dirty.clear();
  }

  #change(key: string, document: object | undefined): void {
    if (this.#closed) return;
    this.#dirty.set(key, document);
    this.#begin();
  }

  #begin(): void {
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
      // Documents that were put after the loop ended.
      if (this.#dirty.size > 0) this.#begin();
    });
  }

  async #drain(): Promise<void> {
    await this.#clock.sleep(gatherMs);
    while (this.#dirty.size > 0) {
      const [next] = this.#dirty;
      if (!next) return;
      const [key, document] = next;
      this.#dirty.delete(key);
      try {
        if (document === undefined) await this.#storage.remove(key);
        else await this.#storage.write(key, JSON.stringify(document));
      } catch (error) {
        this.#log.error({ key, err: messageOf(error) }, 'checkpoint not written');
        if (!this.#closed && !this.#dirty.has(key)) this.#dirty.set(key, document);
        await this.#clock.sleep(retryMs);
      }
    }
  }
}

/** Keeps the documents in `map`, which can be passed to the next agent. */
export function memoryCheckpoint(map: Map<string, string> = new Map()): CheckpointStorage {
  return {
    load: async () => new Map(map),
    write: async (key, text) => void map.set(key, text),
    remove: async (key) => void map.delete(key),
  };
}
