import { createHash } from 'node:crypto';
import { messages } from '../../../shared/generated/schema.ts';
import { apiVersionOf, servedKinds as kinds } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { FieldSchema, MessageSchema } from '../../../shared/schema/schema.ts';

/**
 * The OpenAPI documents, derived from the schema table: version 3, one document a group and version, and version 2, one
 * for all. kubectl reads from them what `explain` shows, how lists merge when it applies, and that the server itself
 * checks fields (the `fieldValidation` parameter of the operations). They are built when first asked for.
 */
export class OpenApi {
  readonly #documents = new Map<string, string>();

  /** The document at a path, as JSON text; undefined when there is none. `parts`: the path between its slashes. */
  text(parts: readonly string[]): string | undefined {
    const path = parts.join('/');
    const known = this.#documents.get(path);
    if (known !== undefined) return known;
    const built = this.#build(path);
    if (built === undefined) return undefined;
    const text = JSON.stringify(built);
    this.#documents.set(path, text);
    return text;
  }

  #build(path: string): object | undefined {
    if (path === 'openapi/v2') return document2();
    if (path === 'openapi/v3') return this.#index();
    const found = [...groups()].find(([root]) => path === `openapi/v3/${root}`);
    return found && document3(found[1]);
  }

  /** Which documents there are; the hash in each address lets a client keep what it has. */
  #index(): object {
    const paths: Record<string, object> = {};
    for (const root of groups().keys()) {
      const text = this.text(['openapi', 'v3', ...root.split('/')]) ?? '';
      const hash = createHash('sha256').update(text).digest('hex').slice(0, 32);
      paths[root] = { serverRelativeURL: `/openapi/v3/${root}?hash=${hash}` };
    }
    return { paths };
  }
}

type Version = 2 | 3;

const info = { title: 'Coracle', version: 'v1.32.0' };
const meta = 'k8s.io.apimachinery.pkg.apis.meta.v1';
const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];

/** Messages whose JSON is no object with their fields. */
const special: Readonly<Record<string, (version: Version) => object>> = {
  [`${meta}.Time`]: () => ({ type: 'string', format: 'date-time' }),
  [`${meta}.MicroTime`]: () => ({ type: 'string', format: 'date-time' }),
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

function groups(): Map<string, KindDef[]> {
  const found = new Map<string, KindDef[]>();
  for (const def of kinds) {
    const root = def.group ? `apis/${apiVersionOf(def)}` : `api/${def.version}`;
    const members = found.get(root);
    if (members) members.push(def);
    else found.set(root, [def]);
  }
  return found;
}

function document3(members: readonly KindDef[]): object {
  const schemas: Record<string, object> = {};
  for (const name of reachable(members.flatMap(messagesOf))) schemas[schemaName(name)] = schemaOf(name, 3);
  const paths = Object.assign({}, ...members.map((def) => pathsOf(def, 3)));
  return { openapi: '3.0.0', info, paths, components: { schemas } };
}

function document2(): object {
  const definitions: Record<string, object> = {};
  for (const name of reachable(kinds.flatMap(messagesOf))) definitions[schemaName(name)] = schemaOf(name, 2);
  const paths = Object.assign({}, ...kinds.map((def) => pathsOf(def, 2)));
  return { swagger: '2.0', info, paths, definitions };
}

function messagesOf(def: KindDef): string[] {
  const list = `${def.message}List`;
  return [def.message, ...(messages[list] ? [list] : []), `${meta}.DeleteOptions`, `${meta}.Status`];
}

/** The messages named and all that they are made of, sorted. */
function reachable(roots: readonly string[]): string[] {
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

/** `k8s.io.api.core.v1.Pod` is `io.k8s.api.core.v1.Pod` there. */
function schemaName(message: string): string {
  return message.startsWith('k8s.io.') ? `io.k8s.${message.slice('k8s.io.'.length)}` : `io.${message}`;
}

function schemaOf(name: string, version: Version): object {
  const made = special[name]?.(version);
  const message = messages[name] as MessageSchema;
  if (made) return made;
  const properties: Record<string, object> = {};
  const required: string[] = [];
  const gvk = kindsOf(name);
  if (gvk.length > 0) {
    for (const field of ['apiVersion', 'kind'])
      properties[field] = { type: 'string', description: headDescriptions[field] };
  }
  addProperties(message, version, properties, required);
  return {
    type: 'object',
    ...(message.description ? { description: message.description } : {}),
    ...(required.length > 0 ? { required } : {}),
    properties,
    ...(gvk.length > 0 ? { 'x-kubernetes-group-version-kind': gvk } : {}),
  };
}

const headDescriptions: Readonly<Record<string, string>> = {
  apiVersion: 'The group and version of the schema that the object is written in.',
  kind: 'The kind of the object.',
};

function addProperties(
  message: MessageSchema,
  version: Version,
  properties: Record<string, object>,
  required: string[],
): void {
  for (const [name, field] of Object.entries(message.fields)) {
    const inlined = field.inline ? messages[field.type] : undefined;
    if (inlined) {
      addProperties(inlined, version, properties, required);
      continue;
    }
    properties[name] = propertyOf(field, version);
    if (field.required) required.push(name);
  }
}

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
    ...(field.patchStrategy ? { 'x-kubernetes-patch-strategy': field.patchStrategy.join(',') } : {}),
    ...(field.patchMergeKey ? { 'x-kubernetes-patch-merge-key': field.patchMergeKey } : {}),
    ...(field.repeated && field.listType ? { 'x-kubernetes-list-type': field.listType } : {}),
    ...(field.repeated && field.listMapKey ? { 'x-kubernetes-list-map-keys': field.listMapKey } : {}),
    ...(!field.repeated && field.listType ? { 'x-kubernetes-map-type': field.listType } : {}),
  };
  // In version 3 nothing may stand beside a reference.
  if ('$ref' in shape && version === 3 && Object.keys(more).length > 0) return { allOf: [shape], ...more };
  return { ...shape, ...more };
}

