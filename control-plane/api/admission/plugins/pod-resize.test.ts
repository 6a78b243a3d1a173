import { describe, expect, test } from 'vitest';
import type { Pod } from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { podOf, readerOf, refusalOf, requestOf, statesOf, stored } from '../../../../test/support/admission.ts';
import { podResize } from './pod-resize.ts';

const request = requestOf('Pod', { verb: 'update', subresource: 'resize' });
const node = stored('Node', 'n', { spec: {}, status: { allocatable: { cpu: '4', memory: '4Gi', pods: '10' } } });
const guard = stored('NodeGuard', 'n', {}, { resourceVersion: '9' });

/** A pod on the node `n` that requests so much. */
function pod(cpu: string, memory = '1Gi', more: object = {}, metadata: object = {}, status?: object): Pod {
  const containers = [{ name: 'c', image: 'i', resources: { requests: { cpu, memory } } }];
  return podOf({ nodeName: 'n', containers, ...more } as never, metadata, status);
}

const other = (cpu: string, memory = '1Gi', more: object = {}, status?: object) =>
  pod(cpu, memory, more, { name: 'other', uid: 'other' }, status);

const contribute = (next: Pod, old: Pod, ...objects: KubeObject[]) =>
  podResize.contribute?.(request, next, old, statesOf(objects), readerOf(objects));

describe('a pod that is given more', () => {
  test('uses capacity of its node: the guard at the checked revision is written again', () => {
    const contribution = contribute(pod('2'), pod('1'), node, guard);
    const key = '/coracle/registry/internal/nodeguards/n';
    expect(contribution).toMatchObject({ guards: [{ revision: 9 }], writes: [{ type: 'put' }] });
    expect(contribution?.guards[0]?.key).toBe(contribution?.writes[0]?.key);
    expect(key.endsWith('/n') && contribution?.guards[0]?.key.endsWith('/n')).toBe(true);
  });

  test('may have all that the others leave, and not a bit more, of cpu and of memory', () => {
    const fits = (next: Pod, ...others: Pod[]) =>
      refusalOf(() => contribute(next, pod('1'), node, guard, pod('1'), ...others));
    expect(fits(pod('3'), other('1'))).toBeUndefined();
    expect(fits(pod('3001m'), other('1'))).toBe(
      'pods "x" is forbidden: Node didn\'t have enough resource: cpu, requested: 3001, used: 1000, capacity: 4000',
    );
    expect(fits(pod('1', '3Gi'), other('1'))).toBeUndefined();
    expect(fits(pod('1', '3073Mi'), other('1'))).toMatch('enough resource: memory');
    expect(fits(pod('1', '3073Mi'), other('9'))).toMatch('enough resource: memory');
    expect(fits(pod('2', '1Gi'), other('1', '9Gi'))).toBeUndefined();
  });

  test('is not stopped by pods that ended, nor by those of other nodes', () => {
    const ended = ['Succeeded', 'Failed'].map((phase) => other('4', '4Gi', {}, { phase }));
    const elsewhere = other('4', '4Gi', { nodeName: 'm' });
    const unbound = other('4', '4Gi', { nodeName: undefined });
    expect(contribute(pod('4'), pod('1'), node, guard, ...ended, elsewhere, unbound)).toBeDefined();
  });

  test('of a node that reports nothing is refused', () => {
    const { status: _none, ...blank } = node;
    expect(refusalOf(() => contribute(pod('2'), pod('1'), blank as KubeObject, guard))).toMatch('capacity: 0');
  });
});

describe('no capacity is used', () => {
  const full = [node, guard, other('4', '4Gi')];

  test('by a pod that is given less or the same', () => {
    for (const next of [pod('1'), pod('500m'), pod('1', '1Mi')])
      expect(contribute(next, pod('1'), ...full)).toBeUndefined();
    expect(refusalOf(() => contribute(pod('1001m'), pod('1'), ...full))).toBeDefined();
    expect(refusalOf(() => contribute(pod('1', '2Gi'), pod('1'), ...full))).toBeDefined();
    expect(refusalOf(() => contribute(pod('2', '1Mi'), pod('1'), ...full))).toBeDefined();
  });

  test('by a pod that is bound to no node, or ended', () => {
    expect(contribute(pod('9'), pod('1', '1Gi', { nodeName: undefined }), ...full)).toBeUndefined();
    for (const phase of ['Succeeded', 'Failed']) {
      expect(contribute(pod('9'), pod('1', '1Gi', {}, {}, { phase }), ...full)).toBeUndefined();
    }
  });

  test('on a node that does not exist, as long as it does not', () => {
    const none = { guards: [{ key: expect.stringMatching(/\/n$/), revision: 0 }], writes: [] };
    expect(contribute(pod('9'), pod('1'))).toEqual(none);
    expect(contribute(pod('9'), pod('1'), node)).toEqual(none);
    expect(contribute(pod('9'), pod('1'), guard)).toEqual({ ...none, guards: [{ ...none.guards[0], revision: 9 }] });
  });
});
