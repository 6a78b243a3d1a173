import type { KubeObject } from '../../../shared/object.ts';
import type { Item } from '../../store/store.ts';
import { textOf } from '../managed-fields/set-text.ts';

/** An object, and the revision at which it was written. */
export interface State {
  readonly object: KubeObject;
  readonly revision: number;
}

/**
 * The text that is stored. A resourceVersion of the draft is left out, as the revision of the write replaces it.
 */
export function encodeObject(draft: KubeObject): string {
  const { resourceVersion, managedFields } = draft.metadata;
  const [only] = managedFields ?? [];
  const fields = managedFields?.length === 1 ? textOf(only?.fieldsV1) : undefined;
  if (fields !== undefined) return withFields(draft, fields);
  if (resourceVersion === undefined) return JSON.stringify(draft);
  return JSON.stringify({ ...draft, metadata: { ...draft.metadata, resourceVersion: undefined } });
}

/** The same for an object with one entry of managed fields whose text is cached. */
function withFields(draft: KubeObject, fields: string): string {
  const managedFields = [{ ...draft.metadata.managedFields?.[0], fieldsV1: 0 }];
  const metadata = { ...draft.metadata, resourceVersion: undefined, managedFields };
  const text = JSON.stringify({ ...draft, metadata });
  // Neither can be inside a string before: a quote in there has a backslash.
  const at = text.indexOf(fieldsPlace, text.indexOf(entriesHead)) + fieldsPlace.length - 1;
  return text.slice(0, at) + fields + text.slice(at + 1);
}

const entriesHead = '"managedFields":[';
const fieldsPlace = '"fieldsV1":0';

/** The text of an object as clients get it: the stored text with the resourceVersion. */
export function answerText(stored: string, revision: number): string {
  const at = stored.indexOf(metadataHead) + metadataHead.length;
  return `${stored.slice(0, at)}"resourceVersion":"${revision}",${stored.slice(at)}`;
}

/** Precedes all that a client sets: an object begins with apiVersion, kind and metadata, and has a name. */
const metadataHead = '"metadata":{';

export function decodeItem(item: Item): State {
  const object = JSON.parse(item.value) as KubeObject;
  object.metadata.resourceVersion = String(item.revision);
  return { object, revision: item.revision };
}
