import { Client, credentials, type MethodDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileDescriptors } from '../../control-plane/api/grpc/file-descriptors.ts';
import { createRpcSchema, hiddenPackage } from '../../shared/rpc/schema.ts';
import { administrator, startTestGrpc, type TestGrpc } from '../support/grpc-server.ts';

let grpc: TestGrpc;
let client: Client;

beforeAll(async () => {
  grpc = await startTestGrpc();
  const { ca, credentials: pair } = await grpc.tls(administrator);
  if (!pair) throw new Error('no credentials');
  client = new Client(
    grpc.address.replace('127.0.0.1', 'localhost'),
    credentials.createSsl(Buffer.from(ca), Buffer.from(pair.key), Buffer.from(pair.certificate)),
  );
});
afterAll(async () => {
  client.close();
  await grpc.stop();
});

/** All that this client knows beforehand: the public reflection protocol. */
const reflection = protobuf.parse(
  `
  syntax = "proto3";
  message Request { oneof message_request {
    string file_by_filename = 3; string file_containing_symbol = 4; string list_services = 7; } }
  message Files { repeated bytes file_descriptor_proto = 1; }
  message Service { string name = 1; }
  message Services { repeated Service service = 1; }
  message Failure { int32 error_code = 1; string error_message = 2; }
  message Response { oneof message_response {
    Files file_descriptor_response = 4; Services list_services_response = 6; Failure error_response = 7; } }
`,
  { keepCase: true },
).root;

describe.each(['grpc.reflection.v1', 'grpc.reflection.v1alpha'])('%s', (version) => {
  test('a client with no files learns the types, and lists and creates objects with them', async () => {
    const services = await listServices(version);
    expect(services).toContain('coracle.v1.Pods');
    expect(services).toContain('coracle.v1.Deployments');
    expect(services).toContain('coracle.v1.Enrollment');
    expect(services).toContain('grpc.health.v1.Health');
    expect(services.join()).not.toContain(hiddenPackage);

    const root = await learn(version, 'coracle.v1.Deployments');
    const create = methodOf(root, 'coracle.v1.Deployments', 'Create');
    const name = `zero-${version.split('.').at(-1)}`;
    const labels = { app: name };
    // Read from a descriptor, protobufjs takes a map for what it is on the wire: a list of entries.
    const entries = [{ key: 'app', value: name }];
    await call(create, {
      object: {
        metadata: { name, namespace: 'default', labels: entries },
        spec: {
          replicas: 0,
          selector: { matchLabels: entries },
          template: { metadata: { labels: entries }, spec: { containers: [{ name: 'c', image: 'busybox' }] } },
        },
      },
    });
    const list = await call(methodOf(root, 'coracle.v1.Deployments', 'List'), { namespace: 'default' });
    const { items } = list as {
      items: Array<{ metadata: { name: string; labels: object }; spec: { replicas: number } }>;
    };
    const found = items.find(({ metadata }) => metadata.name === name);
    // A zero that was set stays a zero: the descriptors tell presence (proto2).
    expect(found?.spec.replicas).toBe(0);
    expect(found?.metadata.labels).toEqual(entries);
    const stored = await grpc.client.get('Deployment', name, 'default');
    expect(stored.spec.replicas).toBe(0);
    expect(stored.metadata.labels).toEqual(labels);
  });

  test('a symbol that is not there is an error of the protocol, not of the stream', async () => {
    const { error_response: failure } = await ask(version, { file_containing_symbol: 'no.such.Thing' });
    expect((failure as { error_code: number }).error_code).toBe(5);
  });
});

test('the health service answers clients without files and certificates', async () => {
  const health = protobuf.parse(`
    syntax = "proto3"; package grpc.health.v1;
    message HealthCheckRequest { string service = 1; }
    message HealthCheckResponse { int32 status = 1; }
    service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }
  `).root;
  health.resolveAll();
  const anonymous = new Client(
    grpc.address.replace('127.0.0.1', 'localhost'),
    credentials.createSsl(Buffer.from(grpc.authority.certificate)),
  );
  try {
    const check = methodOf(health, 'grpc.health.v1.Health', 'Check');
    expect(await call(check, {}, anonymous)).toEqual({ status: 1 });
    grpc.server.setServing(false);
    expect(await call(check, {}, anonymous)).toEqual({ status: 2 });
    grpc.server.setServing(true);
  } finally {
    anonymous.close();
  }
});

