import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSchedule } from '../../../shared/kinds/rules/cron-schedule.ts';
import { type Ticks, ticksOf } from './schedule.ts';
import { formatIn, TimeZone } from './time-zone.ts';

function ticks(schedule: string, zone: string | undefined = 'UTC'): Ticks {
  const parsed = parseSchedule(schedule);
  if ('fault' in parsed) throw new Error(parsed.fault);
  return ticksOf(parsed, zone);
}
const iso = (at: number | undefined) => (at === undefined ? undefined : new Date(at).toISOString().slice(0, 16));

/** The ticks after `from`, in the zone's time. */
function series(schedule: string, zone: string, from: string, count: number): string[] {
  const all = ticks(schedule, zone);
  const found: string[] = [];
  for (let at = all.next(Date.parse(from)); at !== undefined && found.length < count; at = all.next(at)) {
    found.push(formatIn(zone, at));
  }
  return found;
}

describe('the next tick', () => {
  it.each([
    ['* * * * *', '2026-01-01T00:00:30Z', '2026-01-01T00:01'],
    ['*/15 * * * *', '2026-01-01T00:45:00Z', '2026-01-01T01:00'],
    ['20-35/15 * * * *', '2026-01-01T00:20:00Z', '2026-01-01T00:35'],
    ['0 0 31 * *', '2026-04-01T00:00:00Z', '2026-05-31T00:00'],
    ['0 0 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T00:00'],
    ['30 6-16/4 * * 1-5', '2026-01-02T14:30:00Z', '2026-01-05T06:30'],
    // A day of the month or a weekday, when neither is open.
    ['0 0 1,15 * sun', '2026-01-02T00:00:00Z', '2026-01-04T00:00'],
    ['0 0 */10 * sun', '2026-01-02T00:00:00Z', '2026-01-04T00:00'],
    ['0 0 * * sun', '2026-01-01T00:00:00Z', '2026-01-04T00:00'],
    ['@yearly', '2026-01-01T00:00:00Z', '2027-01-01T00:00'],
    ['@weekly', '2026-01-01T00:00:00Z', '2026-01-04T00:00'],
    ['@hourly', '2026-01-01T00:00:00Z', '2026-01-01T01:00'],
    ['@every 90m', '2026-01-01T00:00:00Z', '2026-01-01T01:30'],
  ])('of %s after %s', (schedule, after, expected) => {
    expect(iso(ticks(schedule).next(Date.parse(after)))).toBe(expected);
  });

  it('is none for a date that does not exist', () => {
    expect(ticks('0 0 31 2 *').next(0)).toBeUndefined();
    expect(ticks('0 0 31 2 *').latest(0, Date.UTC(2026, 0, 1))).toBeUndefined();
  });
});

describe('at the change to summer time', () => {
  it('leaves out a time that the clock skips', () => {
    expect(series('30 2 * * *', 'Europe/Berlin', '2026-03-28T00:00:00Z', 2)).toEqual([
      '2026-03-28T02:30:00+01:00',
      '2026-03-30T02:30:00+02:00',
    ]);
    expect(series('0 2 * * *', 'America/New_York', '2012-03-10T12:00:00Z', 1)).toEqual(['2012-03-12T02:00:00-04:00']);
  });

  it('goes on hourly', () => {
    expect(series('0 * * * *', 'America/New_York', '2012-03-11T05:30:00Z', 3)).toEqual([
      '2012-03-11T01:00:00-05:00',
      '2012-03-11T03:00:00-04:00',
      '2012-03-11T04:00:00-04:00',
    ]);
  });

  it('knows zones that change at midnight, by half an hour, and that skip a day', () => {
    expect(series('15 * * * *', 'America/Sao_Paulo', '2018-11-04T01:30:00Z', 3)).toEqual([
      '2018-11-03T23:15:00-03:00',
      '2018-11-04T01:15:00-02:00',
      '2018-11-04T02:15:00-02:00',
    ]);
    expect(series('45 1,2 * * *', 'Australia/Lord_Howe', '2026-10-03T12:00:00Z', 2)).toEqual([
      '2026-10-04T01:45:00+10:30',
      '2026-10-04T02:45:00+11:00',
    ]);
    expect(series('0 12 * * *', 'Pacific/Apia', '2011-12-29T00:00:00Z', 2)).toEqual([
      '2011-12-29T12:00:00-10:00',
      '2011-12-31T12:00:00+14:00',
    ]);
  });
});

describe('at the change to winter time', () => {
  it('has a time twice that the clock shows twice, as Kubernetes', () => {
    expect(series('0 1 * * *', 'America/New_York', '2012-11-04T04:00:00Z', 3)).toEqual([
      '2012-11-04T01:00:00-04:00',
      '2012-11-04T01:00:00-05:00',
      '2012-11-05T01:00:00-05:00',
    ]);
  });

  it('goes on hourly', () => {
    expect(series('0 * * * *', 'Europe/Berlin', '2026-10-24T23:30:00Z', 4)).toEqual([
      '2026-10-25T02:00:00+02:00',
      '2026-10-25T02:00:00+01:00',
      '2026-10-25T03:00:00+01:00',
      '2026-10-25T04:00:00+01:00',
    ]);
  });
});

const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'America/Sao_Paulo',
];
const schedules = ['*/7 * * * *', '30 2 * * *', '0 0 * * 1', '15,45 1-3 * * *', '0 12 1 */3 *'];
const moment = fc.integer({ min: Date.UTC(2015, 0, 1), max: Date.UTC(2027, 0, 1) });

describe('always', () => {
  it('the next tick is the first minute whose local time matches', () => {
    fc.assert(
      fc.property(fc.constantFrom(...zones), moment, fc.nat(59), fc.nat(23), (name, from, minute, hour) => {
        const zone = new TimeZone(name);
        const found = ticks(`${minute} ${hour} * * *`, name).next(from) ?? 0;
        for (let at = Math.floor(from / 60_000) * 60_000 + 60_000; at < found; at += 60_000) {
          const local = zone.local(at);
          if (local.minute === minute && local.hour === hour) return false;
        }
        return found > from;
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('the latest tick up to a tick is that tick, and the one before it is older with none between', () => {
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.constantFrom(...schedules), moment, (zone, schedule, from) => {
        const all = ticks(schedule, zone);
        const tick = all.next(from) ?? 0;
        expect(all.latest(from, tick + 59_999)).toBe(tick);
        expect(all.latest(from, tick - 1)).toBeUndefined();
        const before = all.latest(0, tick - 1) ?? 0;
        expect(all.next(before)).toBe(tick);
      }),
      { numRuns: 100 },
    );
  });
});
