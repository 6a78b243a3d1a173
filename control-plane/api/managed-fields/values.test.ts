import { describe, expect, it } from 'vitest';
import { ownedShapeOf } from '../../../shared/schema/proto/shapes.ts';
import type { ScalarSet, Shape, Struct, StructField } from '../../../shared/schema/shape.ts';
import { elementOf, fieldValue, inOrder, isEmptyValue, itemsOf } from './values.ts';

/** The shape at a path of fields: of a list's items, behind the list. */
function shapeAt(message: string, ...path: string[]): Shape {
  let shape: Shape = ownedShapeOf(message);
  for (const name of path) {
    const within: Shape = shape.type === 'list' ? shape.item : shape;
    const field: StructField | undefined = within.type === 'struct' ? within.byName.get(name) : undefined;
    shape = field?.shape ?? { type: 'leaf' };
  }
  return shape;
}

function listAt(message: string, ...path: string[]) {
  const shape = shapeAt(message, ...path);
  if (shape.type !== 'list') throw new Error(`${path.join('.')} is a ${shape.type}`);
  return shape;
}

const pod = 'k8s.io.api.core.v1.Pod';
const set: ScalarSet = { type: 'set', item: { type: 'leaf' } };
const ports = listAt('k8s.io.api.core.v1.Service', 'spec', 'ports');
const containers = listAt(pod, 'spec', 'containers');

describe('how values are owned and merged, by Kubernetes’ API reference', () => {
  it.each<[string, string[], Shape['type']]>([
    ['labels entry by entry', ['metadata', 'labels'], 'map'],
    ['finalizers each by itself', ['metadata', 'finalizers'], 'set'],
    ['owners by their uid', ['metadata', 'ownerReferences'], 'list'],
    ['an owner as a whole', ['metadata', 'ownerReferences', 'name'], 'leaf'],
    ['containers by name', ['spec', 'containers'], 'list'],
    ['arguments as a whole', ['spec', 'containers', 'args'], 'leaf'],
    ['tolerations as a whole', ['spec', 'tolerations'], 'leaf'],
    ['limits entry by entry', ['spec', 'containers', 'resources', 'limits'], 'map'],
    ['a security context field by field', ['spec', 'securityContext'], 'struct'],
    ['volumes by name', ['spec', 'volumes'], 'list'],
    ['conditions by type', ['status', 'conditions'], 'list'],
  ])('%s', (_what, path, type) => {
    expect(shapeAt(pod, ...path).type).toBe(type);
  });

  it('a selector as a whole', () => {
    expect(shapeAt('k8s.io.api.apps.v1.Deployment', 'spec', 'selector').type).toBe('leaf');
  });

  it('without what the server says of an object', () => {
    const { byName } = shapeAt(pod, 'metadata') as Struct;
    const system = ['name', 'namespace', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'managedFields'];
    expect(system.filter((name) => byName.has(name))).toEqual([]);
    expect([byName.has('labels'), byName.has('ownerReferences'), byName.has('generateName')]).toEqual([
      true,
      true,
      true,
    ]);
    expect(() => ownedShapeOf('k8s.io.api.core.v1.PodSpec')).toThrow('no object k8s.io.api.core.v1.PodSpec');
  });

  it('with the fields of each struct in the order of their names', () => {
    const names = (shapeAt(pod, 'spec') as Struct).fields.map(({ name }) => name);
    expect(names).toEqual([...names].sort());
    expect(ports.keys).toEqual([
      { name: 'port', default: undefined },
      { name: 'protocol', default: 'TCP' },
    ]);
  });
});

describe('the items of a list', () => {
  it('are named by all of their keys, of which a default stands for an absent one, and none for what has none', () => {
    expect(elementOf(ports, { port: 80 })).toBe('k:{"port":80,"protocol":"TCP"}');
    expect(elementOf(ports, { protocol: 'UDP', port: 80 })).toBe('k:{"port":80,"protocol":"UDP"}');
    expect(elementOf(ports, {})).toBe('k:{"protocol":"TCP"}');
    expect([elementOf(containers, { name: 'a' }), elementOf(containers, {})]).toEqual(['k:{"name":"a"}', 'k:{}']);
    expect([elementOf(set, 'x'), elementOf(set, 1)]).toEqual(['v:"x"', 'v:1']);
  });

  it('are found by their elements, those that stand several times together', () => {
    const [a, b, again] = [{ name: 'a', tty: true }, { name: 'b' }, { name: 'a' }];
    expect([...itemsOf(containers, [a, b, again])]).toEqual([
      ['k:{"name":"a"}', [a, again]],
      ['k:{"name":"b"}', [b]],
    ]);
    expect(itemsOf(set, undefined).size).toBe(0);
  });

  it('are put in order by their keys, one after the other, on a copy', () => {
    const list = [{ port: 443 }, { port: 80, protocol: 'UDP' }, { port: 80 }, { port: 80, protocol: 'SCTP' }];
    const given = Object.freeze([...list]);
    expect(inOrder(ports, given)).toEqual([list[3], list[2], list[1], list[0]]);
    expect(inOrder(set, ['b', 10, 'a', 9])).toEqual([9, 10, 'a', 'b']);
    expect(inOrder(containers, [{ name: 'b' }, { name: 'a' }])).toEqual([{ name: 'a' }, { name: 'b' }]);
    const one = [{ name: 'a' }];
    expect(inOrder(containers, one)).toBe(one);
  });
});

describe('a field’s value', () => {
  it('is what stands for it where it is absent, when Kubernetes’ type always has it', () => {
    const { byName } = shapeAt(pod) as Struct;
    const spec = byName.get('spec');
    const labels = (shapeAt(pod, 'metadata') as Struct).byName.get('labels');
    const list = (shapeAt(pod, 'spec') as Struct).byName.get('containers');
    if (!spec || !labels || !list) throw new Error('no such field');
    expect([fieldValue({}, spec), fieldValue({ spec: { a: 1 } }, spec), fieldValue({}, labels)]).toEqual([
      {},
      { a: 1 },
      undefined,
    ]);
    expect(fieldValue({}, list)).toEqual([]);
  });

  it('is empty when it holds nothing', () => {
    expect([isEmptyValue([]), isEmptyValue({}), isEmptyValue({ a: undefined })]).toEqual([true, true, true]);
    expect([isEmptyValue([undefined]), isEmptyValue({ a: null }), isEmptyValue({ a: undefined, b: 0 })]).toEqual([
      false,
      false,
      false,
    ]);
  });
});
