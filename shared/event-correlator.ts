/**
 * Aggregation, counting and spam filtering of events, by the rules of client-go's recorder (`tools/record/events_cache.go`):
 *
 *     repeated event            one Event object with a count
 *     tenth similar event       from then on one Event object: "(combined from similar events): " and the newest message
 *     many of one object        counted, but not written: a burst of 25, then one per five minutes
 *     repeated in a series      counted; written the second time, then at growing intervals
 *
 * Events are similar when they have one source, object and reason.
 */

export interface Occurrence {
  /** Component and host. */
  readonly source: string;
  /** The object, including its uid. */
  readonly object: string;
  /** The part of the object that it is about. */
  readonly fieldPath?: string;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  /** In the form of events.k8s.io (client-go's `tools/events`): repetitions are one series, outside the spam filter. */
  readonly series?: boolean;
}

export interface Correlated {
  /** Equal for all occurrences of one Event object. */
  readonly key: string;
  readonly message: string;
  /** The occurrences up to and including this one, and the time of the first: milliseconds since the epoch. */
  readonly count: number;
  readonly first: number;
  /** Whether it is to be written. */
  readonly write: boolean;
}

export interface CorrelatorLimits {
  /** The size of each cache; least recently used entries are dropped. */
  readonly remembered: number;
  /** Events of one source on one object: a burst, and a rate per second. */
  readonly burst: number;
  readonly perSecond: number;
  /** This many different messages within this many seconds are combined. */
  readonly similar: number;
  readonly similarSeconds: number;
}

/** A series is written again after a quarter of its duration, within these bounds (milliseconds). */
const seriesPause = { shortest: 1_000, longest: 300_000 };

export const kubernetesLimits: CorrelatorLimits = {
  remembered: 4096,
  burst: 25,
  perSecond: 1 / 300,
  similar: 10,
  similarSeconds: 600,
};

const combined = '(combined from similar events): ';

interface Seen {
  count: number;
  readonly first: number;
  written: number;
}

interface Similar {
  readonly messages: Set<string>;
  last: number;
}

/** Keeps a bounded number of events. `now`: milliseconds since the epoch. */
export class EventCorrelator {
  readonly #limits: CorrelatorLimits;
  readonly #similar = new Map<string, Similar>();
  readonly #seen = new Map<string, Seen>();
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(limits: Partial<CorrelatorLimits> = {}) {
    this.#limits = { ...kubernetesLimits, ...limits };
  }

  note(occurrence: Occurrence, now: number): Correlated {
    const { source, object, fieldPath = '', type, reason } = occurrence;
    const kind = join(source, object, type, reason);
    const isCombined = this.#isSimilar(kind, occurrence.message, now);
    const message = isCombined ? `${combined}${occurrence.message}` : occurrence.message;
    const key = isCombined ? kind : join(kind, fieldPath, message);
    const seen = this.#seen.get(key) ?? { count: 0, first: now, written: now };
    seen.count++;
    const write = occurrence.series ? isDue(seen, now) : this.#takeToken(join(source, object), now);
    if (write) seen.written = now;
    remember(this.#seen, key, seen, this.#limits.remembered);
    return { key, message, count: seen.count, first: seen.first, write };
  }

  /** The Event object has been deleted: it is counted from here. */
  restart(key: string, count: number, first: number): void {
    remember(this.#seen, key, { count, first, written: first }, this.#limits.remembered);
  }

  #isSimilar(kind: string, message: string, now: number): boolean {
    const { similar, similarSeconds, remembered } = this.#limits;
    const known = this.#similar.get(kind);
    const recent =
      known && now - known.last <= similarSeconds * 1000 ? known : { messages: new Set<string>(), last: 0 };
    recent.last = now;
    recent.messages.add(message);
    remember(this.#similar, kind, recent, remembered);
    if (recent.messages.size < similar) return false;
    // Dropping one keeps the size of the set.
    for (const one of recent.messages) {
      recent.messages.delete(one);
      break;
    }
    return true;
  }

  #takeToken(of: string, now: number): boolean {
    const { burst, perSecond, remembered } = this.#limits;
    const bucket = this.#buckets.get(of) ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    remember(this.#buckets, of, bucket, remembered);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}

function isDue({ count, first, written }: Seen, now: number): boolean {
  const { shortest, longest } = seriesPause;
  // After the clock was set back, a series is due at once.
  return count <= 2 || now < written || now - written >= Math.max(shortest, Math.min((now - first) / 4, longest));
}

function join(...parts: readonly string[]): string {
  return parts.join('\0');
}

/** Appends the entry; drops the oldest ones beyond `most`. */
function remember<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= most) break;
    map.delete(oldest);
  }
}
