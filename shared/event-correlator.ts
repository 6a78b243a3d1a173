/**
 * What becomes of an event that is like earlier ones, by the rules of client-go's recorder (`tools/record/events_cache.go`):
 *
 *     the same again            one event, which counts
 *     the tenth of its kind     from there on one event, "(combined from similar events): " and the newest message, which counts
 *     too many of one object    counted, and not written: 25 at once, then one in five minutes
 *     again, in a series        counted, and written when it is the second time, then the more seldom the longer it goes on
 *
 * A kind of event is what one source says of one object for one reason, whatever its words.
 */

export interface Occurrence {
  /** Who tells: component, and the host it is on. */
  readonly source: string;
  /** What it happened to, down to its uid. */
  readonly object: string;
  /** The part of the object. */
  readonly fieldPath?: string;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  /** Told in the newer form, as client-go's `tools/events` does: its repetitions are one series, and no other event pays for them. */
  readonly series?: boolean;
}

export interface Correlated {
  /** Equal for all occurrences that are one event. */
  readonly key: string;
  readonly message: string;
  /** How often it has happened, this time included, and when first: milliseconds since the epoch. */
  readonly count: number;
  readonly first: number;
  /** False: it is not worth a write. */
  readonly tell: boolean;
}

export interface CorrelatorLimits {
  /** Things remembered of each sort; those that were longest not heard of are forgotten. */
  readonly remembered: number;
  /** Events of one source on one object: at once, and a second in the long run. */
  readonly burst: number;
  readonly perSecond: number;
  /** From how many different messages within how many seconds they are combined. */
  readonly similar: number;
  readonly similarSeconds: number;
}

/** A series is written again after a quarter of the time that it has gone on, but within these bounds: milliseconds. */
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
  told: number;
}

interface Similar {
  readonly messages: Set<string>;
  last: number;
}

/** Remembers a bounded number of events. `now`: milliseconds since the epoch. */
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
    const together = this.#isOneOfMany(kind, occurrence.message, now);
    const message = together ? `${combined}${occurrence.message}` : occurrence.message;
    const key = together ? kind : join(kind, fieldPath, message);
    const seen = this.#seen.get(key) ?? { count: 0, first: now, told: now };
    seen.count++;
    const tell = occurrence.series ? isNews(seen, now) : this.#mayTell(join(source, object), now);
    if (tell) seen.told = now;
    remember(this.#seen, key, seen, this.#limits.remembered);
    return { key, message, count: seen.count, first: seen.first, tell };
  }

  /** What was written of the event is no more: it is counted anew, from here. */
  restart(key: string, count: number, first: number): void {
    remember(this.#seen, key, { count, first, told: first }, this.#limits.remembered);
  }

  #isOneOfMany(kind: string, message: string, now: number): boolean {
    const { similar, similarSeconds, remembered } = this.#limits;
    const known = this.#similar.get(kind);
    const recent =
      known && now - known.last <= similarSeconds * 1000 ? known : { messages: new Set<string>(), last: 0 };
    recent.last = now;
    recent.messages.add(message);
    remember(this.#similar, kind, recent, remembered);
    if (recent.messages.size < similar) return false;
    // One makes room, so that the set stays as small as it is.
    for (const one of recent.messages) {
      recent.messages.delete(one);
      break;
    }
    return true;
  }

  #mayTell(of: string, now: number): boolean {
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

function isNews({ count, first, told }: Seen, now: number): boolean {
  const { shortest, longest } = seriesPause;
  // A clock that was set back would keep a series untold until it is as late again.
  return count <= 2 || now < told || now - told >= Math.max(shortest, Math.min((now - first) / 4, longest));
}

function join(...parts: readonly string[]): string {
  return parts.join('\0');
}

/** Puts it last; the first go when there are too many. */
function remember<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= most) break;
    map.delete(oldest);
  }
}
