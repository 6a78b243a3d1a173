import type { Clock } from '../../shared/clock.ts';
import type { KubeObject } from '../../shared/object.ts';

/** A deletion that the informers have not shown by then is forgotten: the next look decides anew. */
const forgetMs = 30_000;

/**
 * What a controller has written and its informers may not show yet. To decide on a state from before one's own writes
 * is to do them twice: a key is looked at again only once the informers have come to its last write, and what was
 * deleted counts as gone.
 */
export class OwnWrites {
  readonly #clock: Clock;
  readonly #revisions = new Map<string, number>();
  readonly #deleted = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `object`: as it came back from a write for `key`. */
  wrote(key: string, object: KubeObject): void {
    const revision = Number(object.metadata.resourceVersion);
    if (revision > (this.#revisions.get(key) ?? 0)) this.#revisions.set(key, revision);
  }

  deleted(uid: string): void {
    this.#deleted.set(uid, this.#clock.monotonic());
  }

  /** Whether informers at `revision` show all that was written for `key`. */
  seen(key: string, revision: number): boolean {
    if (revision < (this.#revisions.get(key) ?? 0)) return false;
    this.#revisions.delete(key);
    return true;
  }

  /** Whether the object with this uid was deleted by us a short while ago. */
  isDeleted(uid: string): boolean {
    const at = this.#deleted.get(uid);
    if (at === undefined) return false;
    if (this.#clock.monotonic() - at < forgetMs) return true;
    this.#deleted.delete(uid);
    return false;
  }

  /** The informers have shown that it is gone. */
  gone(uid: string): void {
    this.#deleted.delete(uid);
  }
}
