import type { KindId } from '../../../shared/kinds/kind.ts';

export interface SubscribeFilter<K extends KindId = KindId> {
  readonly kinds: readonly K[];
  /** After this revision, or the present state first and then everything after it. */
  readonly from: number | 'initial';
}

export interface SubscribeOptions {
  /** The most pending events, beyond which the subscriber is ended with Expired. */
  readonly maxBuffered?: number;
}
