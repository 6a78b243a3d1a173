/** Thousandths of a cpu as text: `250m`, `2`. */
export function formatCpu(millis: number): string {
  return millis % 1000 === 0 ? String(millis / 1000) : `${millis}m`;
}

/** Bytes as text, rounded to Mi, below one Mi to Ki. */
export function formatBytes(bytes: number): string {
  if (bytes === 0) return '0';
  const mebi = bytes / 2 ** 20;
  return mebi < 1 ? `${Math.round(bytes / 1024)}Ki` : `${Math.round(mebi)}Mi`;
}
