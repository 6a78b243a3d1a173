import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ownedShapeOf } from '../../../shared/schema/proto/shapes.ts';
import type { Struct } from '../../../shared/schema/shape.ts';
import { compare } from './compare.ts';
import { fieldsOf, merge, removeFields, withStructs } from './merge.ts';

const pod = ownedShapeOf('k8s.io.api.core.v1.Pod');
const service = ownedShapeOf('k8s.io.api.core.v1.Service');
const config = ownedShapeOf('k8s.io.api.core.v1.ConfigMap');
const containers = (...items: object[]) => ({ spec: { containers: items } });
const finalizers = (...names: string[]) => ({ metadata: { finalizers: names } });

describe('merging a configuration', () => {
  it('replaces scalars and what is owned as a whole, and merges structs, maps and items by their keys', () => {
    const live = {
      metadata: { labels: { a: '1', b: '1' } },
      spec: {
        nodeName: 'n1',
        tolerations: [{ key: 'x' }],
        containers: [{ name: 'a', image: 'a:1', args: ['1', '2'], resources: { limits: { cpu: '1', memory: '1Gi' } } }],
      },
    };
    const wanted = {
      metadata: { labels: { b: '2' } },
      spec: {
        tolerations: [{ key: 'y' }],
        containers: [{ name: 'a', args: ['3'], resources: { limits: { cpu: '2' } } }, { name: 'b' }],
      },
    };
    const before = JSON.stringify([live, wanted]);
    expect(merge(pod, live, wanted)).toEqual({
      metadata: { labels: { a: '1', b: '2' } },
      spec: {
        nodeName: 'n1',
        tolerations: [{ key: 'y' }],
        containers: [
          { name: 'a', image: 'a:1', args: ['3'], resources: { limits: { cpu: '2', memory: '1Gi' } } },
          { name: 'b' },
        ],
      },
    });
    expect(JSON.stringify([live, wanted])).toBe(before);
  });

  it('tells items apart by all of their keys, a default key included', () => {
    const live = {
      spec: {
        ports: [
          { port: 53, protocol: 'UDP', name: 'udp' },
          { port: 53, name: 'tcp' },
        ],
      },
    };
    const wanted = { spec: { ports: [{ port: 53, protocol: 'TCP', targetPort: 5353 }] } };
    expect(merge(service, live, wanted)).toEqual({
      spec: {
        ports: [
          { port: 53, protocol: 'UDP', name: 'udp' },
          { port: 53, name: 'tcp', protocol: 'TCP', targetPort: 5353 },
        ],
      },
    });
  });

  it('leaves what an empty value stands for as it is, and shares it', () => {
    const live = { metadata: { labels: { a: '1' } }, spec: { containers: [{ name: 'a' }] } };
    const merged = merge(pod, live, { metadata: { labels: {} }, spec: { containers: [] } }) as typeof live;
    expect(merged).toEqual(live);
    expect(merged.metadata.labels).toBe(live.metadata.labels);
    expect(merged.spec.containers).toBe(live.spec.containers);
    expect(merge(pod, live, undefined)).toBe(live);
    expect(merge(pod, undefined, live)).toBe(live);
    expect(merge(config, {}, { unknown: { a: 1 } })).toEqual({ unknown: { a: 1 } });
  });

  it('takes a map’s entry of any name for plain data', () => {
    const wanted = { data: JSON.parse('{"__proto__": "x"}') as object };
    const merged = merge(config, { data: { a: '1' } }, wanted) as { data: object };
    expect(JSON.stringify(merged.data)).toBe('{"a":"1","__proto__":"x"}');
  });

  it('replaces an item that stands several times, since none of them is meant', () => {
    const live = containers({ name: 'a', image: '1' }, { name: 'b' }, { name: 'a', tty: true });
    expect(merge(pod, live, containers({ name: 'a', stdin: true }))).toEqual(
      containers({ name: 'a', stdin: true }, { name: 'b' }),
    );
  });

  it('keeps the others of a list before the item that they stood before', () => {
    const names = (live: string[], wanted: string[]) =>
      (merge(pod, finalizers(...live), finalizers(...wanted)) as ReturnType<typeof finalizers>).metadata.finalizers;
    expect(names(['a', 'x', 'b', 'y'], ['a', 'b'])).toEqual(['a', 'x', 'b', 'y']);
    expect(names(['x', 'a', 'y', 'b'], ['n', 'a', 'b'])).toEqual(['x', 'n', 'a', 'y', 'b']);
    expect(names(['a', 'b'], ['c'])).toEqual(['a', 'b', 'c']);
    expect(names(['a', 'x', 'b'], ['b', 'a'])).toEqual(['x', 'b', 'a']);
    expect(names([], ['b', 'a'])).toEqual(['b', 'a']);
    expect(names(['a', 'x'], ['a', 'n'])).toEqual(['a', 'x', 'n']);
    expect(names(['a', 'x', 'b', 'y', 'c'], ['a', 'c', 'b'])).toEqual(['a', 'x', 'y', 'c', 'b']);
    expect(names(['a', 'x', 'b', 'y'], ['b', 'n', 'a'])).toEqual(['x', 'b', 'y', 'n', 'a']);
  });

  it('law: what is wanted stands in its order, the others in theirs, each once', () => {
    const some = fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd', 'e'));
    fc.assert(
      fc.property(some, some, (live, wanted) => {
        const merged = merge(pod, finalizers(...live), finalizers(...wanted)) as ReturnType<typeof finalizers>;
        const names = merged.metadata.finalizers;
        expect(names.filter((name) => wanted.includes(name))).toEqual(wanted);
        expect(names.filter((name) => !wanted.includes(name))).toEqual(live.filter((name) => !wanted.includes(name)));
      }),
    );
  });
});

