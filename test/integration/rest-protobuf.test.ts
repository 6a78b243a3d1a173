import { spawn } from 'node:child_process';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeProtobuf, encodeProtobuf } from '../../control-plane/api/rest/encoding/protobuf.ts';
import { isApiError } from '../../shared/errors.ts';
import { servedKinds } from '../../shared/kinds/index.ts';
import { decodeObject } from '../../shared/rpc/convert.ts';
import { arbitraryObject } from '../support/arbitrary-objects.ts';
import { eventually } from '../support/eventually.ts';
import { hasKubectl, kubectlProgram } from '../support/kubectl-program.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

const kubectlFound = hasKubectl();

const type = 'application/vnd.kubernetes.protobuf';
const configMaps = '/api/v1/namespaces/default/configmaps';
const accept = { accept: type };
const partial = (kind: string) => ({ accept: `${type};as=${kind};g=meta.k8s.io;v=v1` });
const meta = 'k8s.io.apimachinery.pkg.apis.meta.v1';
const configMap = (name: string, data?: object) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });

describe('Kubernetes’ protobuf', () => {
  let server: TestRest;
  beforeAll(async () => {
    server = await startTestRest();
    for (const name of ['a', 'b']) {
      await server.client.create('ConfigMap', { metadata: { name, namespace: 'default' }, data: { k: name } });
    }
  });
  afterAll(() => server?.stop());

  it('carries objects both ways, in the envelope of runtime.Unknown', async () => {
    const body = encodeProtobuf(configMap('sent', { z: '1', a: '' }));
    const made = await server.call('POST', configMaps, { body, headers: { 'content-type': type, ...accept } });
    expect([made.status, made.headers['content-type']]).toEqual([201, type]);
    expect(made.bytes.subarray(0, 4).toString('latin1')).toBe('k8s\0');
    const read = await server.call('GET', `${configMaps}/sent`, { headers: accept });
    expect(decodeProtobuf(read.bytes)).toEqual((await server.call('GET', `${configMaps}/sent`)).json);
    expect(decodeProtobuf(read.bytes).data).toEqual({ a: '', z: '1' });
  });

  it('is the very bytes that Go writes: zeros of fields that can’t be absent, times that are not set, an end', () => {
    expect(encodeProtobuf(configMap('a', { b: '', a: '1' })).toString('hex')).toBe(
      [
        '6b387300', // k8s\0
        '0a0f0a027631', // typeMeta: v1
        '1209436f6e6669674d6170', // ConfigMap
        '1222', // raw
        '0a110a016112001a0022002a00320038004200', // metadata: name, then seven that are empty
        '12060a0161120131', // data, by key
        '12050a01621200',
        '1a002200', // contentEncoding, contentType
      ].join(''),
    );
  });

  it('writes lists, whose items have no envelope, with their page data', async () => {
    const answer = await server.call('GET', `${configMaps}?limit=1`, { headers: accept });
    const { kind, metadata, items } = readList(answer.bytes, 'k8s.io.api.core.v1.ConfigMap');
    expect(kind).toEqual(['v1', 'ConfigMapList']);
    expect(metadata).toMatchObject({ resourceVersion: expect.stringMatching(/^\d+$/), continue: expect.any(String) });
    expect(items.map((item) => (item.metadata as { name: string }).name)).toEqual(['a']);
  });

  it('writes long lists piece by piece, and they read as one', async () => {
    for (let i = 0; i < 700; i++) {
      await server.client.create('ConfigMap', { metadata: { name: `c${i}`, namespace: 'kube-public' } });
    }
    const answer = await server.call('GET', '/api/v1/namespaces/kube-public/configmaps', { headers: accept });
    expect(readList(answer.bytes, 'k8s.io.api.core.v1.ConfigMap').items).toHaveLength(700);
  });

  it('writes metadata alone, of objects and of lists', async () => {
    const one = await server.call('GET', `${configMaps}/a`, { headers: partial('PartialObjectMetadata') });
    expect(typeOf(one.bytes)).toEqual(['meta.k8s.io/v1', 'PartialObjectMetadata']);
    const fields = fieldsOf(rawOf(one.bytes));
    expect(fields.map(({ number }) => number)).toEqual([1]);
    expect(decodeObject(`${meta}.ObjectMeta`, fields[0]?.bytes ?? Buffer.alloc(0))).toMatchObject({ name: 'a' });
    const list = await server.call('GET', configMaps, { headers: partial('PartialObjectMetadataList') });
    expect(typeOf(list.bytes)).toEqual(['meta.k8s.io/v1', 'PartialObjectMetadataList']);
  });

  it('writes errors as a Status, and has none for tables', async () => {
    const missing = await server.call('GET', `${configMaps}/none`, { headers: accept });
    expect([missing.status, missing.headers['content-type']]).toEqual([404, type]);
    expect(decodeProtobuf(missing.bytes)).toMatchObject({ kind: 'Status', code: 404, reason: 'NotFound' });
    const table = await server.call('GET', configMaps, { headers: partial('Table') });
    expect(table.status).toBe(406);
    const either = { accept: `${type};as=Table;g=meta.k8s.io;v=v1,application/json` };
    expect((await server.call('GET', configMaps, { headers: either })).json.kind).toBe('ConfigMapList');
  });

  it('frames the events of a watch by their length', async () => {
    const path = `${configMaps}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Da`;
    const answer = await server.call('GET', path, { headers: accept });
    expect(answer.headers['content-type']).toBe(`${type};stream=watch`);
    const [event, ...rest] = readFrames(answer.bytes);
    expect(rest).toEqual([]);
    expect(event?.type).toBe('ADDED');
    expect(decodeProtobuf(event?.object ?? Buffer.alloc(0))).toMatchObject({ kind: 'ConfigMap', data: { k: 'a' } });
  });

  it.skipIf(!kubectlFound)('is what Kubernetes’ own client reads, watches included', async () => {
    const env = { PATH: process.env.PATH, HOME: server.dir, KUBECONFIG: server.kubeconfig };
    const watching = spawn(kubectlProgram, ['events', '--watch', '-v=8'], { env });
    try {
      let out = '';
      let log = '';
      watching.stdout.on('data', (chunk) => {
        out += chunk;
      });
      watching.stderr.on('data', (chunk) => {
        log += chunk;
      });
      await eventually(() => log.includes(`Content-Type: ${type};stream=watch`));
      const pod = { kind: 'Pod', namespace: 'default', name: 'p' };
      const metadata = { namespace: 'default', name: 'p.1' };
      await server.client.create('Event', { metadata, involvedObject: pod, reason: 'Seen', message: 'it was seen' });
      await eventually(() => /Seen\s+Pod\/p\s+it was seen/.test(out));
    } finally {
      watching.kill();
    }
  });

  it('takes options of a deletion', async () => {
    await server.client.create('ConfigMap', { metadata: { name: 'gone', namespace: 'default' } });
    const options = { apiVersion: 'v1', kind: 'DeleteOptions', dryRun: ['All'] };
    const body = encodeProtobuf(options);
    const headers = { 'content-type': type };
    expect((await server.call('DELETE', `${configMaps}/gone`, { body, headers })).status).toBe(200);
    expect((await server.call('GET', `${configMaps}/gone`)).status).toBe(200);
  });

  it('refuses invalid bodies with a reason', async () => {
    const headers = { 'content-type': type };
    const refusal = async (body: Uint8Array): Promise<string> => {
      const answer = await server.call('POST', configMaps, { body, headers });
      expect(answer.status).toBe(400);
      return answer.json.message;
    };
    const whole = encodeProtobuf(configMap('x'));
    expect(await refusal(Buffer.from('{}'))).toContain('k8s\\0');
    expect(await refusal(whole.subarray(0, -5))).toContain('no protobuf');
    expect(await refusal(encodeUnknown('v1', 'Nothing', Buffer.alloc(0)))).toContain('no kind "Nothing"');
    expect(await refusal(encodeUnknown('v1', 'ConfigMap', Buffer.from([0x0a, 0x7f, 1])))).toContain('unexpected end');
    expect(await refusal(encodeUnknown('v1', 'ConfigMap', Buffer.from([0x0a, 3, 0x0a, 1, 0xff])))).toContain('UTF-8');
    expect(await refusal(encodeUnknown('v1', 'ConfigMap', Buffer.alloc(100_000, 0x0b)))).toContain('wire type 3');
  });

  it.each(servedKinds.map((def) => [`${def.kind} of ${def.group || 'core'}/${def.version}`, def] as const))(
    'writes and reads all fields of any %s',
    (_name, def) => {
      fc.assert(
        fc.property(arbitraryObject(def), (object) => {
          const read = decodeProtobuf(encodeProtobuf(object));
          // What was said stands there; what was not is at most zero, or empty.
          expect(read).toEqual(withZeros(object, read));
          expect(encodeProtobuf(read)).toEqual(encodeProtobuf(object));
        }),
        { numRuns: 25 },
      );
    },
  );

  it('never fails otherwise than by a refusal, whatever the bytes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...servedKinds),
        fc.uint8Array({ maxLength: 300 }),
        ({ kind, group, version }, raw) => {
          try {
            decodeProtobuf(encodeUnknown(group ? `${group}/${version}` : version, kind, Buffer.from(raw)));
          } catch (error) {
            expect(isApiError(error, 'BadRequest')).toBe(true);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

/** `given`, with empty values added that only `read` has. */
function withZeros(given: unknown, read: unknown): unknown {
  if (Array.isArray(given) && Array.isArray(read)) return given.map((item, index) => withZeros(item, read[index]));
  if (!isObject(given) || !isObject(read)) return given;
  const added = Object.entries(read).filter(([name, value]) => !(name in given) && saysNothing(value));
  const own = Object.entries(given).map(([name, value]) => [name, withZeros(value, read[name])]);
  return Object.fromEntries([...own, ...added]);
}

function saysNothing(value: unknown): boolean {
  if (isObject(value)) return Object.values(value).every(saysNothing);
  return value === '' || value === 0 || value === false || value === '0' || value === '0s';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface Field {
  readonly number: number;
  readonly bytes: Buffer;
}

/** The length-delimited fields of a message, read without our own codec. */
function fieldsOf(message: Uint8Array): Field[] {
  const reader = protobuf.Reader.create(message);
  const found: Field[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    expect(tag & 7).toBe(2);
    found.push({ number: tag >>> 3, bytes: Buffer.from(reader.bytes()) });
  }
  return found;
}

function rawOf(envelope: Buffer): Buffer {
  return fieldsOf(envelope.subarray(4)).find(({ number }) => number === 2)?.bytes ?? Buffer.alloc(0);
}

function typeOf(envelope: Buffer): string[] {
  const [type] = fieldsOf(envelope.subarray(4));
  return fieldsOf(type?.bytes ?? Buffer.alloc(0)).map(({ bytes }) => bytes.toString());
}

function readList(envelope: Buffer, message: string) {
  const fields = fieldsOf(rawOf(envelope));
  const [first, ...items] = fields;
  expect(items.every(({ number }) => number === 2)).toBe(true);
  return {
    kind: typeOf(envelope),
    metadata: decodeObject(`${meta}.ListMeta`, first?.bytes ?? Buffer.alloc(0)),
    items: items.map(({ bytes }) => decodeObject(message, bytes)),
  };
}

function readFrames(bytes: Buffer): { type: string; object: Buffer }[] {
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const [type, object] = fieldsOf(bytes.subarray(at + 4, at + 4 + length));
    const [raw] = fieldsOf(object?.bytes ?? Buffer.alloc(0));
    found.push({ type: type?.bytes.toString() ?? '', object: raw?.bytes ?? Buffer.alloc(0) });
    at += 4 + length;
  }
  return found;
}

function encodeUnknown(apiVersion: string, kind: string, raw: Uint8Array): Buffer {
  const writer = protobuf.Writer.create();
  writer.uint32(0x0a).fork().uint32(0x0a).string(apiVersion).uint32(0x12).string(kind).ldelim();
  writer.uint32(0x12).bytes(raw);
  return Buffer.concat([Buffer.from('k8s\0'), writer.finish()]);
}
