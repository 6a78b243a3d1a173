import type { Pod, PodStatus } from '../../shared/generated/types.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import type { PodMemory } from '../pod/model.ts';

/** A pod as the node remembers it. */
export interface PodRecord {
  readonly pod: Pod;
  readonly memory: PodMemory;
}

type Tokens = NonNullable<PodMemory['tokens']>;

/**
 * What the agent remembers of its pods: in the checkpoint on the disk, but for their tokens, which survive the agent in memory and do
 * not survive the machine.
 */
export class PodCheckpoints {
  readonly #disk: Checkpoint;
  readonly #memory: Checkpoint;
  /** The tokens that were put last, by uid. */
  readonly #tokens = new Map<string, Tokens>();

  constructor(disk: Checkpoint, memory: Checkpoint) {
    this.#disk = disk;
    this.#memory = memory;
  }

  put(pod: Pod, { tokens, ...memory }: PodMemory, status: PodStatus | undefined): void {
    const { uid } = pod.metadata;
    const record: PodRecord = { pod: { ...pod, ...(status ? { status } : {}) }, memory };
    this.#disk.put(`pods/${uid}`, record);
    if (!tokens || this.#tokens.get(uid) === tokens) return;
    this.#tokens.set(uid, tokens);
    this.#memory.put(`tokens/${uid}`, tokens);
  }

  remove(uid: string): void {
    this.#disk.remove(`pods/${uid}`);
    this.#memory.remove(`tokens/${uid}`);
    this.#tokens.delete(uid);
  }

  /** The record among the documents of both; undefined when `key` is none of a pod. */
  static restored(key: string, documents: ReadonlyMap<string, unknown>): PodRecord | undefined {
    const uid = /^pods\/(.+)$/.exec(key)?.[1];
    if (uid === undefined) return undefined;
    const { pod, memory } = documents.get(key) as PodRecord;
    const tokens = documents.get(`tokens/${uid}`) as Tokens | undefined;
    return { pod, memory: { ...memory, ...(tokens ? { tokens } : {}) } };
  }
}
