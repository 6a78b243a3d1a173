/** What a zone's clock shows. */
export interface LocalTime {
  /** The midnight of the calendar day, as if it were in UTC: milliseconds since the epoch. */
  readonly date: number;
  readonly hour: number;
  readonly minute: number;
}

const minute = 60_000;
const day = 24 * 60 * minute;

/** A time zone's clock and calendar. */
export class TimeZone {
  readonly #format: Intl.DateTimeFormat;

  /** `name`: of the IANA database; absent: the zone of this process. Throws RangeError for an unknown one. */
  constructor(name: string | undefined) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
  }

  local(at: number): LocalTime {
    const shown: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(at)) shown[type] = Number(value);
    const { year = 0, month = 1, day: date = 1, hour = 0, minute: minutes = 0 } = shown;
    return { date: Date.UTC(year, month - 1, date), hour, minute: minutes };
  }

  dayOf(at: number): number {
    return this.local(at).date;
  }

  /** Minutes east of UTC. */
  offset(at: number): number {
    const { date, hour, minute: minutes } = this.local(at);
    return (date - Math.floor(at / minute) * minute) / minute + hour * 60 + minutes;
  }

  /** The first minute of a calendar day; undefined when the zone skips the day. */
  startOf(date: number): number | undefined {
    const starts = [date - day, date + day]
      .map((near) => date - this.offset(near) * minute)
      .filter((at) => this.dayOf(at) === date);
    return starts.length > 0 ? Math.min(...starts) : undefined;
  }
}

/** RFC 3339 with the zone's offset, UTC when it has none: `2026-03-29T03:00:00+02:00`. */
export function formatIn(zone: string | undefined, at: number): string {
  const offset = new TimeZone(zone ?? 'UTC').offset(at);
  const local = new Date(at + offset * minute).toISOString().slice(0, 19);
  if (offset === 0) return `${local}Z`;
  const two = (amount: number): string => String(amount).padStart(2, '0');
  const size = Math.abs(offset);
  return `${local}${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}
