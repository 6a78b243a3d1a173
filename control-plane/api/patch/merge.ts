import { isRecord, setMember } from '../../../shared/records.ts';

/**
 * Applies a JSON Merge Patch (RFC 7386): objects merge, null removes, everything else replaces. The result shares unchanged parts with
 * `target`; changes neither.
 */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else setMember(merged, name, applyMergePatch(Object.hasOwn(merged, name) ? merged[name] : undefined, value));
  }
  return merged;
}
