import { ApiError } from '../../../shared/errors.ts';
import type { WatchCache } from '../../store/cache/watch-cache.ts';
import { tickKey } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';

/**
 * Consistent reads from the cache (etcd's ReadIndex): a reader gets the store's revision by a quorum read that begins after its
 * call, and waits until the cache shows it. One quorum read serves all readers that called before it began.
 */
export class ReadIndex {
  readonly #deps: { readonly store: Store; readonly cache: WatchCache };
  /** The newest revision of this process' writes. */
  #written = 0;
  /** A quorum read that has not begun yet. */
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
    // At 0 the cache has not been loaded.
    if (cache.revision > 0 && cache.revision >= revision) return;
    await cache.waitFor(revision, signal);
  }

  async #schedule(): Promise<number> {
    // Readers that call while a quorum read runs wait for the next one, as theirs must begin after the call.
    await this.#running.catch(() => undefined);
    this.#next = undefined;
    const read = this.#deps.store.get(tickKey);
    this.#running = read;
    const { revision } = await read;
    if (!(revision > 0)) throw new ApiError('InternalError', 'the store answered without a revision');
    return revision;
  }
}