describe('the fields of a configuration', () => {
  it('are what it holds as a whole, and the items and entries that it names; no structs around them', () => {
    const object = {
      metadata: { labels: { b: '1', a: '1' }, finalizers: ['z', 'y'] },
      spec: {
        containers: [{ name: 'b' }, { name: 'a', ports: [{ containerPort: 80 }], resources: {} }],
        tolerations: [],
      },
    };
    const expected = {
      'f:metadata': {
        'f:finalizers': { 'v:"y"': {}, 'v:"z"': {} },
        'f:labels': { 'f:a': {}, 'f:b': {} },
      },
      'f:spec': {
        'f:containers': {
          'k:{"name":"a"}': {
            '.': {},
            'f:name': {},
            'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
            'f:resources': {},
          },
          'k:{"name":"b"}': { '.': {}, 'f:name': {} },
        },
        'f:tolerations': {},
      },
    };
    expect(JSON.stringify(fieldsOf(pod, object))).toBe(JSON.stringify(expected));
    expect(fieldsOf(pod, object, false)).toEqual(expected);
  });

  it('are none of nothing, and one of items that stand twice', () => {
    expect([fieldsOf(pod, undefined), fieldsOf(pod, {}), fieldsOf(config, { data: undefined })]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(fieldsOf(config, { data: {} })).toEqual({ 'f:data': {} });
    expect(fieldsOf(pod, containers({ name: 'a', tty: true }, { name: 'a' }))).toEqual({
      'f:spec': { 'f:containers': { 'k:{"name":"a"}': {} } },
    });
    expect(fieldsOf(config, { immutable: null })).toEqual({ 'f:immutable': {} });
  });
});

describe('removing fields', () => {
  const object = {
    metadata: { labels: { a: '1', b: '1' }, finalizers: ['x', 'y'] },
    spec: { nodeName: 'n1', containers: [{ name: 'a', image: 'a:1' }, { name: 'b' }] },
  };

  it('takes them out, with what held nothing else, and changes nothing of the value', () => {
    const before = JSON.stringify(object);
    const fields = {
      'f:metadata': { 'f:labels': { 'f:a': {} }, 'f:finalizers': { 'v:"x"': {} } },
      'f:spec': { 'f:nodeName': {}, 'f:containers': { 'k:{"name":"a"}': { 'f:image': {} }, 'k:{"name":"b"}': {} } },
    };
    expect(removeFields(pod, object, fields)).toEqual({
      metadata: { labels: { b: '1' }, finalizers: ['y'] },
      spec: { containers: [{ name: 'a' }] },
    });
    const both = { 'f:metadata': { 'f:labels': { 'f:a': {}, 'f:b': {} }, 'f:finalizers': {} } };
    expect(removeFields(pod, object, both)).toEqual({ spec: object.spec });
    expect(removeFields(pod, { spec: object.spec }, { 'f:spec': {} })).toBeUndefined();
    expect(removeFields(pod, undefined, { 'f:spec': {} })).toBeUndefined();
    const lists = { 'f:spec': { 'f:containers': { 'k:{"name":"a"}': {}, 'k:{"name":"b"}': {} } } };
    expect(removeFields(pod, { spec: { containers: object.spec.containers } }, lists)).toBeUndefined();
    expect(removeFields(config, { data: { a: '1' } }, { 'f:data': { 'f:b': {} } })).toEqual({ data: { a: '1' } });
    expect(removeFields(config, { other: 1 }, { 'f:other': {} })).toEqual({ other: 1 });
    expect(JSON.stringify(object)).toBe(before);
  });

  it('keeps an item that is no member, even when nothing of it is left', () => {
    const fields = { 'f:spec': { 'f:containers': { 'k:{"name":"b"}': { 'f:name': {} } } } };
    expect(removeFields(pod, containers({ name: 'b' }), fields)).toEqual(containers({}));
  });
});

describe('the structs around fields', () => {
  it('go with the last of them: they are members beside the fields; lists and maps are not', () => {
    const set = {
      'f:metadata': { 'f:labels': { 'f:a': {} }, 'f:finalizers': { 'v:"x"': {} } },
      'f:spec': {
        'f:nodeName': {},
        'f:securityContext': { 'f:runAsUser': {} },
        'f:containers': { 'k:{"name":"a"}': { '.': {}, 'f:resources': { 'f:limits': { 'f:cpu': {} } } } },
      },
    };
    expect(withStructs(pod, set)).toEqual({
      'f:metadata': { '.': {}, 'f:labels': { 'f:a': {} }, 'f:finalizers': { 'v:"x"': {} } },
      'f:spec': {
        '.': {},
        'f:nodeName': {},
        'f:securityContext': { '.': {}, 'f:runAsUser': {} },
        'f:containers': {
          '.': {},
          'k:{"name":"a"}': { '.': {}, 'f:resources': { '.': {}, 'f:limits': { 'f:cpu': {} } } },
        },
      },
    });
  });
});

describe('comparing two objects', () => {
  const diff = (shape: Struct, live: object, next: object) => compare(shape, live, next) ?? {};

  it('tells what is new, what changed and what went, to the smallest field that has an owner', () => {
    const live = {
      metadata: { labels: { a: '1', b: '1', gone: '1' }, finalizers: ['x', 'y'] },
      spec: { nodeName: 'n1', tolerations: [{ key: 'x' }], containers: [{ name: 'a', image: '1' }, { name: 'b' }] },
    };
    const next = {
      metadata: { labels: { a: '1', b: '2', new: '1' }, finalizers: ['y', 'z'] },
      spec: {
        tolerations: [{ key: 'y' }],
        containers: [
          { name: 'c', tty: true },
          { name: 'a', image: '2' },
        ],
      },
    };
    expect(diff(pod, live, next)).toEqual({
      added: {
        'f:metadata': { 'f:labels': { 'f:new': {} }, 'f:finalizers': { 'v:"z"': {} } },
        'f:spec': {
          'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:name': {}, 'f:resources': {}, 'f:tty': {} } },
        },
      },
      modified: {
        'f:metadata': { 'f:labels': { 'f:b': {} } },
        'f:spec': { 'f:tolerations': {}, 'f:containers': { 'k:{"name":"a"}': { 'f:image': {} } } },
      },
      removed: {
        'f:metadata': { 'f:labels': { 'f:gone': {} }, 'f:finalizers': { 'v:"x"': {} } },
        'f:spec': {
          'f:nodeName': {},
          'f:containers': { 'k:{"name":"b"}': { '.': {}, 'f:name': {}, 'f:resources': {} } },
        },
      },
    });
  });

  it('finds nothing between equal objects, whatever their order of members and of items', () => {
    const live = { metadata: { labels: { a: '1', b: '2' } }, ...containers({ name: 'a' }, { name: 'b' }) };
    const next = { ...containers({ name: 'b' }, { name: 'a' }), metadata: { labels: { b: '2', a: '1' } } };
    expect(compare(pod, live, structuredClone(live))).toBeUndefined();
    expect(compare(pod, live, live)).toBeUndefined();
    expect(compare(pod, live, next)).toBeUndefined();
  });

  it('takes an empty value for nothing in what it holds, but not in who set it', () => {
    expect(compare(config, { data: {} }, { data: {} })).toBeUndefined();
    expect(diff(config, {}, { data: {} })).toEqual({ added: { 'f:data': {} } });
    expect(diff(config, { data: {} }, {})).toEqual({ removed: { 'f:data': {} } });
    expect(diff(config, { data: {} }, { data: { a: '1' } })).toEqual({ added: { 'f:data': { 'f:a': {} } } });
    expect(diff(config, {}, { data: { a: '1' } })).toEqual({ added: { 'f:data': { '.': {}, 'f:a': {} } } });
    expect(compare(pod, {}, { spec: { containers: [] } })).toBeUndefined();
  });

  it('takes items that stand several times as one that comes, changes or goes', () => {
    const [a, b] = [{ name: 'a', tty: true }, { name: 'a' }];
    const at = (node: object) => ({ 'f:spec': { 'f:containers': { 'k:{"name":"a"}': node } } });
    const whole = { '.': {}, 'f:name': {}, 'f:resources': {} };
    expect(diff(pod, containers(a, b), containers(b, a))).toEqual({ modified: at({}) });
    expect(diff(pod, containers(b, b), containers(b))).toEqual({ added: at(whole), removed: at({}) });
    expect(diff(pod, containers(b), containers(b, b))).toEqual({ added: at({}), removed: at(whole) });
    expect(diff(pod, containers(a, b, { name: 'x' }), containers({ name: 'x' }, a, b))).toEqual({});
  });
});