test('the health service is described as protoc describes it', async () => {
  const { file_descriptor_response: response } = await ask('grpc.reflection.v1', {
    file_containing_symbol: 'grpc.health.v1.Health',
  });
  const [bytes = new Uint8Array()] = (response as { file_descriptor_proto: Uint8Array[] }).file_descriptor_proto;
  const file = descriptor.FileDescriptorProto.decode(bytes).toJSON();
  expect(file).toMatchObject({ name: 'grpc/health/v1/health.proto', package: 'grpc.health.v1', syntax: 'proto3' });
  const optional = { label: 'LABEL_OPTIONAL' };
  const answer = { type: 'TYPE_MESSAGE', typeName: '.grpc.health.v1.HealthCheckResponse' };
  const messages = Object.fromEntries(file.messageType.map((one: { name: string }) => [one.name, one]));
  expect(messages.HealthListResponse).toMatchObject({
    field: [
      { name: 'statuses', label: 'LABEL_REPEATED', typeName: '.grpc.health.v1.HealthListResponse.StatusesEntry' },
    ],
    nestedType: [
      {
        name: 'StatusesEntry',
        field: [
          { name: 'key', number: 1, ...optional, type: 'TYPE_STRING' },
          { name: 'value', number: 2, ...optional, ...answer },
        ],
        options: { mapEntry: true },
      },
    ],
  });
  expect(messages.HealthCheckResponse).toMatchObject({
    field: [{ type: 'TYPE_ENUM', typeName: '.grpc.health.v1.HealthCheckResponse.ServingStatus' }],
    enumType: [{ name: 'ServingStatus', value: [{ name: 'UNKNOWN', number: 0 }, {}, {}, { number: 3 }] }],
  });
});

test('file descriptors obey the rules that strict clients check', () => {
  const files = fileDescriptors(createRpcSchema().root, { hidden: [hiddenPackage] });
  const order: string[] = [];
  const visit = (name: string, path: string[]): void => {
    if (path.includes(name)) throw new Error(`files import each other: ${[...path, name].join(' → ')}`);
    const file = files.find((candidate) => candidate.name === name);
    if (!file) throw new Error(`no file ${name}, imported by ${path.at(-1)}`);
    for (const imported of file.dependency) visit(imported, [...path, name]);
    if (!order.includes(name)) order.push(name);
  };
  for (const { name } of files) visit(name, []);
  for (const { name, bytes } of files) {
    const file = descriptor.FileDescriptorProto.decode(bytes) as unknown as DecodedFile;
    expect(file.syntax || 'proto2').toBe('proto2');
    for (const message of file.messageType ?? []) {
      for (const field of message.field) {
        expect(field.typeName || '.', `${name} ${message.name}.${field.name}`).toMatch(/^\./);
        const entry = message.nestedType?.find((nested) => field.typeName?.endsWith(`.${message.name}.${nested.name}`));
        if (entry) expect(entry.name.toLowerCase()).toBe(`${field.name.replaceAll('_', '')}entry`.toLowerCase());
      }
    }
  }
});

interface DecodedFile {
  syntax?: string;
  messageType?: Array<{
    name: string;
    field: Array<{ name: string; typeName?: string }>;
    nestedType?: Array<{ name: string }>;
  }>;
}

async function listServices(version: string): Promise<string[]> {
  const { list_services_response: response } = await ask(version, { list_services: '*' });
  return (response as { service: Array<{ name: string }> }).service.map(({ name }) => name);
}

/** The file of a symbol with all that it imports, as a root that can encode and decode. */
async function learn(version: string, symbol: string): Promise<protobuf.Root> {
  const { file_descriptor_response: response } = await ask(version, { file_containing_symbol: symbol });
  const bytes = (response as { file_descriptor_proto: Uint8Array[] }).file_descriptor_proto;
  const encoded = protobuf.Writer.create();
  for (const file of bytes) encoded.uint32(10).bytes(file);
  const fromDescriptor = protobuf.Root as unknown as { fromDescriptor(set: Uint8Array): protobuf.Root };
  const root = fromDescriptor.fromDescriptor(encoded.finish());
  root.resolveAll();
  return root;
}

function ask(version: string, request: object): Promise<Record<string, unknown>> {
  const type = reflection.lookupType('Request');
  const answer = reflection.lookupType('Response');
  return new Promise((resolve, reject) => {
    const stream = client.makeBidiStreamRequest(
      `/${version}.ServerReflection/ServerReflectionInfo`,
      (value: object) => Buffer.from(type.encode(type.fromObject(value)).finish()),
      (bytes: Buffer) => answer.toObject(answer.decode(bytes)),
      { deadline: Date.now() + 10_000 },
    );
    stream.on('error', reject);
    stream.on('data', (response: Record<string, unknown>) => {
      resolve(response);
      stream.end();
    });
    stream.write(request);
  });
}

function methodOf(root: protobuf.Root, service: string, name: string): MethodDefinition<object, object> {
  const method = root.lookupService(service).methods[name];
  if (!method?.resolvedRequestType || !method.resolvedResponseType) throw new Error(`no ${service}.${name}`);
  const { resolvedRequestType: request, resolvedResponseType: response } = method;
  const encode = (type: protobuf.Type) => (value: object) => Buffer.from(type.encode(type.fromObject(value)).finish());
  const decode = (type: protobuf.Type) => (bytes: Buffer) => type.toObject(type.decode(bytes), { longs: Number });
  return {
    path: `/${service}/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: encode(request),
    requestDeserialize: decode(request),
    responseSerialize: encode(response),
    responseDeserialize: decode(response),
  };
}

function call(method: MethodDefinition<object, object>, request: object, through = client): Promise<object> {
  return new Promise((resolve, reject) => {
    through.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      { deadline: Date.now() + 10_000 },
      (error, response) => (error || !response ? reject(error) : resolve(response)),
    );
  });
}
