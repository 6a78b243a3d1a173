import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../../shared/generated/types.ts';
import { annotations } from '../../shared/storage/claims.ts';
import { localProvisioner, localVolumesAnnotation } from '../../shared/storage/local.ts';
import { SchedulerScene } from '../../test/support/scheduler-scene.ts';
import { onNode, pendingPod, readyNode } from '../../test/support/scheduling.ts';
import { claimOf, onNodes, volumeOf } from '../../test/support/volumes.ts';

let one: SchedulerScene;
let version = 10;

beforeEach(() => {
  one = new SchedulerScene();
  void one.run();
});

afterEach(() => one.stop());

const node = (name: string, local = true): Node => {
  const { metadata, ...rest } = readyNode(name, { pods: '2' });
  return { ...rest, metadata: { ...metadata, annotations: local ? { [localVolumesAnnotation]: '/volumes' } : {} } };
};

const stored = (kind: string, name: string, draft: { metadata: object; [field: string]: unknown }) =>
  ({
    apiVersion: 'v1',
    kind,
    ...draft,
    metadata: { ...draft.metadata, uid: name, resourceVersion: `${version++}` },
  }) as never;

const storageClass = (name: string, provisioner = localProvisioner, volumeBindingMode = 'WaitForFirstConsumer') =>
  stored('StorageClass', name, { metadata: { name }, provisioner, volumeBindingMode }) as StorageClass;

const claim = (name: string, spec: object = {}, marks: Record<string, string> = {}): PersistentVolumeClaim =>
  stored('PersistentVolumeClaim', name, claimOf(name, { storageClassName: 'local', ...spec }, { annotations: marks }));

const volume = (name: string, on: string, phase = 'Available', spec: object = {}): PersistentVolume =>
  stored('PersistentVolume', name, {
    ...volumeOf(name, { storageClassName: 'local', ...onNodes(on), ...spec }),
    status: { phase },
  });

const bound = (name: string, volumeName: string, spec: object = {}) =>
  claim(name, { volumeName, ...spec }, { [annotations.bindCompleted]: 'yes' });

const podOf = (name: string, ...claims: string[]): Pod =>
  pendingPod(
    name,
    {},
    {
      spec: { volumes: claims.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })) },
    },
  );

const message = () => one.events.findLast(({ reason }) => reason === 'FailedScheduling')?.message ?? '';

it('a pod goes where the data of its bound claim is', async () => {
  await one.show(node('a'), node('b'), volume('v', 'b', 'Bound'), bound('data', 'v'));
  await one.show(podOf('p', 'data'));
  expect([one.bound, one.scheduler.explain(podOf('p', 'data')).nodes.map(({ details }) => details)]).toEqual([
    ['p'],
    [['the data of claim data is on node b'], []],
  ]);
});

it('a pod stays without a node when the node with its data is gone, and takes it when it is back', async () => {
  await one.show(node('a'), volume('v', 'b', 'Bound'), bound('data', 'v'));
  await one.show(podOf('p', 'data'));
  expect(message()).toContain('0/1 nodes are available: 1 node(s) had volume node affinity conflict.');
  await one.show(node('b'));
  await one.clock.advance(3_000);
  expect(one.bound).toEqual(['p']);
});

it.each([
  ['is not there', [], 'persistentvolumeclaim "data" not found'],
  [
    'is bound at once, and has no volume yet',
    [storageClass('local', localProvisioner, 'Immediate'), claim('data')],
    'pod has unbound immediate PersistentVolumeClaims',
  ],
  [
    'has no volume on any node',
    [storageClass('local', 'kubernetes.io/no-provisioner'), claim('data')],
    "node(s) didn't find available persistent volumes to bind",
  ],
  [
    'is bound to a volume that does not exist',
    [bound('data', 'v')],
    'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
  ],
])('a pod waits while its claim %s', async (_, objects, reason) => {
  await one.show(node('a'), ...objects);
  await one.show(podOf('p', 'data'));
  expect(one.bound).toEqual([]);
  expect(message()).toContain(reason);
});

it('writes the node to a claim that waits for its pod, and binds the pod once the claim is bound', async () => {
  await one.show(node('plain', false), node('local'), storageClass('local'), claim('data'));
  await one.show(podOf('p', 'data'));
  expect(one.writes).toMatchObject([
    {
      kind: 'PersistentVolumeClaim',
      name: 'data',
      body: { metadata: { annotations: { [annotations.selectedNode]: 'local' } } },
    },
  ]);
  expect(one.bound).toEqual([]);
  await one.show(claim('data', {}, { [annotations.selectedNode]: 'local' }));
  await one.clock.advance(5_000);
  expect([one.writes.length, one.bound]).toEqual([1, []]);
  await one.show(volume('v', 'local', 'Bound'), bound('data', 'v'));
  expect(one.bound).toEqual(['p']);
});

it('keeps the room on the node while the claim is bound', async () => {
  await one.show(node('local'), storageClass('local'), claim('data'));
  await one.show(podOf('p', 'data'));
  await one.show(pendingPod('q'), pendingPod('r'));
  expect(one.bound).toEqual(['q']);
  await one.show(volume('v', 'local', 'Bound'), bound('data', 'v'));
  expect(one.bound).toEqual(['q', 'p']);
});

it('another leader finds the node that an earlier one selected', async () => {
  await one.show(node('a'), node('b'), node('c'), storageClass('local'));
  await one.show(claim('data', {}, { [annotations.selectedNode]: 'c' }));
  await one.show(podOf('p', 'data'));
  expect(one.writes).toEqual([]);
  await one.show(volume('v', 'c', 'Bound'), bound('data', 'v'));
  expect(one.bound).toEqual(['p']);
});

it('chooses again when the provisioner gives the selected node back', async () => {
  await one.show(node('a'), storageClass('local'), claim('data'));
  await one.show(podOf('p', 'data'));
  await one.show(claim('data', {}, { [annotations.selectedNode]: 'a' }));
  await one.remove('Node', 'a');
  await one.show(node('b'));
  await one.show(claim('data'));
  await one.clock.advance(3_000);
  expect(one.writes.at(-1)?.body).toMatchObject({ metadata: { annotations: { [annotations.selectedNode]: 'b' } } });
});

it('reserves existing volumes on one node, the smallest that fit, for all claims of a pod', async () => {
  const spec = (storage: string) => ({ capacity: { storage } });
  await one.show(node('a'), node('b'), storageClass('local', 'kubernetes.io/no-provisioner'), claim('x'), claim('y'));
  await one.show(volume('a1', 'a'), volume('b1', 'b'), volume('b2', 'b', 'Available', spec('2Gi')));
  await one.show(podOf('p', 'x', 'y'));
  const taken = one.writes.map(({ kind, name, body }) => [kind, name, (body as PersistentVolume).spec.claimRef?.name]);
  expect(taken).toEqual([
    ['PersistentVolume', 'b1', 'x'],
    ['PersistentVolume', 'b2', 'y'],
  ]);
});

it('gives a claim of access mode ReadWriteOncePod to one pod only', async () => {
  const spec = { accessModes: ['ReadWriteOncePod'] };
  await one.show(node('a'), volume('v', 'a', 'Bound', spec), bound('data', 'v', spec));
  await one.show(podOf('p', 'data'), podOf('q', 'data'));
  expect(one.bound).toEqual(['p']);
  expect(message()).toContain(
    'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode',
  );
  await one.show(onNode(podOf('p', 'data'), 'a'));
  await one.remove('Pod', 'default/p');
  await one.clock.advance(3_000);
  expect(one.bound).toEqual(['p', 'q']);
});
