import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';

/** Small documents by key (`pods/UID`), each written whole or not at all. */
export interface CheckpointStorage {
  /** Everything that can be read; what cannot is set aside. */
  load(): Promise<Map<string, string>>;
  write(key: string, text: string): Promise<void>;
  remove(key: string): Promise<void>;
}

/** Milliseconds that a change waits for others of the same document. */
const gatherMs = 100;
const retryMs = 1_000;

/**
 * What the agent knows, on its way to the disk: of each document only the newest version is written, one at a time. A
 * write that fails is tried again; the agent goes on meanwhile, for the runtime's labels tell most of it as well.
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

  /** The documents, parsed; one that is not JSON is left out with a line in the log. */
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
      // What was put after the last look of the drain, and before this.
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

/** Keeps the documents in `map`: hand the same map to the next agent, and it finds them. */
export function memoryCheckpoint(map: Map<string, string> = new Map()): CheckpointStorage {
  return {
    load: async () => new Map(map),
    write: async (key, text) => void map.set(key, text),
    remove: async (key) => void map.delete(key),
  };
}
