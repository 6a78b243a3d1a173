import type { KindEntry } from './table.ts';

/** The value of `apiVersion` in objects of the kind: `v1`, `apps/v1`. */
export function apiVersionOf(entry: Pick<KindEntry, 'group' | 'version'>): string {
  return entry.group ? `${entry.group}/${entry.version}` : entry.version;
}
