import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyStrategicPatch } from '../../control-plane/api/patch/strategic.ts';
import { messages } from '../../shared/generated/schema.ts';
import { threeWayPatch } from './three-way-patch.ts';

const type = 'k8s.io.api.core.v1.Pod';

type Json = Record<string, unknown>;

/** What the server holds after an apply. */
function apply(original: Json | undefined, modified: Json, current: Json): Json {
  const patch = threeWayPatch(original, modified, current, type);
  return (patch ? applyStrategicPatch(current, patch, type, messages) : current) as Json;
}

const container = (name: string, more: Json = {}): Json => ({ name, ...more });
const pod = (spec: Json, metadata: Json = { name: 'p' }): Json => ({ metadata, spec });

describe('the patch of an apply', () => {
  test('is none when the object is as the manifest says, whatever else it has', () => {
    const wanted = pod({ containers: [container('a', { image: 'x' })] });
    const current = pod(
      { containers: [container('a', { image: 'x', imagePullPolicy: 'Always' }), container('b')], nodeName: 'n' },
      { name: 'p', uid: 'u' },
    );
    expect(threeWayPatch(wanted, wanted, current, type)).toBeUndefined();
  });

  test('names list items by their key and changes only what differs in them', () => {
    const current = pod({ containers: [container('a', { image: 'x', tty: true }), container('b', { image: 'y' })] });
    const wanted = pod({ containers: [container('a', { image: 'z' }), container('b', { image: 'y' })] });
    expect(threeWayPatch(undefined, wanted, current, type)).toEqual({
      spec: { containers: [{ name: 'a', image: 'z' }], '$setElementOrder/containers': [{ name: 'a' }, { name: 'b' }] },
    });
  });

  test('removes fields and items that the manifest once had, and only those', () => {
    const before = pod({ hostNetwork: true, containers: [container('a', { tty: true }), container('b')] });
    const current = pod({
      hostNetwork: true,
      hostPID: true,
      containers: [container('a', { tty: true }), container('b'), container('c')],
    });
    const after = apply(before, pod({ containers: [container('a')] }), current);
    expect(after).toEqual(pod({ hostPID: true, containers: [container('a'), container('c')] }));
  });

  test('replaces one source of a volume by another', () => {
    const before = pod({ volumes: [{ name: 'v', emptyDir: {} }] });
    const after = apply(before, pod({ volumes: [{ name: 'v', hostPath: { path: '/x' } }] }), before);
    expect(after).toEqual(pod({ volumes: [{ name: 'v', hostPath: { path: '/x' } }] }));
  });

  test('replaces a list without keys as a whole, and merges a list of scalars that is a set', () => {
    const current = pod(
      { containers: [container('a', { command: ['x', 'y'] })] },
      { name: 'p', finalizers: ['own/a', 'their/b'] },
    );
    const before = pod({}, { name: 'p', finalizers: ['own/a'] });
    const wanted = pod({ containers: [container('a', { command: ['z'] })] }, { name: 'p', finalizers: ['own/c'] });
    const after = apply(before, wanted, current) as { metadata: { finalizers: string[] }; spec: Json };
    expect(after.spec).toEqual({ containers: [container('a', { command: ['z'] })] });
    expect([...after.metadata.finalizers].sort()).toEqual(['own/c', 'their/b']);
  });

  test('is none the second time, for any manifests and any state', () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 });
    const labels = fc.dictionary(fc.constantFrom('k1', 'k2', 'k3'), fc.constantFrom('v1', 'v2'));
    const containers = names.chain((list) =>
      fc.tuple(
        ...list.map((name) =>
          fc.record(
            { name: fc.constant(name), image: fc.constantFrom('x', 'y'), tty: fc.boolean() },
            { requiredKeys: ['name'] },
          ),
        ),
      ),
    );
    const state = fc
      .record({ labels, containers, hostNetwork: fc.option(fc.boolean(), { nil: undefined }) })
      .map((drawn) => ({
        metadata: { name: 'p', labels: drawn.labels },
        spec: {
          containers: [...drawn.containers],
          ...(drawn.hostNetwork === undefined ? {} : { hostNetwork: drawn.hostNetwork }),
        },
      }));
    fc.assert(
      fc.property(fc.option(state, { nil: undefined }), state, state, (original, modified, current) => {
        const after = apply(original, modified, current);
        expect(threeWayPatch(modified, modified, after, type)).toBeUndefined();
        expect(after).toMatchObject({ metadata: modified.metadata });
      }),
      { numRuns: 300 },
    );
  });
});
