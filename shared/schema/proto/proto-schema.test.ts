import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryObject } from '../../../test/support/arbitrary-objects.ts';
import { ApiError } from '../../errors.ts';
import { kindNamed, kinds } from '../../kinds/index.ts';
import type { DecodeOptions } from '../object-schema.ts';
import { decodeMessage } from './decode.ts';

const pod = kindNamed('Pod');
const deployment = kindNamed('Deployment');

describe('decodeObject', () => {
  it.each(kinds.map((kind) => [kind.kind, kind] as const))('copies any well-formed %s as it is', (_name, kind) => {
    fc.assert(
      fc.property(arbitraryObject(kind), (object) => {
        const { object: copy, warnings } = kind.schema.decode(object, { validation: 'Strict' });
        expect(copy).toEqual(object);
        expect(copy).not.toBe(object);
        expect(warnings).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });

  it.each([
    [
      'spec.containers[0].ports[0].containerPort',
      { containers: [{ ports: [{ containerPort: '80' }] }] },
      'must be a 32 bit integer',
    ],
    ['spec.containers', { containers: { name: 'a' } }, 'must be an array'],
    ['spec.containers[1]', { containers: [{}, 'b'] }, 'must be an object'],
    ['spec.hostNetwork', { hostNetwork: 'yes' }, 'must be a boolean'],
    ['spec.nodeSelector.disk', { nodeSelector: { disk: 1 } }, 'must be a string'],
    ['spec.overhead[example.com/gpu]', { overhead: { 'example.com/gpu': 'x' } }, 'must be a quantity'],
    ['spec.terminationGracePeriodSeconds', { terminationGracePeriodSeconds: 1.5 }, 'must be an integer'],
  ])('names the place of a wrong type: %s', (field, spec, expected) => {
    const error = refusal(() => pod.schema.decode({ apiVersion: 'v1', kind: 'Pod', metadata: {}, spec }));
    expect(error.reason).toBe('BadRequest');
    expect(error.details.causes).toMatchObject([{ reason: 'FieldValueTypeInvalid', field }]);
    expect(error.message).toContain(`Pod in version "v1" cannot be handled as a Pod: ${field}: Invalid value:`);
    expect(error.message).toContain(expected);
  });

  const stranger = { spec: { replicas: 1, foo: 1, template: { spec: { containers: [{ name: 'a', imagee: 'b' }] } } } };
  const decode = (options: DecodeOptions) => deployment.schema.decode(stranger, options);

  it('refuses unknown fields in Strict mode, naming all of them', () => {
    expect(refusal(() => decode({ validation: 'Strict' })).message).toBe(
      'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: ' +
        'unknown field "spec.foo", unknown field "spec.template.spec.containers[0].imagee"',
    );
  });

  it('drops unknown fields with a warning in Warn mode, silently in Ignore mode', () => {
    const warned = decode({ validation: 'Warn' });
    expect(warned.warnings).toEqual([
      'unknown field "spec.foo"',
      'unknown field "spec.template.spec.containers[0].imagee"',
    ]);
    expect(warned.object.spec).toEqual({ replicas: 1, template: { spec: { containers: [{ name: 'a' }] } } });
    expect(decode({ validation: 'Ignore' })).toEqual({ object: warned.object, warnings: [] });
  });

  it('brings quantities, times and absent values into their normal form', () => {
    const { object } = pod.schema.decode({
      metadata: {
        name: 'a',
        creationTimestamp: null,
        labels: { empty: null },
        deletionTimestamp: '2026-01-01T02:00:00.5+02:00',
      },
      spec: {
        restartPolicy: '',
        containers: [{ name: 'a', resources: { requests: { cpu: 0.5, memory: '1024Mi' } } }],
        tolerations: null,
      },
    });
    expect(object).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a', labels: { empty: '' }, deletionTimestamp: '2026-01-01T00:00:00Z' },
      spec: { containers: [{ name: 'a', resources: { requests: { cpu: '500m', memory: '1Gi' } } }] },
    });
    const lease = kindNamed('Lease').schema.decode({ spec: { renewTime: '2026-01-01T00:00:00Z' } });
    expect(lease.object.spec).toEqual({ renewTime: '2026-01-01T00:00:00.000000Z' });
  });

  it.each([[null], [[]], ['text'], [7]])('refuses %j for an object', (value) => {
    expect(refusal(() => pod.schema.decode(value)).reason).toBe('BadRequest');
  });

  it('refuses an object of another kind', () => {
    expect(refusal(() => pod.schema.decode({ apiVersion: 'v1', kind: 'Node' })).message).toContain('not Pod of v1');
  });

  it('bounds how deep a free-form field nests', () => {
    let deep: unknown = {};
    for (let level = 0; level < 100; level++) deep = { f: deep };
    const value = { metadata: { managedFields: [{ fieldsV1: deep }] } };
    expect(refusal(() => pod.schema.decode(value)).details.causes?.[0]?.field).toBe(
      'metadata.managedFields[0].fieldsV1',
    );
  });

  it('bounds how many faults one answer holds', () => {
    const spec = { containers: Array.from({ length: 1000 }, () => ({ name: 1, unknown: 1 })) };
    expect(refusal(() => pod.schema.decode({ spec })).details.causes?.length).toBeLessThan(100);
  });

  it('takes no half of a letter, which protobuf could not show', () => {
    const given = { metadata: { name: 'a' }, data: { a: 'x\ud800y', b: '\u{1f600}\u0000' } };
    const { object } = kindNamed('ConfigMap').schema.decode(given);
    expect(object).toMatchObject({ data: { a: 'x\ufffdy', b: '\u{1f600}\u0000' } });
  });

  it('keeps a label called __proto__ a label', () => {
    const { object } = pod.schema.decode(JSON.parse('{"metadata": {"labels": {"__proto__": "x"}}}'));
    expect(Object.keys(object.metadata.labels ?? {})).toEqual(['__proto__']);
  });

  it('decodes messages that are no kinds', () => {
    const { object } = decodeMessage('k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions', { gracePeriodSeconds: 0 });
    expect(object).toEqual({ gracePeriodSeconds: 0 });
  });
});

describe('applyDefaults', () => {
  it('fills in what is absent below what is present, and nothing else', () => {
    const object = {
      spec: {
        template: { spec: { containers: [{ name: 'a', ports: [{ containerPort: 1 }] }], restartPolicy: 'Never' } },
      },
    };
    deployment.schema.applyDefaults(object);
    expect(object.spec).toEqual({
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate' },
      template: {
        spec: {
          containers: [
            {
              name: 'a',
              ports: [{ containerPort: 1, protocol: 'TCP' }],
              resources: {},
              terminationMessagePath: '/dev/termination-log',
              terminationMessagePolicy: 'File',
            },
          ],
          restartPolicy: 'Never',
          dnsPolicy: 'ClusterFirst',
          schedulerName: 'default-scheduler',
          securityContext: {},
          terminationGracePeriodSeconds: 30,
        },
      },
    });
    const [one, two] = [{ spec: {} as { strategy?: object } }, { spec: {} as { strategy?: object } }];
    deployment.schema.applyDefaults(one);
    deployment.schema.applyDefaults(two);
    expect(one.spec.strategy).not.toBe(two.spec.strategy);
  });
});

describe('validateSchema', () => {
  it.each([
    [{ spec: {} }, 'spec.containers: Required value'],
    [{ spec: { containers: [] } }, 'spec.containers: Required value'],
    [{ spec: { containers: [{ name: '' }] } }, 'spec.containers[0].name: Required value'],
    [
      { spec: { containers: [{ name: 'a' }], restartPolicy: 'Sometimes' } },
      'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
    ],
    [
      { spec: { containers: [{ name: 'A_b' }] } },
      'spec.containers[0].name: Invalid value: "A_b": a lowercase RFC 1123 label must consist of lower case alphanumeric ' +
        "characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', " +
        "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ],
    [
      { spec: { containers: [{ name: 'a', ports: [{ containerPort: 70000 }] }] } },
      'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
    ],
    [
      { spec: { containers: [{ name: 'a' }], terminationGracePeriodSeconds: -1 } },
      'spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0',
    ],
    [{ spec: { containers: [{ name: 'a' }, { name: 'a' }] } }, 'spec.containers[1].name: Duplicate value: "a"'],
  ])('%j: %s', (object, expected) => {
    expect(pod.schema.validate(object).map(({ field, message }) => `${field}: ${message}`)).toEqual([expected]);
  });

  it('lets a status have empty texts where the API has none to show', () => {
    const status = { containerStatuses: [{ name: 'a', ready: false, restartCount: 0, image: '', imageID: '' }] };
    expect(pod.schema.validate({ spec: { containers: [{ name: 'a' }] }, status })).toEqual([]);
  });

  it('bears a variable that is set twice', () => {
    const env = [
      { name: 'A', value: '1' },
      { name: 'A', value: '2' },
    ];
    expect(pod.schema.validate({ spec: { containers: [{ name: 'a', env }] } })).toEqual([]);
  });
});

describe('validateImmutable', () => {
  it('names a field that may not change, whole', () => {
    const old = { spec: { selector: { matchLabels: { a: 'b' } } } };
    expect(deployment.schema.validateImmutable(structuredClone(old), old)).toEqual([]);
    expect(deployment.schema.validateImmutable({ spec: { selector: { matchLabels: { a: 'c' } } } }, old)).toEqual([
      {
        reason: 'FieldValueInvalid',
        field: 'spec.selector',
        message: 'Invalid value: {"matchLabels":{"a":"c"}}: field is immutable',
      },
    ]);
  });
});

function refusal(run: () => unknown): ApiError {
  try {
    run();
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('was not refused');
}
