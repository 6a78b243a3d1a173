import { renderTable } from '../render/table.ts';

/** A line of a description, and what is indented under it. */
export interface Line {
  readonly label: string;
  readonly value?: string | readonly string[];
  readonly under?: readonly Line[];
  /** A table under the label. */
  readonly table?: { readonly headers: readonly string[]; readonly rows: ReadonlyArray<readonly string[]> };
}

export function line(label: string, value: string | number | boolean | undefined): Line {
  return { label, value: value === undefined || value === '' ? '<none>' : String(value) };
}

/** `key=value`, one on each line. */
export function map(label: string, values: Readonly<Record<string, string>> | undefined, separator = '='): Line {
  const lines = Object.entries(values ?? {}).map(([key, value]) => `${key}${separator}${value}`);
  return { label, value: lines.length > 0 ? lines : '<none>' };
}

/** The lines with their values in one column, without undefined ones. */
export function renderLines(given: ReadonlyArray<Line | undefined>, indent = 0): string {
  const lines = given.filter((found) => found !== undefined);
  const width = Math.max(0, ...lines.filter(({ value }) => value !== undefined).map(({ label }) => label.length)) + 3;
  const pad = ' '.repeat(indent);
  return lines
    .map(({ label, value, under, table }) => {
      const values = typeof value === 'string' ? [value] : (value ?? []);
      const head = `${pad}${`${label}:`.padEnd(value === undefined ? 0 : width)}${values[0] ?? ''}`.trimEnd();
      const more = values.slice(1).map((text) => `${pad}${' '.repeat(width)}${text}`);
      const rows = table && table.rows.length > 0 ? indented(renderTable(table.headers, table.rows), indent + 2) : '';
      return `${[head, ...more].join('\n')}\n${under ? renderLines(under, indent + 2) : ''}${rows}`;
    })
    .join('');
}

function indented(text: string, by: number): string {
  return text
    .split('\n')
    .map((row) => (row === '' ? row : `${' '.repeat(by)}${row}`))
    .join('\n');
}
