import { messages } from '../../../../shared/generated/schema.ts';
import type { KindDef } from '../../../../shared/kinds/kind.ts';
import type { KindLookup } from '../../../../shared/kinds/registry.ts';
import { flatFields } from '../../../../shared/schema/proto/fields.ts';
import { goTypes } from '../../../../shared/schema/proto/go-types.ts';
import type { FieldSchema, MessageSchema } from '../../../../shared/schema/proto/message.ts';
import { documented } from './documented.ts';

/** The versions of OpenAPI documents; version 2 is Swagger. */
export type Version = 2 | 3;

export const meta = 'k8s.io.apimachinery.pkg.apis.meta.v1';

/** Messages whose JSON is not an object with their fields. */
const special: Readonly<Record<string, (version: Version) => object>> = {
  [`${meta}.Time`]: () => ({ type: 'string', format: 'date-time' }),
  [`${meta}.MicroTime`]: () => ({ type: 'string', format: 'date-time' }),
  [`${meta}.Duration`]: () => ({ type: 'string' }),
  [`${meta}.FieldsV1`]: () => ({ type: 'object' }),
  'k8s.io.apimachinery.pkg.runtime.RawExtension': () => ({ type: 'object' }),
  'k8s.io.api.authentication.v1.ExtraValue': () => ({ type: 'array', items: { type: 'string' } }),
  'k8s.io.apimachinery.pkg.api.resource.Quantity': (version) =>
    version === 2 ? { type: 'string' } : { oneOf: [{ type: 'string' }, { type: 'number' }] },
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': (version) =>
    version === 2
      ? { type: 'string', format: 'int-or-string' }
      : { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
};

const scalars: Readonly<Record<string, object>> = {
  string: { type: 'string' },
  bool: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  uint32: { type: 'integer', format: 'int64' },
  uint64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
};

/** The given messages and all messages of their fields, sorted. */
export function reachable(roots: readonly string[]): string[] {
  const seen = new Set<string>();
  const waiting = [...roots];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const message = messages[name];
    if (seen.has(name) || !message) continue;
    seen.add(name);
    if (special[name]) continue;
    for (const field of Object.values(message.fields)) if (!scalars[field.type]) waiting.push(field.type);
  }
  return [...seen].sort();
}

/** The name of `k8s.io.api.core.v1.Pod` is `io.k8s.api.core.v1.Pod` in OpenAPI. */
export function schemaName(message: string): string {
  if (message.startsWith('k8s.io.')) return `io.k8s.${message.slice('k8s.io.'.length)}`;
  return message.startsWith('coracle.') ? `io.${message}` : message;
}

/** The definition of a message. `kinds`: its group-version-kinds. */
export function schemaOf(name: string, version: Version, { served }: KindLookup): object {
  const made = special[name]?.(version);
  const message = messages[name] as MessageSchema;
  if (made) return made;
  const properties: Record<string, object> = {};
  const required: string[] = [];
  const gvk = kindsOf(name, served);
  if (gvk.length > 0) {
    for (const field of ['apiVersion', 'kind'])
      properties[field] = { type: 'string', description: headDescriptions[field] };
  }
  for (const [field, schema] of flatFields(name)) {
    properties[field] = propertyOf(schema, version);
    if (schema.required) required.push(field);
  }
  const needed = neededOf(name, required, served);
  const description = message.description ?? listDescription(name, properties);
  return {
    type: 'object',
    ...(description ? { description } : {}),
    ...(needed.length > 0 ? { required: needed } : {}),
    properties,
    ...(goTypes.atomic.has(name) ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    ...(gvk.length > 0 ? { 'x-kubernetes-group-version-kind': gvk } : {}),
  };
}

/** The definitions of a kind that brings its own schema: of an object and of a list. */
export function ownDefinitions(def: KindDef, version: Version): [string, object][] {
  const own = def.schema.openApi?.(version);
  if (!own) return [];
  const gvk = (kind: string) => ({ 'x-kubernetes-group-version-kind': [{ ...gvkOf(def), kind }] });
  const list = {
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: { type: 'string', description: headDescriptions.apiVersion },
      kind: { type: 'string', description: headDescriptions.kind },
      metadata: { $ref: reference(`${meta}.ListMeta`, version) },
      items: { type: 'array', items: { $ref: reference(def.message, version) } },
    },
  };
  return [
    [schemaName(def.message), { ...own, ...gvk(def.kind) }],
    [schemaName(`${def.message}List`), { ...list, ...gvk(`${def.kind}List`) }],
  ];
}

