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

/** The longest name of a manager, in characters. */
const longestManager = 128;

/** The fields of a request that identify its writer. */
export interface WriterSource {
  readonly def: KindDef;
  readonly context: Pick<RequestContext, 'userAgent'>;
  readonly options: Pick<MutateOptions, 'fieldManager'>;
  readonly subresource?: Subresource | undefined;
}

/** The writer of a request: its field manager, otherwise the program's name. */
export function writerOf(
  { def, context, options, subresource }: WriterSource,
  now: number,
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

/** Sets the managed fields of a new object: the writer owns all fields that the client or a default set. */
export function trackNew(def: KindDef, draft: KubeObject, writer: Writer, sets: SharedFieldSets): void {
  if (def.strategy.tracksAfterApply) return;
  const entries = ownNew(def.schema.ownedShape, draft, writer, resetOf(def), sets);
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
  const present = live.metadata.managedFields;
  // A write to a subresource cannot set managed fields.
  const entries = writer.subresource ? startingEntries(present, undefined) : startingEntries(present, given);
  const owned = ownUpdated(def.schema.ownedShape, live, next, entries, writer);
  if (owned.length === 0 ? present !== undefined : owned !== present) setEntries(next, owned);
}

/** The entries of an untracked object at its first apply: one entry that owns all of its fields. */
export function beforeFirstApply(
  def: KindDef,
  live: KubeObject,
  writer: Writer,
  sets: SharedFieldSets,
): readonly Entry[] {
  const before: Writer = { ...writer, manager: 'before-first-apply', operation: 'Update' };
  return ownNew(def.schema.ownedShape, live, before, resetOf(def), sets) ?? [];
}

export function setEntries(
  object: KubeObject,
  entries: readonly Entry[] | readonly ManagedFieldsEntry[] | undefined,
): void {
  const { managedFields: _old, ...metadata } = object.metadata;
  object.metadata =
    entries && entries.length > 0 ? { ...metadata, managedFields: entries as ManagedFieldsEntry[] } : metadata;
}

/** `next` with the times of `live`'s managed fields, where only the times differ: a time alone is no change. */
export function timed(live: KubeObject, next: KubeObject): KubeObject {
  const [before, after] = [live.metadata.managedFields ?? [], next.metadata.managedFields ?? []];
  if (before === after || before.length !== after.length) return next;
  const untimed = (entries: readonly ManagedFieldsEntry[]) => entries.map(({ time: _time, ...entry }) => entry);
  if (!deepEqual(untimed(before), untimed(after))) return next;
  return { ...next, metadata: { ...next.metadata, managedFields: before } };
}

/** The fields that a write to the main resource resets. */
export function resetOf(def: KindDef): ReadonlySet<string> {
  return def.subresources.includes('status') ? statusOnly : nothing;
}

const statusOnly: ReadonlySet<string> = new Set(['status']);
const nothing: ReadonlySet<string> = new Set();

/** The part of a user agent before its first slash, without characters that cannot be printed. */
function managerOfAgent(agent: string): string {
  const end = agent.indexOf('/');
  const name = end < 0 ? agent : agent.slice(0, end);
  return name.replace(/[^\x20-\x7e\u00a1-\uffff]/g, '').slice(0, longestManager);
}
