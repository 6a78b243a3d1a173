import type { KubeObject } from '../../../shared/object.ts';
import { type History, type ObjectChange, type Oracle, type Step, walk } from '../history.ts';
import { ledTime } from './facts.ts';

/** How long what has lost its owners may still be there unmarked, of the time in which a server leads. */
const collectedWithinMs = 25_000;

/**
 * "The garbage collector deletes objects whose owners are gone" (Garbage Collection, "Owners and dependents"): within a bound, and never
 * an object of which an owner lives. An owner is known by its uid: another object of the same name is not it.
 */
export const ownersKeepDependents: Oracle = (history) => [...deletedTooEarly(history), ...leftBehind(history)];

function deletedTooEarly(history: History): string[] {
  const broken: string[] = [];
  const living = new Set<string>();
  for (const { step } of walk(history)) {
    for (const change of step.changes) {
      const { before, after } = change;
      // What the garbage collector alone deletes: a ConfigMap that has owners.
      if (change.kind === 'ConfigMap' && before && isDeletion(change) && !wasAsked(history, step, before)) {
        const owner = ownersOf(before).find((uid) => living.has(uid));
        if (owner)
          broken.push(`ConfigMap ${change.key} was deleted at ${step.revision}, though its owner ${owner} lives`);
      }
      if (before) living.delete(before.metadata.uid);
      if (after && !after.metadata.deletionTimestamp) living.add(after.metadata.uid);
    }
  }
  return broken;
}

function leftBehind(history: History): string[] {
  const broken: string[] = [];
  const led = ledTime(history);
  const present = new Set<string>();
  /** Since when an object is there without an owner, by its uid. */
  const orphans = new Map<string, { readonly object: KubeObject; readonly since: number }>();
  const check = (at: number): void => {
    for (const [uid, { object, since }] of orphans) {
      if (led(at) - since <= collectedWithinMs) continue;
      orphans.delete(uid);
      broken.push(
        `${object.kind} ${object.metadata.name} is still there ${collectedWithinMs} ms after its last owner went`,
      );
    }
  };
  for (const { step, world } of walk(history)) {
    let removed = false;
    for (const { before, after } of step.changes) {
      if (before) orphans.delete(before.metadata.uid);
      if (before && before.metadata.uid !== after?.metadata.uid) removed = present.delete(before.metadata.uid);
      if (!after) continue;
      present.add(after.metadata.uid);
      if (isOrphan(after, present)) orphans.set(after.metadata.uid, { object: after, since: led(step.at) });
    }
    if (removed) {
      for (const object of world.everything()) {
        if (!isOrphan(object, present) || orphans.has(object.metadata.uid)) continue;
        orphans.set(object.metadata.uid, { object, since: led(step.at) });
      }
    }
    check(step.at);
  }
  return broken;
}

function isOrphan(object: KubeObject, present: ReadonlySet<string>): boolean {
  const owners = ownersOf(object);
  return owners.length > 0 && !object.metadata.deletionTimestamp && !owners.some((uid) => present.has(uid));
}

export function ownersOf(object: KubeObject): string[] {
  return object.metadata.ownerReferences?.map(({ uid }) => uid) ?? [];
}

function isDeletion({ before, after }: ObjectChange): boolean {
  return !before?.metadata.deletionTimestamp && (!after || after.metadata.deletionTimestamp !== undefined);
}

function wasAsked(history: History, step: Step, { metadata }: KubeObject): boolean {
  return history.requests.some(({ verb, uid, asked }) => verb === 'delete' && uid === metadata.uid && asked <= step.at);
}
