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

/** What a list or a watch is limited to. */
export interface Selection {
  readonly namespace?: string;
  /** The only name that can match, when the field selector says so. */
  readonly name?: string;
  readonly fields: readonly FieldRequirement[];
  /** False when every object of the namespace matches. */
  readonly selects: boolean;
  matches(object: KubeObject): boolean;
}

/** Throws BadRequest for selectors that can't be read and for fields that the kind can't be selected by. */
export function selectionOf(entry: KindDef, query: Partial<ListQuery>): Selection {
  const labels = query.labelSelector ? parseLabelSelector(query.labelSelector) : undefined;
  const asked = query.fieldSelector ? parseFieldSelector(query.fieldSelector) : [];
  for (const { path } of asked) checkField(entry, path);
  const names = entry.conversion?.fields;
  const fields = names ? asked.map((one) => ({ ...one, path: names[one.path] ?? one.path })) : asked;
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
  // Two wordings, as in Kubernetes: a kind with fields of its own has a function for them, the others share one.
  throw badRequest(
    usual
      ? `${JSON.stringify(path)} is not a known field selector: only "metadata.name", "metadata.namespace"`
      : `field label not supported: ${path}`,
  );
}

/** Fields whose absence means a value, and fields that are not where their name says. */
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
