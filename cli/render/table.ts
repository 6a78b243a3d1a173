/** Columns three spaces apart, each as wide as its widest cell; the last one is not padded. As kubectl prints. */
export function renderTable(
  headers: readonly string[],
  rows: ReadonlyArray<readonly string[]>,
  minimum: readonly number[] = [],
): string {
  const widths = columnWidths(headers, rows, minimum);
  return [headers, ...rows]
    .filter((row) => row.length > 0)
    .map((row) => renderRow(row, widths))
    .join('');
}

export function columnWidths(
  headers: readonly string[],
  rows: ReadonlyArray<readonly string[]>,
  minimum: readonly number[] = [],
): number[] {
  const columns = Math.max(headers.length, ...rows.map((row) => row.length));
  return Array.from({ length: columns }, (_, i) =>
    Math.max(minimum[i] ?? 0, ...[headers, ...rows].map((row) => row[i]?.length ?? 0)),
  );
}

export function renderRow(row: readonly string[], widths: readonly number[]): string {
  const line = row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('   ');
  return `${line.trimEnd()}\n`;
}
