import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { arbitraryObject } from '../../test/support/arbitrary-objects.ts';
import { isApiError } from '../errors.ts';
import { descriptor } from '../generated/descriptor.ts';
import { kindNamed, servedKinds } from '../kinds/index.ts';
import type { KubeObject } from '../object.ts';
import { decodeKind, decodeObject, encodeObject } from './convert.ts';

const root = protobuf.Root.fromJSON(descriptor);

describe('objects through protobuf and back', () => {
  it.each(servedKinds.map((kind) => [kind.typeName, kind] as const))('%s comes back as it was', (_name, kind) => {
    fc.assert(
      fc.property(arbitraryObject(kind), (object) => {
        expect(decodeKind(kind, encodeObject(kind.message, object))).toEqual(object);
      }),
      { numRuns: 40 },
    );
  });

  it('is what any other protobuf implementation reads and writes', () => {
    const type = root.lookupType(kindNamed('Pod').message);
    const bytes = encodeObject('k8s.io.api.core.v1.Pod', pod);
    const read = type.toObject(type.decode(bytes), { longs: Number });
    expect(read).toMatchObject({
      metadata: { name: 'web', creationTimestamp: { seconds: 1767225600 } },
      spec: {
        volumes: [{ name: 'data', volumeSource: { emptyDir: { sizeLimit: { string: '1Gi' } } } }],
        containers: [
          {
            name: 'app',
            resources: { requests: { cpu: { string: '100m' } } },
            livenessProbe: {
              handler: { httpGet: { port: { type: 1, strVal: 'http' } } },
              periodSeconds: 5,
            },
            readinessProbe: { handler: { tcpSocket: { port: { type: 0, intVal: 80 } } } },
            env: [{ name: 'K', valueFrom: { configMapKeyRef: { localObjectReference: { name: 'c' }, key: 'k' } } }],
          },
        ],
      },
    });
    expect(decodeKind(kindNamed('Pod'), type.encode(type.fromObject(read)).finish())).toEqual(pod);
  });

  it('keeps microseconds, base64 data and free-form fields', () => {
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'l', managedFields: [{ manager: 'm', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }] },
      spec: { renewTime: '2026-01-01T00:00:00.000123Z' },
    } as unknown as KubeObject;
    expect(decodeKind(kindNamed('Lease'), encodeObject(kindNamed('Lease').message, lease))).toEqual(lease);
    const secret = { data: { a: '/+8=', empty: '' } };
    expect(decodeObject('k8s.io.api.core.v1.Secret', encodeObject('k8s.io.api.core.v1.Secret', secret))).toEqual(
      secret,
    );
  });

  it('reads the zeros that clients send for unset fields as absent, and keeps zeros that have a meaning', () => {
    const type = root.lookupType(kindNamed('Deployment').message);
    const sent = {
      metadata: { name: 'web', creationTimestamp: {} },
      spec: {
        replicas: 0,
        minReadySeconds: 0,
        paused: false,
        template: { metadata: { creationTimestamp: {} }, spec: { hostNetwork: false, nodeName: '' } },
      },
    };
    const read = decodeKind(kindNamed('Deployment'), type.encode(type.fromObject(sent)).finish());
    expect(read).toEqual({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: { replicas: 0, template: { metadata: {}, spec: {} } },
    });
  });

  it('skips fields that it does not know', () => {
    const extra = new protobuf.Writer()
      .uint32((1000 << 3) | 2)
      .string('later')
      .finish();
    const bytes = Buffer.concat([encodeObject('k8s.io.api.core.v1.Pod', pod), extra]);
    expect(decodeKind(kindNamed('Pod'), bytes)).toEqual(pod);
  });

  it('refuses any bytes that are not such a message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeObject('k8s.io.api.core.v1.Pod', bytes);
        } catch (error) {
          expect(isApiError(error, 'BadRequest')).toBe(true);
        }
      }),
    );
    const whole = encodeObject('k8s.io.api.core.v1.Pod', pod);
    expect(() => decodeObject('k8s.io.api.core.v1.Pod', whole.subarray(0, -1))).toThrow(/no k8s.io.api.core.v1.Pod/);
  });

  it('refuses integers and free-form numbers that JSON does not hold exactly, by their field', () => {
    const type = root.lookupType('k8s.io.api.core.v1.PodSpec');
    const spec = (seconds: string) => type.encode(type.fromObject({ activeDeadlineSeconds: seconds })).finish();
    const read = (seconds: string) => decodeObject('k8s.io.api.core.v1.PodSpec', spec(seconds));
    expect(read('9007199254740991')).toEqual({ activeDeadlineSeconds: 9007199254740991 });
    for (const seconds of ['9007199254740993', '-9223372036854775808']) {
      expect(() => read(seconds)).toThrow('field activeDeadlineSeconds: an integer of more than 53 bits');
    }
    const raw = Buffer.from('{"a": 9007199254740993}');
    const revision = root.lookupType('k8s.io.api.apps.v1.ControllerRevision');
    const bytes = revision.encode(revision.fromObject({ data: { raw } })).finish();
    expect(() => decodeObject('k8s.io.api.apps.v1.ControllerRevision', bytes)).toThrow(
      'a: Invalid value: 9007199254740993',
    );
  });

  it('takes a key called __proto__ for a key', () => {
    const labels = JSON.parse('{"__proto__": "x", "a": "b"}');
    const bytes = encodeObject('k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta', { labels });
    const back = decodeObject('k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta', bytes);
    expect(Object.entries(back.labels as object)).toEqual([
      ['__proto__', 'x'],
      ['a', 'b'],
    ]);
  });
});

const pod: KubeObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', uid: 'u', resourceVersion: '7', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: {
    volumes: [{ name: 'data', emptyDir: { sizeLimit: '1Gi' } }],
    containers: [
      {
        name: 'app',
        env: [{ name: 'K', valueFrom: { configMapKeyRef: { name: 'c', key: 'k' } } }],
        resources: { requests: { cpu: '100m' } },
        livenessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 5 },
        readinessProbe: { tcpSocket: { port: 80 } },
      },
    ],
  },
};
