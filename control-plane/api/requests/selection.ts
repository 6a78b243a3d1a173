import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import {
  type FieldRequirement,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  type Selector,
} from '../../../shared/selector.ts';
import type { ListQuery } from '../api.ts';
import { badRequest } from './refusals.ts';

/** The objects that a list or a watch is limited to. */
export interface Selection {
  readonly namespace?: string;
  /** The only name that can match, by the field selector. */
  readonly name?: string;
  readonly fields: readonly FieldRequirement[];
  /** False when every object of the namespace matches. */
  readonly selects: boolean;
  matches(object: KubeObject): boolean;
}

/** Throws BadRequest for a selector with a syntax error, and for fields that the kind cannot be selected by. */
export function selectionOf(entry: KindDef, query: Partial<ListQuery>): Selection {
  const labels = query.labelSelector ? parseLabelSelector(query.labelSelector) : undefined;
  const requirements = query.fieldSelector ? parseFieldSelector(query.fieldSelector) : [];
  for (const { path } of requirements) checkField(entry, path);
  const names = entry.conversion?.fields;
  const fields = names ? requirements.map((one) => ({ ...one, path: names[one.path] ?? one.path })) : requirements;
  const only = (path: string): string | undefined =>
    fields.find((requirement) => requirement.equal && requirement.path === path)?.value;
  const namespace = entry.namespaced ? query.namespace || only('metadata.namespace') : undefined;
  return {
    namespace,
    name: only('metadata.name'),
    fields,
    selects: (labels?.requirements.length ?? 0) > 0 || fields.length > 0,
    matches: (object) => matches(object, namespace, labels, fields),
  };
}

function matches(
  object: KubeObject,
  namespace: string | undefined,
  labels: Selector | undefined,
  fields: readonly FieldRequirement[],
): boolean {
  if (namespace && object.metadata.namespace !== namespace) return false;
  if (labels && !matchesLabels(labels, object.metadata.labels)) return false;
  return fields.length === 0 || matchesFields(fields, (path) => fieldValue(object, path));
}

function checkField(entry: KindDef, path: string): void {
  const { namespaced, selectableFields } = entry;
  const usual = selectableFields.length === 0;
  if (path === 'metadata.name' || (path === 'metadata.namespace' && (namespaced || usual))) return;
  if (selectableFields.includes(path)) return;
  // Two wordings, as in Kubernetes: kinds with selectable fields have one, all others have the other.
  throw badRequest(
    usual
      ? `${JSON.stringify(path)} is not a known field selector: only "metadata.name", "metadata.namespace"`
      : `field label not supported: ${path}`,
  );
}

/** Fields with a default, and fields whose path in the object is not their name. */
const special: Readonly<Record<string, (object: KubeObject) => unknown>> = {
  'spec.unschedulable': (object) => at(object, 'spec.unschedulable') ?? false,
  'spec.hostNetwork': (object) => at(object, 'spec.hostNetwork') ?? false,
  'status.successful': (object) => at(object, 'status.succeeded') ?? 0,
  'status.replicas': (object) => at(object, 'status.replicas') ?? 0,
  source: (object) => at(object, 'source.component') || at(object, 'reportingComponent'),
};

function fieldValue(object: KubeObject, path: string): string {
  if (path === 'metadata.name') return object.metadata.name;
  const value = (special[path] ?? ((one) => at(one, path)))(object);
  return value === undefined || value === null ? '' : String(value);
}

function at(object: unknown, path: string): unknown {
  let value = object;
  for (const name of path.split('.')) {
    if (value === null || typeof value !== 'object') return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
