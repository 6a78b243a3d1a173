import { describe, expect, it } from 'vitest';
import { objectShape } from '../../../shared/schema/proto/shapes.ts';
import { typedFaults } from './typed-faults.ts';

const podFaults = (spec: unknown) => typedFaults(objectShape('k8s.io.api.core.v1.Pod'), { spec });
const container = (more: object) => podFaults({ containers: [{ name: 'a', ...more }] });
const at = '.spec.containers[name="a"]';

describe('what of a configuration does not fit its kind', () => {
  it('is nothing when it fits, whichever way a scalar may be written', () => {
    const object = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a', labels: { a: 'b' }, creationTimestamp: '2026-01-01T00:00:00Z', finalizers: ['x', 'y'] },
      spec: {
        hostNetwork: true,
        priority: 1,
        containers: [
          { name: 'a', resources: { limits: { cpu: 1, memory: '1Gi' } }, ports: [{ containerPort: 80 }] },
          { name: 'b', livenessProbe: { httpGet: { port: 'http' } }, args: ['1', '1'], env: null },
        ],
        volumes: null,
        nodeName: null,
      },
      status: null,
    };
    expect(typedFaults(objectShape('k8s.io.api.core.v1.Pod'), object)).toEqual([]);
    const claims = [{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'a' } }];
    const set = { spec: { volumeClaimTemplates: claims, serviceName: 'a' } };
    expect(typedFaults(objectShape('k8s.io.api.apps.v1.StatefulSet'), set)).toEqual([]);
    const request = { spec: { request: 'eA==', signerName: 'a/b', extra: { scopes: ['a'] } } };
    const signing = objectShape('k8s.io.api.certificates.v1.CertificateSigningRequest');
    expect(typedFaults(signing, request)).toEqual([]);
    const raw = { data: { any: [{ thing: 1 }] }, revision: 1 };
    expect(typedFaults(objectShape('k8s.io.api.apps.v1.ControllerRevision'), raw)).toEqual([]);
    const owned = { metadata: { managedFields: [{ fieldsV1: { 'f:a': {} } }] } };
    expect(typedFaults(objectShape('k8s.io.api.core.v1.Pod'), owned)).toEqual([]);
  });

  it.each<[string, () => string[], string[]]>([
    ['an unknown field', () => podFaults({ contaners: [] }), ['.spec.contaners: field not declared in schema']],
    [
      'a kind where no object stands',
      () => podFaults({ kind: 'x', apiVersion: 'y' }),
      ['.spec.kind: field not declared in schema', '.spec.apiVersion: field not declared in schema'],
    ],
    [
      'what every JavaScript object has',
      () => podFaults({ constructor: 1 }),
      ['.spec.constructor: field not declared in schema'],
    ],
    [
      'a text for a number',
      () => podFaults({ priority: '1' }),
      ['.spec.priority: expected numeric (int or float), got string'],
    ],
    [
      'a truth for a number',
      () => podFaults({ priority: true }),
      ['.spec.priority: expected numeric (int or float), got bool'],
    ],
    [
      'a list for a number',
      () => podFaults({ priority: [] }),
      ['.spec.priority: expected numeric (int or float), got []interface {}'],
    ],
    [
      'an object for a number',
      () => podFaults({ priority: {} }),
      ['.spec.priority: expected numeric (int or float), got map[string]interface {}'],
    ],
    [
      'a number for a text',
      () => podFaults({ nodeName: 1 }),
      ['.spec.nodeName: expected string, got &value.valueUnstructured{Value:1}'],
    ],
    [
      'an object for a text, in Go’s own syntax',
      () => podFaults({ nodeName: { b: [1, 'x', null], a: true } }),
      [
        '.spec.nodeName: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"a":true, "b":[]interface {}{1, "x", interface {}(nil)}}}',
      ],
    ],
    [
      'a text for a truth',
      () => podFaults({ hostNetwork: 'true' }),
      ['.spec.hostNetwork: expected boolean, got &{true}'],
    ],
    [
      'an object for a quantity',
      () => container({ resources: { limits: { cpu: {} } } }),
      [`${at}.resources.limits.cpu: expected any scalar, got &{map[]}`],
    ],
    ['a list for a struct', () => podFaults([1]), ['.spec: expected map, got &{[1]}']],
    [
      'a text for a map',
      () => typedFaults(objectShape('k8s.io.api.core.v1.ConfigMap'), { data: 'x' }),
      ['.data: expected map, got &{x}'],
    ],
    [
      'a number in a map of texts',
      () => typedFaults(objectShape('k8s.io.api.core.v1.ConfigMap'), { data: { a: 1 } }),
      ['.data.a: expected string, got &value.valueUnstructured{Value:1}'],
    ],
    [
      'an object for a list',
      () => podFaults({ containers: { a: 1 } }),
      ['.spec.containers: expected list, got &{map[a:1]}'],
    ],
    [
      'a second item of a list without keys',
      () => container({ args: ['a', 1] }),
      [`${at}.args[1]: expected string, got &value.valueUnstructured{Value:1}`],
    ],
    [
      'an item without its key',
      () => podFaults({ containers: [{ name: 'a' }, { image: 'x' }, { x: 1 }] }),
      [
        '.spec.containers: element 1: associative list with keys has an element that omits key field "name" (and doesn\'t have default value)',
      ],
    ],
    [
      'an item that is nothing',
      () => podFaults({ containers: [null] }),
      ['.spec.containers: element 0: associative list with keys may not have a null element'],
    ],
    [
      'an item that is no object',
      () => podFaults({ containers: ['a'] }),
      ['.spec.containers: element 0: associative list with keys may not have non-map elements'],
    ],
    [
      'two items with one key',
      () => podFaults({ containers: [{ name: 'a' }, { name: 'b' }, { name: 'a' }] }),
      ['.spec.containers: duplicate entries for key [name="a"]'],
    ],
    [
      'two items with one key, of which a part is a default',
      () =>
        container({ ports: [{ containerPort: 80 }, { containerPort: 80, protocol: 'TCP' }, { containerPort: 81 }] }),
      [`${at}.ports: duplicate entries for key [containerPort=80,protocol="TCP"]`],
    ],
    [
      'two ports of which only the protocol differs: nothing',
      () => container({ ports: [{ containerPort: 53, protocol: 'UDP' }, { containerPort: 53 }] }),
      [],
    ],
    [
      'the same twice in a set',
      () => typedFaults(objectShape('k8s.io.api.core.v1.Pod'), { metadata: { finalizers: ['x', 'y', 'x'] } }),
      ['.metadata.finalizers: duplicate entries for key [="x"]'],
    ],
  ])('names %s', (_what, faults, expected) => {
    expect(faults()).toEqual(expected);
  });

  it.each([
    ['null', null, "associative list without keys has an element that's an explicit null"],
    ['a list', [], 'not supported: associative list with lists as elements'],
    ['an object', {}, "associative list without keys has an element that's a map type"],
  ])('names %s in a set of scalars', (_what, item, message) => {
    expect(typedFaults(objectShape('k8s.io.api.core.v1.Pod'), { metadata: { finalizers: ['x', item] } })).toEqual([
      `.metadata.finalizers: element 1: ${message}`,
    ]);
  });

  it('is named without a path when it is the whole', () => {
    expect(typedFaults(objectShape('k8s.io.api.core.v1.Pod'), 'x')).toEqual(['expected map, got &{x}']);
    expect(typedFaults(objectShape('k8s.io.api.core.v1.Pod'), null)).toEqual([]);
  });

  it('is named up to 32 times', () => {
    const data = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, i]));
    expect(typedFaults(objectShape('k8s.io.api.core.v1.ConfigMap'), { data })).toHaveLength(32);
    const args = Array.from({ length: 40 }, (_, i) => i);
    expect(container({ args })).toHaveLength(32);
  });

  it('repeats a value of 4096 letters, and of a longer one its type', () => {
    const faults = (length: number) => podFaults({ nodeName: ['x'.repeat(length - 4)] });
    expect(faults(4_096)).toEqual([
      `.spec.nodeName: expected string, got &value.valueUnstructured{Value:[]interface {}{"${'x'.repeat(4_092)}"}}`,
    ]);
    expect(faults(4_097)).toEqual([
      '.spec.nodeName: expected string, got &value.valueUnstructured{Value:[]interface {}{…}}',
    ]);
  });
});
