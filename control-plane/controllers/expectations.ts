import type { Clock } from '../../shared/clock.ts';
import type { KubeObject } from '../../shared/object.ts';

/** The milliseconds after which a key is queued again while its writes are not shown yet. */
export const unsatisfiedRequeueMs = 20;
/** A deletion that the informers do not show within this time is no longer expected. */
const deletionTimeoutMs = 30_000;

/**
 * The writes of a controller that its informers have yet to show (client-go's ControllerExpectations, by revision instead of by count).
 * A key is reconciled again once the informers show its last write; an object that the controller deleted counts as gone.
 */
export class Expectations {
  readonly #clock: Clock;
  readonly #revisions = new Map<string, number>();
  readonly #deleted = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `object`: the result of a write for `key`. */
  expect(key: string, object: KubeObject): void {
    this.expectRevision(key, Number(object.metadata.resourceVersion));
  }

  /** `key` is not reconciled before the informers show this revision. */
  expectRevision(key: string, revision: number): void {
    if (revision > (this.#revisions.get(key) ?? 0)) this.#revisions.set(key, revision);
  }

  /** Whether informers at `revision` show all writes for `key`. */
  satisfied(key: string, revision: number): boolean {
    if (revision < (this.#revisions.get(key) ?? 0)) return false;
    this.#revisions.delete(key);
    return true;
  }

  expectDeletion(uid: string): void {
    this.#deleted.set(uid, this.#clock.monotonic());
  }

  isDeletionExpected(uid: string): boolean {
    const at = this.#deleted.get(uid);
    if (at === undefined) return false;
    if (this.#clock.monotonic() - at < deletionTimeoutMs) return true;
    this.#deleted.delete(uid);
    return false;
  }

  deletionObserved(uid: string): void {
    this.#deleted.delete(uid);
  }
}
