import { parseGoDuration } from '../../go-duration.ts';

/** When a CronJob starts Jobs: at a fixed distance, or at the minutes that match all fields. */
export type CronSchedule = { readonly everyMs: number } | CronFields;

export interface CronFields {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  /** 1 to 12. */
  readonly months: ReadonlySet<number>;
  /** 0 is Sunday. */
  readonly weekdays: ReadonlySet<number>;
  /** Day of the month and weekday must both match, since one of them is open; otherwise one is enough. */
  readonly bothDays: boolean;
}

/** The most characters; all minutes of an hour by their numbers take 170. */
const maxSchedule = 4_096;

/**
 * The fault of a cron schedule, in the words of the parser that Kubernetes uses (robfig/cron, `ParseStandard`): five fields, or a
 * descriptor such as `@daily`. Undefined when there is none. Other cron parsers accept other schedules (`L`, `W`, `#`, Sunday as 7).
 */
export function scheduleFault(schedule: string): string | undefined {
  const parsed = parseSchedule(schedule);
  return 'fault' in parsed ? parsed.fault : undefined;
}

/**
 * A schedule in the form that Kubernetes' parser reads (robfig/cron, standard format): five fields, or a descriptor such as
 * `@daily`.
 */
export function parseSchedule(schedule: string): CronSchedule | { readonly fault: string } {
  if (schedule === '') return { fault: 'empty spec string' };
  if (schedule.length > maxSchedule) return { fault: `must be no more than ${maxSchedule} characters` };
  if (schedule.startsWith('@')) return parseDescriptor(schedule);
  const given = schedule.split(/\s+/).filter((part) => part !== '');
  if (given.length !== fields.length) {
    return { fault: `expected exactly ${fields.length} fields, found ${given.length}: [${given.join(' ')}]` };
  }
  const read: FieldValues[] = [];
  for (const [index, field] of fields.entries()) {
    const values = new Set<number>();
    let open = false;
    for (const part of (given[index] ?? '').split(',')) {
      if (part === '') continue;
      const range = parseRange(part, field);
      if (typeof range === 'string') return { fault: range };
      open ||= range.open;
      for (let value = range.low; value <= range.high; value += range.step) values.add(value);
    }
    read.push({ values, open });
  }
  const [minutes = none, hours = none, days = none, months = none, weekdays = none] = read;
  return {
    minutes: minutes.values,
    hours: hours.values,
    days: days.values,
    months: months.values,
    weekdays: weekdays.values,
    bothDays: days.open || weekdays.open,
  };
}

interface FieldValues {
  readonly values: ReadonlySet<number>;
  /** Written as `*` or `?`. */
  readonly open: boolean;
}

const none: FieldValues = { values: new Set(), open: false };

interface Field {
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
/** Minute, hour, day of the month, month, day of the week. */
const fields: readonly Field[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: months },
  { min: 0, max: 6, names: days },
];
const descriptors: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

function parseDescriptor(schedule: string): CronSchedule | { readonly fault: string } {
  const long = Object.hasOwn(descriptors, schedule) ? descriptors[schedule] : undefined;
  if (long) return parseSchedule(long);
  if (!schedule.startsWith('@every ')) return { fault: `unrecognized descriptor: ${schedule}` };
  const length = schedule.slice('@every '.length);
  const nanoseconds = parseGoDuration(length);
  if (nanoseconds === undefined) {
    return { fault: `failed to parse duration ${schedule}: time: invalid duration ${JSON.stringify(length)}` };
  }
  // Whole seconds, at least one.
  return { everyMs: Math.max(1, Math.floor(nanoseconds / 1e9)) * 1000 };
}

/** `*`, `5`, `1-5`, each perhaps with `/2`. */
function parseRange(text: string, field: Field): Range | string {
  const [range = '', stepText, ...slashes] = text.split('/');
  const [lowText = '', highText, ...hyphens] = range.split('-');
  if (hyphens.length > 0) return `too many hyphens: ${text}`;
  if (slashes.length > 0) return `too many slashes: ${text}`;
  const any = lowText === '*' || lowText === '?';
  const low = any ? field.min : numberOf(lowText, field);
  const high = any ? field.max : highText === undefined ? low : numberOf(highText, field);
  if (low === undefined) return `failed to parse int from ${lowText}: ${parseFault(lowText)}`;
  if (high === undefined) return `failed to parse int from ${highText}: ${parseFault(highText ?? '')}`;
  const step = stepText === undefined ? 1 : whole(stepText);
  if (step === undefined) return `failed to parse int from ${stepText}: ${parseFault(stepText ?? '')}`;
  // The range of a single number with a step ends at the maximum.
  const end = stepText !== undefined && !any && highText === undefined ? field.max : high;
  if (low < field.min) return `beginning of range (${low}) below minimum (${field.min}): ${text}`;
  if (end > field.max) return `end of range (${end}) above maximum (${field.max}): ${text}`;
  if (low > end) return `beginning of range (${low}) beyond end of range (${end}): ${text}`;
  if (step === 0) return `step of range should be a positive number: ${text}`;
  return { low, high: end, step, open: any && step === 1 };
}

interface Range {
  readonly low: number;
  readonly high: number;
  readonly step: number;
  readonly open: boolean;
}

function numberOf(text: string, { names, min }: Field): number | undefined {
  const at = names?.indexOf(text.toLowerCase()) ?? -1;
  return at >= 0 ? at + min : whole(text);
}

function whole(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function parseFault(text: string): string {
  return `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
}
