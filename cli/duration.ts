import { UsageError } from './io.ts';

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `1h30m`, `7d`, or seconds as a bare number; milliseconds. */
export function parseDuration(text: string): number {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  let total = 0;
  const rest = text.replace(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g, (_all, amount: string, unit: string) => {
    total += Number(amount) * (units[unit] ?? 0);
    return '';
  });
  if (rest !== '' || text === '') throw new UsageError(`"${text}" is not a duration such as 90s, 10m or 1h30m`);
  return total;
}
