import { ApiError } from '../../../shared/errors.ts';
import type { WatchCache } from '../../store/cache/watch-cache.ts';
import { tickKey } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';

/**
 * Consistent reads from the cache: a reader learns the store's revision by a quorum read that began after the reader
 * came, and waits until the cache shows it. One quorum read serves all who came before it began, so their number
 * costs the store nothing.
 */
export class ReadIndex {
  readonly #deps: { readonly store: Store; readonly cache: WatchCache };
  /** The newest revision that a write of this process got. */
  #written = 0;
  /** A read that has not begun yet, and whom it will serve. */
  #next: Promise<number> | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(deps: { readonly store: Store; readonly cache: WatchCache }) {
    this.#deps = deps;
  }

  /** Later reads show at least this revision. */
  atLeast(revision: number): void {
    if (revision > this.#written) this.#written = revision;
  }

  /** Resolves when the cache shows everything that was committed before the call. Returns that revision. */
  async catchUp(signal: AbortSignal): Promise<number> {
    this.#next ??= this.#schedule();
    const revision = Math.max(await this.#next, this.#written);
    await this.waitFor(revision, signal);
    return revision;
  }

  /** Resolves when the cache shows `revision`. */
  async waitFor(revision: number, signal: AbortSignal): Promise<void> {
    const { cache } = this.#deps;
    // At 0 it has not been loaded: then there is nothing to show yet, whatever is asked for.
    if (cache.revision > 0 && cache.revision >= revision) return;
    await cache.waitFor(revision, signal);
  }

  async #schedule(): Promise<number> {
    // While one read runs, those who come wait for the one after it: theirs must begin after they came.
    await this.#running.catch(() => undefined);
    this.#next = undefined;
    const read = this.#deps.store.get(tickKey);
    this.#running = read;
    const { revision } = await read;
    if (!(revision > 0)) throw new ApiError('InternalError', 'the store answered without a revision');
    return revision;
  }
}
