import { afterEach, describe, expect, it } from 'vitest';
import { container, HollowNode, makePod } from '../../test/support/hollow-agent.ts';
import type { LocalVolumes } from './local-volumes.ts';

const claim = { uid: 'uid-data', phase: 'Bound', volumeName: 'pvc-1', ownerUid: '' };
const volume = {
  uid: 'uid-pvc-1',
  claimUid: 'uid-data',
  accessModes: ['ReadWriteOnce'],
  volumeMode: 'Filesystem',
  mountOptions: [],
  deleting: false,
  source: { type: 'local', path: '/vol/pvc-1' },
};
const deleted = { uid: 'uid-pvc-1', path: '/vol/pvc-1', claim: 'default/data' };

/** The files of the node: what was removed, in order. */
class Disk implements LocalVolumes {
  readonly root = '/vol';
  readonly removed: string[] = [];
  failing = false;
  readonly sweep = async () => undefined;
  readonly usage = async () => new Map<string, number>();
  readonly space = async () => ({ capacityBytes: 0, availableBytes: 0 });
  async remove(path: string): Promise<void> {
    if (this.failing) throw new Error('input/output error');
    this.removed.push(path);
  }
}

let node: HollowNode;
afterEach(() => node.kill());

function start(disk = new Disk()): Disk {
  node = new HollowNode();
  node.start({ localVolumes: disk });
  return disk;
}

const pod = makePod('web', {
  containers: [container('app')],
  volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
});

describe('a volume that is to be deleted', () => {
  it('is deleted once and reported in every session until it is no longer assigned', async () => {
    const disk = start();
    await node.until(() => node.server.connected);
    node.server.putAs('DeletedVolume', 'pvc-1', deleted);
    await node.until(() => node.server.deletedVolumes.length === 1);
    node.server.cut();
    await node.until(() => node.server.deletedVolumes.length === 2);
    expect(disk.removed).toEqual(['/vol/pvc-1']);
    node.server.send([{ kind: 'DeletedVolume', namespace: '', name: 'pvc-1', removed: true }]);
  });

  it('is deleted when the node comes back', async () => {
    const disk = start();
    await node.until(() => node.server.connected);
    node.kill();
    node.server.putAs('DeletedVolume', 'pvc-1', deleted);
    node.start({ localVolumes: disk });
    await node.until(() => node.server.deletedVolumes.length > 0);
    expect(disk.removed).toEqual(['/vol/pvc-1']);
  });

  it('is tried again while it cannot be deleted', async () => {
    const disk = start();
    disk.failing = true;
    node.server.putAs('DeletedVolume', 'pvc-1', deleted);
    await node.clock.advance(10_000);
    expect(node.server.deletedVolumes).toEqual([]);
    disk.failing = false;
    await node.until(() => node.server.deletedVolumes.length === 1, 120_000);
  });

  it('stays while a pod that names its claim is on the node', async () => {
    const disk = start();
    node.server.putAs('PersistentVolumeClaim', 'default/data', claim);
    node.server.putAs('PersistentVolume', 'pvc-1', volume);
    node.server.assign(pod);
    await node.until(() => node.running().includes('app'));
    node.server.putAs('DeletedVolume', 'pvc-1', deleted);
    await node.clock.advance(5_000);
    expect(disk.removed).toEqual([]);
    node.server.delete('default/web', 1);
    await node.until(() => disk.removed.length === 1, 120_000);
  });

  it('does not wait for a pod that has ended', async () => {
    const disk = start();
    node.server.putAs('PersistentVolumeClaim', 'default/data', claim);
    node.server.putAs('PersistentVolume', 'pvc-1', volume);
    node.server.assign({ ...pod, spec: { ...pod.spec, restartPolicy: 'Never' } });
    await node.until(() => node.running().includes('app'));
    const [app] = node.engine.containers.values();
    node.engine.exit(app?.id ?? '', 0);
    await node.until(() => node.status('default/web')?.phase === 'Succeeded');
    node.server.putAs('DeletedVolume', 'pvc-1', deleted);
    await node.until(() => disk.removed.length === 1);
  });
});

describe('a pod with a claim', () => {
  it('waits until the claim is bound, in the kubelet’s words', async () => {
    start();
    node.server.assign(pod);
    const said = (text: string) =>
      node.server.events.some(({ reason, message }) => reason === 'FailedMount' && message?.includes(text));
    await node.until(() =>
      said(
        'error processing PVC default/data: failed to fetch PVC from API server: persistentvolumeclaims "data" not found',
      ),
    );
    node.server.putAs('PersistentVolumeClaim', 'default/data', { ...claim, phase: 'Pending', volumeName: '' });
    await node.until(() =>
      said('failed to process volumes=[data]: error processing PVC default/data: PVC is not bound'),
    );
    node.server.putAs('PersistentVolumeClaim', 'default/data', claim);
    node.server.putAs('PersistentVolume', 'pvc-1', { ...volume, volumeMode: 'Block' });
    await node.until(() => said('volume data has volumeMode Block, which is not supported'));
    node.server.putAs('PersistentVolume', 'pvc-1', volume);
    await node.until(() => node.running().includes('app'));
  });

  it('runs from the checkpoint while there is no control plane', async () => {
    start();
    node.server.putAs('PersistentVolumeClaim', 'default/data', claim);
    node.server.putAs('PersistentVolume', 'pvc-1', volume);
    node.server.assign(pod);
    await node.until(() => node.running().includes('app'));
    await node.clock.advance(1_000);
    node.server.crash();
    node.kill();
    node.engine.powerCut();
    node.start();
    await node.until(() => node.running().includes('app'));
  });

  it('that takes it alone keeps it from other pods until it has ended', async () => {
    start();
    const alone = { ...volume, accessModes: ['ReadWriteOncePod'] };
    node.server.putAs('PersistentVolumeClaim', 'default/data', claim);
    node.server.putAs('PersistentVolume', 'pvc-1', alone);
    node.server.assign(pod);
    await node.until(() => node.running().length === 1);
    const other = makePod('other', { containers: [container('late')], volumes: pod.spec.volumes ?? [] });
    node.server.assign(other);
    await node.until(() =>
      node.server.events.some(({ message }) => message?.includes('already in use by another pod')),
    );
    expect(node.running()).toEqual(['app']);
    node.server.delete('default/web', 1);
    await node.until(() => node.running().includes('late'), 120_000);
  });

  it('of another pod’s generic ephemeral volume is refused', async () => {
    start();
    const template = { spec: { accessModes: ['ReadWriteOnce' as const] } };
    const own = makePod('web', { volumes: [{ name: 'data', ephemeral: { volumeClaimTemplate: template } }] });
    node.server.putAs('PersistentVolumeClaim', 'default/web-data', claim);
    node.server.putAs('PersistentVolume', 'pvc-1', volume);
    node.server.assign(own);
    await node.until(() =>
      node.server.events.some(({ message }) =>
        message?.includes('PVC default/web-data was not created for pod default/web (pod is not owner)'),
      ),
    );
    node.server.putAs('PersistentVolumeClaim', 'default/web-data', { ...claim, ownerUid: 'uid-web' });
    await node.until(() => node.running().length === 1);
  });
});
