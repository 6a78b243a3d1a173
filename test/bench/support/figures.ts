/** One line of the table: what was measured, what it was compared with in the same run, and what was wanted. */
export interface Figure {
  readonly what: string;
  readonly result: string;
  readonly comparedWith?: string;
  readonly ratio?: string;
  readonly target?: string;
  /** Absent where there is no target. */
  readonly met?: boolean;
}

export function markdownTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, result, comparedWith = '', ratio = '', target = '', met }) => [
    what,
    result,
    comparedWith,
    ratio,
    met === undefined ? target : `${target} — ${met ? 'met' : 'missed'}`,
  ]);
  const all = [['What', 'Result', 'Compared with', 'Ratio', 'Target'], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = all;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body.map(line)].join('\n');
}

/** `p` from 0 to 1: the smallest value that so many are not above. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

/** `1234.5` → `1,235`; below ten with two digits. */
export function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 0 });
}

export function megabytes(bytes: number): string {
  return `${number(bytes / 1e6)} MB`;
}

export function percent(share: number): string {
  return `${(share * 100).toLocaleString('en-US', { maximumFractionDigits: share < 0.1 ? 1 : 0 })} %`;
}
