import type { CronFields, CronSchedule } from '../../../shared/kinds/rules/cron-schedule.ts';
import { type LocalTime, TimeZone } from './time-zone.ts';

/** The times of a schedule. Milliseconds since the epoch. */
export interface Ticks {
  /** The first tick after `at`; undefined when there is none within five years. For `@every`, ticks count from `at`. */
  next(at: number): number | undefined;
  /** The last tick in (after, at]. For `@every`, ticks count from `after`. */
  latest(after: number, at: number): number | undefined;
}

const minute = 60_000;
const day = 24 * 60 * minute;
/** As far as a next tick is looked for: robfig/cron's limit. */
const horizonDays = 5 * 366;

/**
 * Ticks are the moments at which the zone's clock shows a matching time, as robfig/cron has it: one that the clock skips in spring is
 * left out that day, one that it shows twice in autumn happens twice.
 */
export function ticksOf(schedule: CronSchedule, zone: string | undefined): Ticks {
  return 'everyMs' in schedule ? everyTicks(schedule.everyMs) : fieldTicks(schedule, new TimeZone(zone));
}

function everyTicks(everyMs: number): Ticks {
  const wholeSecond = (at: number): number => Math.floor(at / 1000) * 1000;
  return {
    next: (at) => wholeSecond(at) + everyMs,
    latest(after, at) {
      const start = wholeSecond(after);
      const times = Math.floor((at - start) / everyMs);
      return times >= 1 ? start + times * everyMs : undefined;
    },
  };
}

function fieldTicks(fields: CronFields, zone: TimeZone): Ticks {
  return {
    next(at) {
      const from = Math.floor(at / minute) * minute + minute;
      const first = zone.dayOf(from);
      for (let date = first; date <= first + horizonDays * day; date += day) {
        if (!matchesDay(fields, date)) continue;
        const start = zone.startOf(date);
        if (start === undefined) continue;
        const found = firstIn(fields, zone, Math.max(from, start), date);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    latest(after, at) {
      const until = Math.floor(at / minute) * minute;
      const last = zone.dayOf(until);
      const oldest = Math.max(zone.dayOf(after), last - horizonDays * day);
      for (let date = last; date >= oldest; date -= day) {
        if (!matchesDay(fields, date)) continue;
        const end = date === last ? until : endOf(zone, date);
        const found = lastIn(fields, zone, end, date);
        if (found !== undefined) return found > after ? found : undefined;
      }
      return undefined;
    },
  };
}

/** `date`: the midnight of a calendar day, as if it were in UTC. */
function matchesDay({ months, days, weekdays, bothDays }: CronFields, date: number): boolean {
  const calendar = new Date(date);
  if (!months.has(calendar.getUTCMonth() + 1)) return false;
  const [byDate, byWeekday] = [days.has(calendar.getUTCDate()), weekdays.has(calendar.getUTCDay())];
  return bothDays ? byDate && byWeekday : byDate || byWeekday;
}

/** The first match at or after `from` on the day. */
function firstIn(fields: CronFields, zone: TimeZone, from: number, date: number): number | undefined {
  for (let at = from; ; ) {
    const local = zone.local(at);
    if (local.date > date) return undefined;
    if (local.date === date && matchesTime(fields, local)) return at;
    const rest = 60 - local.minute;
    at += (fields.hours.has(local.hour) ? distance(fields, local.minute, 1, rest) : rest) * minute;
  }
}

/** The last match at or before `until` on the day. */
function lastIn(fields: CronFields, zone: TimeZone, until: number, date: number): number | undefined {
  for (let at = until; ; ) {
    const local = zone.local(at);
    if (local.date < date) return undefined;
    if (local.date === date && matchesTime(fields, local)) return at;
    const rest = local.minute + 1;
    at -= (fields.hours.has(local.hour) ? distance(fields, local.minute, -1, rest) : rest) * minute;
  }
}

function matchesTime({ hours, minutes }: CronFields, local: LocalTime): boolean {
  return hours.has(local.hour) && minutes.has(local.minute);
}

/** Minutes to the nearest match within the hour, or out of it. */
function distance({ minutes }: CronFields, from: number, step: 1 | -1, rest: number): number {
  for (let by = 1; by < rest; by++) if (minutes.has(from + by * step)) return by;
  return rest;
}

/** The last minute of a day. */
function endOf(zone: TimeZone, date: number): number {
  for (let next = date + day; ; next += day) {
    const start = zone.startOf(next);
    if (start !== undefined) return start - minute;
  }
}
