import protobuf from 'protobufjs';
import type { IDescriptorProto, IEnumDescriptorProto, IFieldDescriptorProto } from 'protobufjs/ext/descriptor/index.js';
import descriptor from 'protobufjs/ext/descriptor/index.js';

/**
 * The messages and services of a protobuf root as file descriptors, one file a package, for server reflection. protobufjs' own export
 * does not do: strict clients (Go's protodesc) refuse its names of map entries, missing imports and relative type names.
 */
export interface FileDescriptor {
  readonly name: string;
  readonly package: string;
  readonly dependency: readonly string[];
  /** FileDescriptorProto, encoded. */
  readonly bytes: Uint8Array;
}

export interface FileOptions {
  /** Packages to leave out. */
  readonly hidden?: readonly string[];
  /** proto2 tracks whether a field is set, proto3 does not. */
  readonly syntax?: 'proto2' | 'proto3';
  /** The file name of a package; absent: after the package. */
  readonly nameOf?: (packageName: string) => string;
}

export function fileDescriptors(root: protobuf.Root, options: FileOptions = {}): FileDescriptor[] {
  return packagesOf(root)
    .filter((found) => !options.hidden?.includes(fullName(found)))
    .map((found) => fileOf(found, options));
}

function packagesOf(namespace: protobuf.NamespaceBase): protobuf.NamespaceBase[] {
  const inner = namespace.nestedArray.filter(isPlainNamespace).flatMap(packagesOf);
  const holds = namespace.nestedArray.some(
    (nested) => nested instanceof protobuf.Type || nested instanceof protobuf.Service,
  );
  return holds ? [namespace, ...inner] : inner;
}

type Refer = (type: protobuf.Type | protobuf.Enum) => string;

function fileOf(found: protobuf.NamespaceBase, { syntax = 'proto2', nameOf = fileName }: FileOptions): FileDescriptor {
  const imports = new Set<string>();
  const refer: Refer = (type) => {
    const home = packageOf(type);
    if (home !== found) imports.add(nameOf(fullName(home)));
    return type.fullName;
  };
  const types = found.nestedArray.filter((nested) => nested instanceof protobuf.Type);
  const services = found.nestedArray.filter((nested) => nested instanceof protobuf.Service);
  const messageType = types.map((type) => messageOf(type, refer));
  const service = services.map(({ name, methodsArray }) => ({
    name,
    method: methodsArray.map((method) => ({
      name: method.name,
      inputType: refer(typeIn(method.resolvedRequestType, method)),
      outputType: refer(typeIn(method.resolvedResponseType, method)),
      clientStreaming: method.requestStream === true,
      serverStreaming: method.responseStream === true,
    })),
  }));
  const name = nameOf(fullName(found));
  const dependency = [...imports].sort();
  // protoc writes no syntax for proto2.
  const written = syntax === 'proto2' ? {} : { syntax };
  const file = {
    name,
    package: fullName(found),
    dependency,
    messageType,
    enumType: enumsIn(found),
    service,
    ...written,
  };
  return { name, package: fullName(found), dependency, bytes: descriptor.FileDescriptorProto.encode(file).finish() };
}

function messageOf(type: protobuf.Type, refer: Refer): IDescriptorProto {
  const nested = type.nestedArray.filter((inner) => inner instanceof protobuf.Type);
  const maps = type.fieldsArray.filter((field) => field instanceof protobuf.MapField);
  return {
    name: type.name,
    field: type.fieldsArray.map((field) => fieldOf(field, type, refer)),
    nestedType: [
      ...nested.map((inner) => messageOf(inner, refer)),
      ...maps.map((map) => ({
        name: entryName(map),
        field: [
          { name: 'key', number: 1, label: optional, type: scalarNumber(map.keyType) },
          { name: 'value', number: 2, label: optional, ...typeOf(map, refer) },
        ],
        options: { mapEntry: true },
      })),
    ],
    enumType: enumsIn(type),
    oneofDecl: type.oneofsArray.map(({ name }) => ({ name })),
  };
}

function enumsIn(namespace: protobuf.NamespaceBase): IEnumDescriptorProto[] {
  return namespace.nestedArray
    .filter((nested) => nested instanceof protobuf.Enum)
    .map(({ name, values }) => ({
      name,
      value: Object.entries(values).map(([value, number]) => ({ name: value, number })),
    }));
}

function fieldOf(field: protobuf.Field, parent: protobuf.Type, refer: Refer): IFieldDescriptorProto {
  const common = { name: field.name, number: field.id, jsonName: jsonName(field.name) };
  if (field instanceof protobuf.MapField) {
    return { ...common, label: repeated, type: messageNumber, typeName: `${parent.fullName}.${entryName(field)}` };
  }
  const oneof = field.partOf ? { oneofIndex: parent.oneofsArray.indexOf(field.partOf) } : {};
  return { ...common, label: field.repeated ? repeated : optional, ...typeOf(field, refer), ...oneof };
}

function typeOf(field: protobuf.Field, refer: Refer): { type: number; typeName?: string } {
  if (field.resolvedType === null) return { type: scalarNumber(field.type) };
  if (field.resolvedType instanceof protobuf.Enum) return { type: enumNumber, typeName: refer(field.resolvedType) };
  return { type: messageNumber, typeName: refer(typeIn(field.resolvedType, field)) };
}

/** FieldDescriptorProto.Label and .Type (descriptor.proto). */
const optional = 1;
const repeated = 3;
const messageNumber = 11;
const enumNumber = 14;
const scalarNumbers: Readonly<Record<string, number>> = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
};

function scalarNumber(type: string): number {
  const number = scalarNumbers[type];
  if (number === undefined) throw new Error(`no descriptor type for ${type}`);
  return number;
}

function typeIn(type: protobuf.Type | protobuf.Enum | null, of: protobuf.ReflectionObject): protobuf.Type {
  if (!(type instanceof protobuf.Type)) throw new Error(`${of.fullName} does not name a message`);
  return type;
}

function packageOf(type: protobuf.ReflectionObject): protobuf.NamespaceBase {
  let home = type.parent;
  while (home instanceof protobuf.Type) home = home.parent;
  if (!home) throw new Error(`${type.fullName} is in no package`);
  return home;
}

function isPlainNamespace(nested: protobuf.ReflectionObject): nested is protobuf.Namespace {
  return (
    nested instanceof protobuf.Namespace && !(nested instanceof protobuf.Type) && !(nested instanceof protobuf.Service)
  );
}

function fullName(of: protobuf.ReflectionObject): string {
  return of.fullName.replace(/^\./, '');
}

function fileName(packageName: string): string {
  return `${packageName.replaceAll('.', '/')}.proto`;
}

/** protoc's name for a map's entry: the field's in CamelCase. */
function entryName({ name }: protobuf.Field): string {
  const camel = jsonName(name);
  return `${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`;
}

function jsonName(name: string): string {
  return name.replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());
}
