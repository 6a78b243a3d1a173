import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../../../shared/object.ts';
import type { History, Oracle, Request, Step } from '../history.ts';

/**
 * No acknowledged write is lost: at the revision that was answered stands the object that was answered, nothing that was refused is
 * stored, and what one writer wrote is never undone by another's write ("optimistic concurrency", API Concepts).
 */
export const acknowledgedIsStored: Oracle = (history) => {
  const steps = new Map(history.steps.map((step) => [step.revision, step]));
  return [
    ...history.requests.flatMap((request) => lost(request, steps) ?? []),
    ...undone(history),
    ...refusedButStored(history),
    ...countedTwice(history),
  ];
};

function lost(request: Request, steps: ReadonlyMap<number, Step>): string | undefined {
  const { outcome, answer, key } = request;
  if (outcome !== 'done' || !answer || request.verb === 'delete' || request.verb === 'evict') return undefined;
  const revision = Number(answer.metadata.resourceVersion);
  const change = steps.get(revision)?.changes.find((one) => one.kind === request.kind && one.key === key);
  if (!change?.after)
    return `a write of ${request.kind} ${key} was acknowledged as ${revision}, where nothing of it is stored`;
  if (isDeepStrictEqual(plain(change.after), plain(answer))) return undefined;
  return `a write of ${request.kind} ${key} was acknowledged as ${revision}, where another object is stored`;
}

/** Each mark is written by one writer, with growing numbers: it never goes back while its object lives. */
function undone(history: History): string[] {
  const broken: string[] = [];
  for (const step of history.steps) {
    for (const { kind, key, before, after } of step.changes) {
      if (!before || !after || before.metadata.uid !== after.metadata.uid) continue;
      const now = marksOf(after);
      for (const [field, number] of marksOf(before)) {
        const next = now.get(field) ?? 0;
        if (next < number)
          broken.push(`${kind} ${key}: ${field} went back from ${number} to ${next} at ${step.revision}`);
      }
    }
  }
  return broken;
}

function refusedButStored(history: History): string[] {
  const refused = history.requests.filter(({ outcome, mark }) => outcome === 'refused' && mark);
  const ids = new Map(refused.map(({ kind, key, mark }) => [`${kind} ${key} ${mark?.field}=${mark?.number}`, true]));
  const broken = new Set<string>();
  for (const { changes } of history.steps) {
    for (const { kind, key, after } of changes) {
      if (!after) continue;
      for (const [field, number] of marksOf(after)) {
        const id = `${kind} ${key} ${field}=${number}`;
        if (ids.has(id)) broken.add(`a write was refused, and is stored: ${id}`);
      }
    }
  }
  return [...broken];
}

/** Of two who count in one field, each has a number of its own. */
function countedTwice(history: History): string[] {
  const seen = new Set<string>();
  const done = history.requests.filter(({ outcome, mark }) => outcome === 'done' && mark);
  return done.flatMap(({ kind, key, mark, answer }) => {
    const id = `${kind} ${key} ${mark?.field}=${mark?.number}`;
    const once = `${id} ${answer?.metadata.uid}`;
    if (!seen.has(once)) {
      seen.add(once);
      return [];
    }
    return [`a number was acknowledged twice: ${id}`];
  });
}

/** The numbers that users write: ConfigMaps' data and annotations whose names begin with `mark-`. */
function marksOf(object: KubeObject): Map<string, number> {
  const data = (object as { data?: Readonly<Record<string, string>> }).data ?? {};
  const all = Object.entries({ ...object.metadata.annotations, ...data });
  return new Map(all.filter(([field]) => field.startsWith('mark-')).map(([field, text]) => [field, Number(text)]));
}

function plain(object: KubeObject): unknown {
  return JSON.parse(JSON.stringify(object));
}
