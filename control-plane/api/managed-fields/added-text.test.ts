import { describe, expect, it } from 'vitest';
import { ownedShapeOf } from '../../../shared/schema/proto/shapes.ts';
import { addedText } from './added-text.ts';
import { addedFields } from './compare.ts';

const none: ReadonlySet<string> = new Set();
const pod = ownedShapeOf('k8s.io.api.core.v1.Pod');

/** The fields that apimachinery's field manager records for a new pod: structs of its Go type that always exist, and every parent of a field. */
const object = {
  metadata: { labels: { b: '1', 'a"': '2' }, finalizers: ['y', 'x', 'y'] },
  spec: {
    containers: [
      { name: 'b', args: [], env: [{ name: 'E', value: '1' }, { name: 'E' }] },
      { name: 'a', ports: [{ containerPort: 443 }, { containerPort: 80 }], securityContext: {} },
    ],
    tolerations: [{ key: 'x' }],
  },
  status: { phase: 'Running' },
};
const expected = {
  'f:metadata': {
    'f:finalizers': { '.': {}, 'v:"x"': {}, 'v:"y"': {} },
    'f:labels': { '.': {}, 'f:a"': {}, 'f:b': {} },
  },
  'f:spec': {
    'f:containers': {
      'k:{"name":"a"}': {
        '.': {},
        'f:name': {},
        'f:ports': {
          '.': {},
          'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} },
          'k:{"containerPort":443,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} },
        },
        'f:resources': {},
        'f:securityContext': {},
      },
      'k:{"name":"b"}': {
        '.': {},
        'f:args': {},
        'f:env': { '.': {}, 'k:{"name":"E"}': {} },
        'f:name': {},
        'f:resources': {},
      },
    },
    'f:tolerations': {},
  },
};

describe('the fields of a new object', () => {
  it('are all that it holds and everything above them, in Kubernetes’ order, as text and as a tree', () => {
    const skip = new Set(['status']);
    expect(addedText(pod, object, skip)).toBe(JSON.stringify(expected));
    expect(JSON.stringify(addedFields(pod, object, true, skip))).toBe(JSON.stringify(expected));
    const whole = { ...expected, 'f:status': { 'f:phase': {} } };
    expect(addedText(pod, object, none)).toBe(JSON.stringify(whole));
    expect(addedFields(pod, object, true, none)).toEqual(whole);
  });

  it('are none of an empty object, nor of structs that are there in any case', () => {
    for (const empty of [{}, { metadata: {}, spec: {} }]) {
      expect([addedText(pod, empty, none), addedFields(pod, empty, true)]).toEqual(['', undefined]);
    }
    expect(addedFields(pod, undefined)).toBeUndefined();
  });
});
