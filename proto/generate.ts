/**
 * Derives from `proto/` and the kind table, into `shared/generated/` (never committed):
 *   types.ts         the TypeScript types of all objects, in the shape of their JSON
 *   schema.ts        every message's fields with their rules, for validation and conversion
 *   descriptor.ts    the protobuf root with one gRPC service a kind, for the servers, clients and reflection
 *   liveness.ts      the protobuf root of the heartbeats alone, for the thread that serves them and loads little
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { type KindEntry, kindTable, qualifiedName, serviceName, type Verb, verbsOf } from '../shared/kinds/table.ts';

const protoDir = dirname(fileURLToPath(import.meta.url));
const outDir = join(protoDir, '..', 'shared', 'generated');

/** Messages whose JSON is a scalar or free-form: full name → TypeScript type. */
const scalarMessages: Record<string, string> = {
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': 'number | string',
  'k8s.io.apimachinery.pkg.api.resource.Quantity': 'string',
  'k8s.io.apimachinery.pkg.apis.meta.v1.Time': 'string',
  'k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime': 'string',
  'k8s.io.apimachinery.pkg.apis.meta.v1.Duration': 'string',
  'k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1': 'Record<string, unknown>',
  'k8s.io.apimachinery.pkg.runtime.RawExtension': 'Record<string, unknown>',
  'k8s.io.api.authentication.v1.ExtraValue': 'string[]',
};

const scalarTypes: Record<string, string> = {
  string: 'string',
  bool: 'boolean',
  int32: 'number',
  int64: 'number',
  uint32: 'number',
  uint64: 'number',
  double: 'number',
  bytes: 'string',
};

const livenessFile = join('coracle', 'liveness.proto');

function main(): void {
  const files = protoFiles();
  const root = load(files.filter((file) => file !== livenessFile));
  mkdirSync(outDir, { recursive: true });
  const messages = objectMessages(root);
  for (const [message, name] of typeNames(messages)) names.set(message, name);
  write('types.ts', typesSource(messages));
  write('schema.ts', schemaSource(messages));
  addServices(root);
  root.resolveAll();
  write('descriptor.ts', descriptorSource(root));
  write('liveness.ts', descriptorSource(load([livenessFile])));
}

