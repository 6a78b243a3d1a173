import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ignoring } from '../../shared/errors.ts';
import type { PersistentVolume, Pod } from '../../shared/generated/types.ts';
import { localProvisioner, localVolumeFinalizer, localVolumesAnnotation } from '../../shared/storage/local.ts';
import { dockerMissing, testImage } from '../support/docker.ts';
import { type DockerCluster, startDockerCluster } from '../support/docker-cluster.ts';
import { eventually } from '../support/eventually.ts';

const missing = await dockerMissing();
const namespace = 'default';
const forever = 'trap "exit 0" TERM; while true; do sleep 1 & wait $!; done';

describe.skipIf(missing)('a local volume on Docker', () => {
  let cluster: DockerCluster;
  let root: string;

  beforeAll(async () => {
    cluster = await startDockerCluster('10.98.0.0/16');
    const node = await cluster.client.get('Node', 'node-1');
    root = node.metadata.annotations?.[localVolumesAnnotation] ?? '';
  });
  afterAll(() => cluster?.close());

  /** A claim with its volume, as the provisioner makes it. */
  async function bound(name: string): Promise<string> {
    const { client } = cluster;
    const size = { storage: '64Mi' };
    const modes = { accessModes: ['ReadWriteOnce' as const], storageClassName: '' };
    const claim = await client.create('PersistentVolumeClaim', {
      metadata: { name, namespace },
      spec: { ...modes, resources: { requests: size }, volumeName: `pvc-${name}` },
    });
    await client.create('PersistentVolume', {
      metadata: {
        name: `pvc-${name}`,
        finalizers: [localVolumeFinalizer],
        annotations: { 'pv.kubernetes.io/provisioned-by': localProvisioner },
      },
      spec: {
        ...modes,
        capacity: size,
        persistentVolumeReclaimPolicy: 'Delete',
        local: { path: join(root, `pvc-${name}`) },
        claimRef: { kind: 'PersistentVolumeClaim', namespace, name, uid: claim.metadata.uid },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['node-1'] }] },
            ],
          },
        },
      },
    });
    const status = { phase: 'Bound', capacity: size, accessModes: ['ReadWriteOnce'] };
    await client.patch(
      'PersistentVolumeClaim',
      name,
      { type: 'merge', body: { status } },
      { namespace, subresource: 'status' },
    );
    return join(root, `pvc-${name}`);
  }

  function podOf(name: string, claimName: string, script: string): Parameters<DockerCluster['runPod']>[0] {
    return {
      metadata: { name, namespace },
      spec: {
        nodeName: 'node-1',
        terminationGracePeriodSeconds: 1,
        securityContext: { fsGroup: 4242 },
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
        containers: [
          {
            name: 'app',
            image: testImage,
            imagePullPolicy: 'IfNotPresent',
            command: ['/bin/sh', '-c', `${script}; ${forever}`],
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
          },
        ],
      } as Pod['spec'],
    };
  }

  async function deletePod(name: string): Promise<void> {
    await cluster.client.delete('Pod', name, { namespace });
    const gone = () => cluster.client.get('Pod', name, namespace).then(() => false, ignoringNotFound);
    await eventually(gone, { timeoutMs: 20_000, everyMs: 100 });
  }

  async function deleteClaim(name: string): Promise<void> {
    const { client } = cluster;
    await client.delete('PersistentVolumeClaim', name, { namespace });
    await client.delete('PersistentVolume', `pvc-${name}`).catch(ignoring('NotFound'));
  }

  const ignoringNotFound = (error: unknown): true => {
    ignoring('NotFound')(error);
    return true;
  };
  const exists = (path: string): Promise<boolean> =>
    stat(path).then(
      () => true,
      () => false,
    );
  const volumeOf = (name: string): Promise<PersistentVolume | undefined> =>
    cluster.client.get('PersistentVolume', `pvc-${name}`).catch(ignoring('NotFound'));

  it('keeps what a pod wrote for the next pod, also when the agent is started anew in between', async () => {
    const path = await bound('kept');
    await cluster.runPod(podOf('first', 'kept', 'echo written > /data/file'));
    await eventually(
      async () => (await exists(join(path, 'file'))) && (await readFile(join(path, 'file'), 'utf8')) !== '',
      { timeoutMs: 10_000 },
    );
    expect((await stat(path)).gid).toBe(4242);
    await cluster.stopAgent();
    cluster.startAgent();
    await deletePod('first');
    expect(await readFile(join(path, 'file'), 'utf8')).toBe('written\n');
    await cluster.runPod(podOf('second', 'kept', 'cat /data/file > /data/read'));
    await eventually(() => exists(join(path, 'read')), { timeoutMs: 10_000 });
    await eventually(async () => (await readFile(join(path, 'read'), 'utf8')) === 'written\n', { timeoutMs: 10_000 });
    await deletePod('second');
    await deleteClaim('kept');
    await eventually(async () => !(await volumeOf('kept')), { timeoutMs: 20_000, everyMs: 100 });
    expect(await exists(path)).toBe(false);
  });

  it('is deleted once the node is back, when it was away at the deletion', async () => {
    const path = await bound('away');
    await cluster.runPod(podOf('third', 'away', 'echo written > /data/file'));
    await eventually(() => exists(join(path, 'file')), { timeoutMs: 10_000 });
    await deletePod('third');
    await cluster.stopAgent();
    await deleteClaim('away');
    expect(await exists(join(path, 'file'))).toBe(true);
    expect((await volumeOf('away'))?.metadata.finalizers).toContain(localVolumeFinalizer);
    cluster.startAgent();
    await eventually(async () => !(await volumeOf('away')), { timeoutMs: 20_000, everyMs: 100 });
    expect(await exists(path)).toBe(false);
  });
});
