import { formatTime } from '../../../shared/clock.ts';
import type { ManagedFieldsEntry } from '../../../shared/generated/types.ts';
import { apiVersionOf } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { Subresource } from '../../../shared/kinds/table.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { SharedFieldSets } from '../../store/cache/field-sets.ts';
import type { MutateOptions, RequestContext } from '../api.ts';
import { deepEqual } from '../patch/equal.ts';
import { type Entry, ownNew, ownUpdated, startingEntries, type Writer } from './ownership.ts';
import { rootShape } from './shapes.ts';

/**
 * Kinds whose objects are tracked only from their first apply on: they are written by programs, often, and nobody shares
 * them. An apply to one begins with a manager of what was there (`before-first-apply`), as Kubernetes does for old objects.
 */
const untracked: ReadonlySet<string> = new Set(['Event', 'Lease', 'NodeGuard', 'JoinToken', 'NodeEnrollment']);

/** Letters of a manager's name. */
const longestManager = 128;

/** Who writes, by the request: its field manager, or the program's name. */
export function writerOf(
  def: KindDef,
  context: RequestContext,
  options: MutateOptions,
  now: number,
  subresource?: Subresource,
  operation: Writer['operation'] = 'Update',
): Writer {
  return {
    manager: options.fieldManager || managerOfAgent(context.userAgent ?? '') || 'unknown',
    operation,
    apiVersion: apiVersionOf(def.stored),
    ...(subresource ? { subresource } : {}),
    time: formatTime(now),
  };
}

/** Sets the owners of a new object: all that the client or a default set is the writer's. */
export function trackNew(def: KindDef, draft: KubeObject, writer: Writer, sets: SharedFieldSets): void {
  if (untracked.has(def.kind)) return;
  const entries = ownNew(rootShape(def.message), draft, writer, resetOf(def), sets);
  if (entries) draft.metadata.managedFields = entries;
}

/** The entries of `next`, which is to replace `live`. `given`: those that the client sent. */
export function trackUpdate(
  def: KindDef,
  live: KubeObject,
  next: KubeObject,
  given: readonly ManagedFieldsEntry[] | undefined,
  writer: Writer,
): void {
  const there = live.metadata.managedFields;
  // Through a subresource nobody says who owns what.
  const entries = writer.subresource ? startingEntries(there, undefined) : startingEntries(there, given);
  const owned = ownUpdated(rootShape(def.message), live, next, entries, writer);
  if (owned.length === 0 ? there !== undefined : owned !== there) setEntries(next, owned);
}

/** The entries of an object that was not tracked before somebody applied to it: all that it has belongs to those before. */
export function beforeFirstApply(
  def: KindDef,
  live: KubeObject,
  writer: Writer,
  sets: SharedFieldSets,
): readonly Entry[] {
  const before: Writer = { ...writer, manager: 'before-first-apply', operation: 'Update' };
  return ownNew(rootShape(def.message), live, before, resetOf(def), sets) ?? [];
}

export function setEntries(
  object: KubeObject,
  entries: readonly Entry[] | readonly ManagedFieldsEntry[] | undefined,
): void {
  const { managedFields: _old, ...metadata } = object.metadata;
  object.metadata =
    entries && entries.length > 0 ? { ...metadata, managedFields: entries as ManagedFieldsEntry[] } : metadata;
}

/** `next` with the times of `live`'s owners, if nothing else about the owners is new: a time alone is no change. */
export function timed(live: KubeObject, next: KubeObject): KubeObject {
  const [there, given] = [live.metadata.managedFields ?? [], next.metadata.managedFields ?? []];
  if (there === given || there.length !== given.length) return next;
  const untimed = (entries: readonly ManagedFieldsEntry[]) => entries.map(({ time: _time, ...entry }) => entry);
  if (!deepEqual(untimed(there), untimed(given))) return next;
  return { ...next, metadata: { ...next.metadata, managedFields: there } };
}

/** What a write to the object itself leaves as it is. */
export function resetOf(def: KindDef): ReadonlySet<string> {
  return def.subresources.includes('status') ? statusOnly : nothing;
}

const statusOnly: ReadonlySet<string> = new Set(['status']);
const nothing: ReadonlySet<string> = new Set();

/** What stands before the first slash of a user agent, as far as it can be printed. */
function managerOfAgent(agent: string): string {
  const end = agent.indexOf('/');
  const name = end < 0 ? agent : agent.slice(0, end);
  return name.replace(/[^\x20-\x7e\u00a1-\uffff]/g, '').slice(0, longestManager);
}
