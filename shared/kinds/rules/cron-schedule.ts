/** The most characters; all minutes of an hour by their numbers take 170. */
const maxSchedule = 4_096;

/**
 * The fault of a cron schedule, in the words of the parser that Kubernetes uses (robfig/cron, `ParseStandard`): five fields, or a
 * descriptor such as `@daily`. Undefined when there is none. Other cron parsers accept other schedules (`L`, `W`, `#`, Sunday as 7).
 */
export function scheduleFault(schedule: string): string | undefined {
  if (schedule === '') return 'empty spec string';
  if (schedule.length > maxSchedule) return `must be no more than ${maxSchedule} characters`;
  if (schedule.startsWith('@')) return descriptorFault(schedule);
  const given = schedule.split(/\s+/).filter((part) => part !== '');
  if (given.length !== fields.length) {
    return `expected exactly ${fields.length} fields, found ${given.length}: [${given.join(' ')}]`;
  }
  for (const [index, field] of fields.entries()) {
    for (const part of (given[index] ?? '').split(',')) {
      const fault = part === '' ? undefined : rangeFault(part, field);
      if (fault) return fault;
    }
  }
  return undefined;
}

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
const descriptors = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];

function descriptorFault(schedule: string): string | undefined {
  if (descriptors.includes(schedule)) return undefined;
  if (!schedule.startsWith('@every ')) return `unrecognized descriptor: ${schedule}`;
  const length = schedule.slice('@every '.length);
  return /^[-+]?(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+$/.test(length)
    ? undefined
    : `failed to parse duration ${schedule}: time: invalid duration ${JSON.stringify(length)}`;
}

/** `*`, `5`, `1-5`, each perhaps with `/2`. */
function rangeFault(text: string, field: Field): string | undefined {
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
  return step === 0 ? `step of range should be a positive number: ${text}` : undefined;
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