function reference(message: string, version: Version): string {
  return `${version === 2 ? '#/definitions/' : '#/components/schemas/'}${schemaName(message)}`;
}

function kindsOf(message: string) {
  const def = kinds.find((one) => one.message === message);
  if (def) return [gvkOf(def)];
  const listed = kinds.find((one) => `${one.message}List` === message);
  return listed ? [{ ...gvkOf(listed), kind: `${listed.kind}List` }] : [];
}

function gvkOf({ group, version, kind }: KindDef) {
  return { group, version, kind };
}

function pathsOf(def: KindDef, version: Version): Record<string, object> {
  const root = def.group ? `/apis/${apiVersionOf(def)}` : `/api/${def.version}`;
  const home = def.namespaced ? `${root}/namespaces/{namespace}/${def.plural}` : `${root}/${def.plural}`;
  const operation = (action: string) => operationOf(def, action, version);
  return {
    ...(def.namespaced ? { [`${root}/${def.plural}`]: { get: operation('list') } } : {}),
    [home]: { get: operation('list'), post: operation('post'), delete: operation('deletecollection') },
    [`${home}/{name}`]: {
      get: operation('get'),
      put: operation('put'),
      patch: operation('patch'),
      delete: operation('delete'),
    },
  };
}

function operationOf(def: KindDef, action: string, version: Version): object {
  const writes = action === 'post' || action === 'put' || action === 'patch';
  const names = ['pretty', ...(writes ? ['dryRun', 'fieldManager', 'fieldValidation'] : [])];
  const ofList = action === 'list' && messages[`${def.message}List`];
  const schema = { $ref: reference(ofList ? `${def.message}List` : def.message, version) };
  const parameters: object[] = names.map((name) => parameter(name, version));
  const body =
    action === 'patch'
      ? bodyOf({ type: 'object' }, patchTypes, version)
      : writes
        ? bodyOf(schema, ['*/*'], version)
        : {};
  if (version === 2 && writes) parameters.push({ name: 'body', in: 'body', required: true, schema });
  return {
    ...(version === 2 && action === 'patch' ? { consumes: patchTypes } : {}),
    parameters,
    ...body,
    responses: {
      [action === 'post' ? '201' : '200']:
        version === 2
          ? { description: 'OK', schema }
          : { description: 'OK', content: { 'application/json': { schema } } },
    },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvkOf(def),
  };
}

function parameter(name: string, version: Version): object {
  const common = { name, in: 'query', uniqueItems: true };
  return version === 2 ? { ...common, type: 'string' } : { ...common, schema: { type: 'string' } };
}

function bodyOf(schema: object, types: readonly string[], version: Version): object {
  if (version === 2) return {};
  return { requestBody: { required: true, content: Object.fromEntries(types.map((type) => [type, { schema }])) } };
}