function protoFiles(): string[] {
  // The options file only declares the rules' names for other tools; the parser takes rules as they come.
  return readdirSync(protoDir, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.proto') && file !== join('coracle', 'options.proto'))
    .sort();
}

function load(files: readonly string[]): protobuf.Root {
  const root = new protobuf.Root();
  for (const file of files) {
    const source = readFileSync(join(protoDir, file), 'utf8');
    protobuf.parse(source, root, { keepCase: true, alternateCommentMode: true, preferTrailingComment: false });
  }
  root.resolveAll();
  return root;
}

/** All messages that are parts of stored objects, in a stable order. */
function objectMessages(root: protobuf.Root): protobuf.Type[] {
  const found: protobuf.Type[] = [];
  const visit = (namespace: protobuf.NamespaceBase): void => {
    for (const nested of namespace.nestedArray) {
      if (nested instanceof protobuf.Type) found.push(nested);
      if (nested instanceof protobuf.Namespace) visit(nested);
    }
  };
  visit(root);
  const wire = /^\.coracle\.v1\.(?!NodeGuard|JoinToken|NodeEnrollment)/;
  return found
    .filter(
      (type) =>
        type.fullName.startsWith('.k8s.io.') || (type.fullName.startsWith('.coracle.v1.') && !wire.test(type.fullName)),
    )
    .sort((a, b) => (a.fullName < b.fullName ? -1 : 1));
}

/** Full name of a message → the name of its TypeScript type. */
const names = new Map<string, string>();

/**
 * A type is called by its message's short name. Where several messages have one short name, the core group's keeps it, or else the
 * only one of a version that kinds are stored in; all others have group and version before it: `EventsV1Event`.
 */
function typeNames(messages: readonly protobuf.Type[]): Map<string, string> {
  const second = new Set(kindTable.filter((entry) => entry.secondVersion).map(({ message }) => packageOf(message)));
  const rank = (message: string): number =>
    /\.(core|meta)\.v1$/.test(packageOf(message)) ? 0 : second.has(packageOf(message)) ? 2 : 1;
  const named = new Map<string, string[]>();
  for (const type of messages) named.set(type.name, [...(named.get(type.name) ?? []), fullName(type)]);
  const found = new Map<string, string>();
  for (const [short, rivals] of named) {
    const best = Math.min(...rivals.map(rank));
    const heirs = rivals.filter((message) => rank(message) === best);
    for (const message of rivals)
      found.set(message, heirs.length === 1 && heirs[0] === message ? short : qualifiedName(message));
  }
  return found;
}

function packageOf(message: string): string {
  return message.slice(0, message.lastIndexOf('.'));
}

function nameOf(message: string): string {
  const name = names.get(message);
  if (!name) throw new Error(`no message ${message}`);
  return name;
}

function typesSource(messages: protobuf.Type[]): string {
  const seen = new Map<string, string>();
  const lines = ['// Generated from proto/ by proto/generate.ts. Not to be edited.', ''];
  for (const type of messages) {
    const name = fullName(type);
    if (name in scalarMessages) continue;
    const clash = seen.get(nameOf(name));
    if (clash) throw new Error(`two messages of one name: ${clash} and ${name}`);
    seen.set(nameOf(name), name);
    lines.push(...interfaceSource(type));
  }
  lines.push('/** Kind name → the type of its objects. */', 'export interface KindMap {');
  for (const { kind, message, secondVersion } of kindTable) {
    if (!secondVersion) lines.push(`  ${kind}: ${nameOf(message)};`);
  }
  lines.push('}', '', 'export type Kind = keyof KindMap;', '');
  return lines.join('\n');
}

function interfaceSource(type: protobuf.Type): string[] {
  const kind = kindTable.find((entry) => entry.message === fullName(type));
  const list = kindTable.find((entry) => `${entry.message}List` === fullName(type));
  const inline = type.fieldsArray.filter((field) => rule(field, 'inline'));
  const bases = inline.map((field) => typeName(field));
  const lines = doc(type.comment, '');
  lines.push(`export interface ${nameOf(fullName(type))}${bases.length ? ` extends ${bases.join(', ')}` : ''} {`);
  const owner = kind ?? list;
  if (owner) lines.push(`  apiVersion: '${apiVersion(owner)}';`, `  kind: '${owner.kind}${kind ? '' : 'List'}';`);
  for (const field of type.fieldsArray) {
    if (rule(field, 'inline')) continue;
    lines.push(...doc(field.comment, '  '));
    const always =
      rule(field, 'required') ||
      rule(field, 'server_set') ||
      (owner && field.name === 'metadata') ||
      (list && field.name === 'items');
    // A template's metadata is of objects to come: the server has not filled it in.
    const draft = !owner && field.name === 'metadata' && /Template(Spec)?$/.test(type.name);
    const fieldText = draft ? `Partial<${fieldType(field)}>` : fieldType(field);
    lines.push(`  ${field.name}${always ? '' : '?'}: ${fieldText};`);
  }
  lines.push('}', '');
  return lines;
}

function fieldType(field: protobuf.Field): string {
  const values = rule(field, 'enum');
  const base =
    typeof values === 'string'
      ? values
          .split('|')
          .map((value) => `'${value}'`)
          .join(' | ')
      : typeName(field);
  if (field instanceof protobuf.MapField) return `Record<string, ${base}>`;
  if (!field.repeated) return base;
  return /[|<]/.test(base) ? `Array<${base}>` : `${base}[]`;
}

function typeName(field: protobuf.Field): string {
  const scalar = scalarTypes[field.type];
  if (scalar) return scalar;
  const target = field.resolvedType;
  if (!(target instanceof protobuf.Type)) throw new Error(`${field.fullName}: no type for ${field.type}`);
  return scalarMessages[fullName(target)] ?? nameOf(fullName(target));
}

function doc(comment: string | null, indent: string): string[] {
  if (!comment) return [];
  // A schedule, for one, would end the comment: */5.
  const lines = comment.split('\n').map((line) => line.trim().replaceAll('*/', '*\\/'));
  if (lines.length === 1) return [`${indent}/** ${lines[0]} */`];
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`];
}

function schemaSource(messages: protobuf.Type[]): string {
  const schema: Record<string, unknown> = {};
  for (const type of messages) {
    const fields: Record<string, unknown> = {};
    for (const field of type.fieldsArray) fields[field.name] = fieldSchema(field);
    schema[fullName(type)] = { ...(type.comment ? { description: type.comment } : {}), fields };
  }
  return [
    '// Generated from proto/ by proto/generate.ts. Not to be edited.',
    "import type { MessageSchema } from '../schema/proto/message.ts';",
    '',
    `export const messages: Record<string, MessageSchema> = JSON.parse(${JSON.stringify(JSON.stringify(schema))});`,
    '',
  ].join('\n');
}

function descriptorSource(root: protobuf.Root): string {
  return [
    '// Generated from proto/ by proto/generate.ts. Not to be edited.',
    "import type { INamespace } from 'protobufjs';",
    '',
    `export const descriptor: INamespace = JSON.parse(${JSON.stringify(JSON.stringify(root.toJSON()))});`,
    '',
  ].join('\n');
}

function fieldSchema(field: protobuf.Field): Record<string, unknown> {
  const target = field.resolvedType instanceof protobuf.Type ? fullName(field.resolvedType) : field.type;
  const rules: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(field.options ?? {})) {
    const match = /^\(coracle\.(\w+)\)$/.exec(name);
    if (!match?.[1]) continue;
    const key = match[1].replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());
    rules[key] = key === 'default' ? JSON.parse(String(value)) : value;
  }
  if (typeof rules.enum === 'string') rules.enum = rules.enum.split('|');
  if (typeof rules.listMapKey === 'string') rules.listMapKey = rules.listMapKey.split(',');
  if (typeof rules.patchStrategy === 'string') rules.patchStrategy = rules.patchStrategy.split(',');
  return {
    number: field.id,
    type: target,
    ...(field instanceof protobuf.MapField ? { map: true } : field.repeated ? { repeated: true } : {}),
    ...(field.comment ? { description: field.comment } : {}),
    ...rules,
  };
}

/** One gRPC service a kind, named by its plural in CamelCase: `coracle.v1.Pods`. */
function addServices(root: protobuf.Root): void {
  const home = root.lookup('coracle.v1');
  if (!(home instanceof protobuf.Namespace)) throw new Error('no package coracle.v1');
  for (const entry of kindTable) {
    const { typeName, message } = entry;
    const event = `${typeName}Event`;
    const service = new protobuf.Service(serviceName(entry));
    const unary = (name: string, request: string, response: string): void => {
      service.add(new protobuf.Method(name, 'rpc', request, response));
    };
    const stream = (name: string, request: string, response: string): void => {
      service.add(new protobuf.Method(name, 'rpc', request, response, false, true));
    };
    const duplex = (name: string, request: string, response: string): void => {
      service.add(new protobuf.Method(name, 'rpc', request, response, true, true));
    };
    const status = 'k8s.io.apimachinery.pkg.apis.meta.v1.Status';
    const write = `Write${typeName}Request`;
    const methods: Record<Verb, () => void> = {
      create: () => unary('Create', write, message),
      get: () => unary('Get', 'GetRequest', message),
      list: () => unary('List', 'ListRequest', `${message}List`),
      watch: () => stream('Watch', 'WatchRequest', event),
      update: () => unary('Update', write, message),
      patch: () => unary('Patch', 'PatchRequest', message),
      delete: () => unary('Delete', 'DeleteRequest', status),
      deletecollection: () => unary('DeleteCollection', 'DeleteCollectionRequest', status),
    };
    const verbs = verbsOf(entry);
    for (const verb of Object.keys(methods) as Verb[]) if (verbs.includes(verb)) methods[verb]();
    if (verbs.includes('create')) {
      home.add(
        new protobuf.Type(write)
          .add(new protobuf.Field('object', 1, message, 'optional'))
          .add(new protobuf.Field('options', 2, 'coracle.v1.WriteOptions', 'optional')),
      );
    }
    if (verbs.includes('watch')) {
      home.add(
        new protobuf.Type(event)
          .add(new protobuf.Field('type', 1, 'string', 'optional'))
          .add(new protobuf.Field('object', 2, message, 'optional')),
      );
    }
    if (entry.subresources.includes('status')) unary('UpdateStatus', write, message);
    if (entry.subresources.includes('binding')) unary('Bind', 'BindRequest', 'BindResponse');
    if (entry.subresources.includes('eviction')) unary('Evict', 'EvictRequest', status);
    if (entry.subresources.includes('token')) unary('CreateToken', 'CreateTokenRequest', 'CreateTokenResponse');
    if (entry.subresources.includes('log')) stream('Logs', 'LogsRequest', 'LogsChunk');
    if (entry.subresources.includes('exec')) duplex('Exec', 'ExecInput', 'ProcessOutput');
    if (entry.subresources.includes('attach')) duplex('Attach', 'AttachInput', 'ProcessOutput');
    if (entry.subresources.includes('portforward')) duplex('PortForward', 'PortForwardInput', 'PortForwardOutput');
    home.add(service);
  }
}

function apiVersion(entry: KindEntry): string {
  return entry.group ? `${entry.group}/${entry.version}` : entry.version;
}

function rule(field: protobuf.Field, name: string): unknown {
  return field.options?.[`(coracle.${name})`];
}

function fullName(type: protobuf.Type): string {
  return type.fullName.slice(1);
}

function write(name: string, text: string): void {
  writeFileSync(join(outDir, name), text);
}

main();
