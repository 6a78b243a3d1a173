/** Durations in Go's form, as `metav1.Duration` has in JSON: `15.02s`, `1h30m0s`, `250ms`. */

const units: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** `nanoseconds`: a whole number. */
export function formatGoDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  const sign = nanoseconds < 0 ? '-' : '';
  const all = Math.abs(nanoseconds);
  if (all < 1e3) return `${sign}${all}ns`;
  if (all < 1e6) return `${sign}${all / 1e3}µs`;
  if (all < 1e9) return `${sign}${all / 1e6}ms`;
  const hours = Math.floor(all / 3600e9);
  const minutes = Math.floor((all % 3600e9) / 60e9);
  const rest = all % 60e9;
  const fraction = String(rest % 1e9)
    .padStart(9, '0')
    .replace(/0+$/, '');
  const seconds = `${Math.floor(rest / 1e9)}${fraction === '' ? '' : `.${fraction}`}s`;
  return `${sign}${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds}`;
}

/** The longest text, in characters; the pattern's depth grows with the text. */
const maxText = 256;

/** Nanoseconds; undefined for an invalid text. */
export function parseGoDuration(text: string): number | undefined {
  if (text.length > maxText) return undefined;
  const match = /^([-+]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+|0)$/.exec(text);
  if (!match) return undefined;
  let total = 0;
  for (const [, amount = '', unit = ''] of (match[2] ?? '').matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(amount) * (units[unit] ?? 0);
  }
  const whole = Math.round(total);
  return match[1] === '-' && whole !== 0 ? -whole : whole;
}