/** The fields that the document calls required. */
function neededOf(name: string, required: readonly string[], served: readonly KindDef[]): readonly string[] {
  if (name.endsWith('List') && served.some(({ message }) => `${message}List` === name)) return ['items'];
  const more = documented[name]?.split(' ') ?? [];
  const less = more.filter((one) => one.startsWith('-')).map((one) => one.slice(1));
  return [...required.filter((one) => !less.includes(one)), ...more.filter((one) => !one.startsWith('-'))];
}

/** All lists have the same form; they are not in `proto/`. */
function listDescription(name: string, { metadata, items }: Record<string, object>): string | undefined {
  if (!name.endsWith('List') || !metadata || !items) return undefined;
  Object.assign(metadata, { description: 'What is said of the list as a whole.' });
  Object.assign(items, { description: 'The objects, in the order of their namespaces and names.' });
  return `Many objects of kind ${name.slice(name.lastIndexOf('.') + 1, -'List'.length)}.`;
}

const headDescriptions: Readonly<Record<string, string>> = {
  apiVersion: 'The group and version of the schema that the object is written in.',
  kind: 'The kind of the object.',
};

function propertyOf(field: FieldSchema, version: Version): object {
  const value = scalars[field.type] ?? { $ref: reference(field.type, version) };
  const enumerated = field.enum ? { ...value, enum: field.enum } : value;
  const shape = field.repeated
    ? { type: 'array', items: enumerated }
    : field.map
      ? { type: 'object', additionalProperties: enumerated }
      : enumerated;
  const more = {
    ...(field.description ? { description: field.description } : {}),
    ...(field.default === undefined ? {} : { default: field.default }),
    ...(version === 3 && field.embedded && !special[field.type] ? { default: {} } : {}),
    ...(field.patchStrategy ? { 'x-kubernetes-patch-strategy': field.patchStrategy.join(',') } : {}),
    ...(field.patchMergeKey ? { 'x-kubernetes-patch-merge-key': field.patchMergeKey } : {}),
    ...(field.repeated && field.listType ? { 'x-kubernetes-list-type': field.listType } : {}),
    ...(field.repeated && field.listMapKey ? { 'x-kubernetes-list-map-keys': field.listMapKey } : {}),
    // An atomic struct is marked by its own schema, which a field may override.
    ...(!field.repeated && field.listType && !(field.listType === 'atomic' && goTypes.atomic.has(field.type))
      ? { 'x-kubernetes-map-type': field.listType }
      : {}),
  };
  // In version 3 a reference has no siblings.
  if ('$ref' in shape && version === 3 && Object.keys(more).length > 0) return { allOf: [shape], ...more };
  return { ...shape, ...more };
}

export function reference(message: string, version: Version): string {
  return `${version === 2 ? '#/definitions/' : '#/components/schemas/'}${schemaName(message)}`;
}

/** The kinds of a message: a kind, its list, or a message that is posted to subresources or sent as options. */
function kindsOf(message: string, served: readonly KindDef[]): object[] {
  const def = served.find((one) => one.message === message);
  if (def) return [gvkOf(def)];
  const listed = served.find((one) => `${one.message}List` === message);
  if (listed) return [{ ...gvkOf(listed), kind: `${listed.kind}List` }];
  if (message === `${meta}.DeleteOptions`)
    return versions(served).map((version) => ({ ...version, kind: 'DeleteOptions' }));
  return others[message] ?? [];
}

const others: Readonly<Record<string, object[]>> = {
  [`${meta}.Status`]: [{ group: '', version: 'v1', kind: 'Status' }],
  'k8s.io.api.core.v1.Binding': [{ group: '', version: 'v1', kind: 'Binding' }],
  'k8s.io.api.autoscaling.v1.Scale': [{ group: 'autoscaling', version: 'v1', kind: 'Scale' }],
  'k8s.io.api.policy.v1.Eviction': [{ group: 'policy', version: 'v1', kind: 'Eviction' }],
  'k8s.io.api.authentication.v1.TokenRequest': [
    { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
  ],
};

/** Every served group and version. */
function versions(served: readonly KindDef[]): { group: string; version: string }[] {
  const found = new Map(served.map(({ group, version }) => [`${group}/${version}`, { group, version }]));
  return [...found.values()];
}

export function gvkOf({ group, version, kind }: KindDef) {
  return { group, version, kind };
}
