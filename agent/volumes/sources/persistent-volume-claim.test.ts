import { lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PodSpec } from '../../../shared/generated/types.ts';
import type { NodeVolume, NodeVolumeSource } from '../../../shared/session.ts';
import { VolumesScene } from '../../../test/support/file-volumes.ts';
import { container, makePod } from '../../../test/support/hollow-agent.ts';
import { podFacts, podInputs } from '../../../test/support/pod-inputs.ts';
import type { PodInputs } from '../../pod/inputs.ts';

let scene: VolumesScene;
/** The NFS mounts: source, target, options. */
let mounted: string[][];
beforeEach(async () => {
  mounted = [];
  scene = await VolumesScene.make({ nfs: async (...args) => void mounted.push(args.map(String)) });
});
afterEach(() => scene.close());

const labels = { 'kubernetes.io/hostname': 'node-1' };

function inputsOf(source: NodeVolumeSource, more: Partial<NodeVolume> = {}): PodInputs {
  const volume: NodeVolume = {
    uid: 'v1',
    claimUid: 'c1',
    accessModes: ['ReadWriteOnce'],
    volumeMode: 'Filesystem',
    mountOptions: [],
    deleting: false,
    source,
    ...more,
  };
  return {
    ...podInputs(),
    claims: {
      claim: () => ({ uid: 'c1', phase: 'Bound', volumeName: 'pv', ownerUid: '' }),
      volume: () => volume,
      nodeLabels: () => labels,
      takeAlone: () => true,
    },
  };
}

const podWith = (spec: Partial<PodSpec> = {}, readOnly = false) =>
  makePod('web', {
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data', ...(readOnly ? { readOnly } : {}) } }],
    ...spec,
  });

async function prepare(inputs: PodInputs, pod = podWith()): Promise<string | undefined> {
  const [failure] = await scene.volumes.prepare(pod, inputs, podFacts);
  return failure?.message.replace('MountVolume.SetUp failed for volume "data" : ', '');
}

async function mountOf(inputs: PodInputs, pod = podWith()) {
  const app = container('app', { volumeMounts: [{ name: 'data', mountPath: '/data' }] });
  const [mount] = await scene.volumes.mounts(pod, app, 0, inputs, podFacts);
  return mount;
}

const own = (name = 'pvc-1'): string => join(scene.dir, 'local-volumes', name);

describe('the claim of a local volume', () => {
  it('below the node’s root is made when it is first used, mounted by its path, and left when the pod goes', async () => {
    const inputs = inputsOf({ type: 'local', path: own() });
    expect(await prepare(inputs)).toBeUndefined();
    await writeFile(join(own(), 'kept'), 'x');
    expect(await prepare(inputs)).toBeUndefined();
    expect(await mountOf(inputs)).toEqual({ source: own(), target: '/data', readOnly: false });
    await scene.volumes.remove('uid-web');
    expect(await readFile(join(own(), 'kept'), 'utf8')).toBe('x');
  });

  it('stays mounted when the claim is gone', async () => {
    await prepare(inputsOf({ type: 'local', path: own() }));
    expect(await scene.volumes.refresh(podWith(), podInputs(), podFacts)).toEqual([]);
  });

  it('is mounted read-only where the pod says so', async () => {
    const inputs = inputsOf({ type: 'local', path: own() });
    await prepare(inputs);
    expect(await mountOf(inputs, podWith({}, true))).toMatchObject({ readOnly: true });
  });

  it('is not made again while it is being deleted', async () => {
    const inputs = inputsOf({ type: 'local', path: own() }, { deleting: true });
    expect(await prepare(inputs)).toBe(`path "${own()}" does not exist`);
  });

  it('elsewhere must be a directory that exists', async () => {
    const path = join(scene.dir, 'disk');
    expect(await prepare(inputsOf({ type: 'local', path }))).toBe(`path "${path}" does not exist`);
    await writeFile(path, '');
    expect(await prepare(inputsOf({ type: 'local', path }))).toContain('is not a directory');
    const directory = join(scene.dir, 'directory');
    await mkdir(directory);
    expect(await prepare(inputsOf({ type: 'local', path: directory }))).toBeUndefined();
    const escaping = `${own()}/../../directory`;
    expect(await prepare(inputsOf({ type: 'local', path: escaping }))).toBe(`path "${escaping}" must not contain ".."`);
    expect(await readdir(scene.dir)).not.toContain('local-volumes');
  });

  it('is refused where a link took its place', async () => {
    await mkdir(join(scene.dir, 'local-volumes'));
    await symlink('/etc', own());
    expect(await prepare(inputsOf({ type: 'local', path: own() }))).toBe(`${own()} is not a directory`);
    expect(await prepare(inputsOf({ type: 'local', path: own() }, { deleting: true }))).toBe(`${own()} is a link`);
  });

  it('is given to the pod’s fsGroup whole, without what links in it lead to', async () => {
    const host = join(scene.dir, 'host');
    await writeFile(host, '', { mode: 0o600 });
    const inputs = inputsOf({ type: 'local', path: own() });
    await prepare(inputs);
    await mkdir(join(own(), 'deep'), { mode: 0o700 });
    await writeFile(join(own(), 'deep', 'file'), 'x', { mode: 0o600 });
    await symlink(host, join(own(), 'deep', 'link'));
    const grouped = (policy?: 'OnRootMismatch') =>
      podWith({ securityContext: { fsGroup: 4242, ...(policy ? { fsGroupChangePolicy: policy } : {}) } });
    expect(await prepare(inputs, grouped())).toBeUndefined();
    const seen = async (path: string) => {
      const { gid, mode } = await lstat(path);
      return [gid, (mode & 0o7777).toString(8)];
    };
    expect(await seen(own())).toEqual([4242, '2777']);
    expect(await seen(join(own(), 'deep'))).toEqual([4242, '2770']);
    expect(await seen(join(own(), 'deep', 'file'))).toEqual([4242, '660']);
    expect((await stat(host)).gid).not.toBe(4242);
    await writeFile(join(own(), 'late'), '', { mode: 0o600 });
    await prepare(inputs, grouped('OnRootMismatch'));
    expect((await stat(join(own(), 'late'))).mode & 0o777).toBe(0o600);
    await prepare(inputs, grouped());
    expect((await stat(join(own(), 'late'))).mode & 0o777).toBe(0o660);
  });

  it('of another node is refused, and nothing is made', async () => {
    const term = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In' as const, values: ['n2'] }] };
    const inputs = inputsOf({ type: 'local', path: own() }, { affinity: { nodeSelectorTerms: [term] } });
    expect(await prepare(inputs)).toBe('no matching NodeSelectorTerms');
    expect(await readdir(scene.dir)).not.toContain('local-volumes');
  });
});

describe('the claim of another volume', () => {
  it('of the host is checked as a hostPath', async () => {
    const path = join(scene.dir, 'host');
    expect(await prepare(inputsOf({ type: 'hostPath', path, check: 'Directory' }))).toContain('is not a directory');
    const inputs = inputsOf({ type: 'hostPath', path, check: 'DirectoryOrCreate' });
    expect(await prepare(inputs)).toBeUndefined();
    expect((await mountOf(inputs))?.source).toBe(path);
  });

  it('of an NFS server is mounted in the pod’s directory, with the options of the volume', async () => {
    const inputs = inputsOf(
      { type: 'nfs', server: 'filer', path: '/export', readOnly: false },
      { mountOptions: ['hard', 'nfsvers=4.2'] },
    );
    expect(await prepare(inputs)).toBeUndefined();
    expect(await prepare(inputs, podWith({}, true))).toBeUndefined();
    const target = scene.volume('data');
    expect(mounted).toEqual([
      ['filer:/export', target, 'hard,nfsvers=4.2'],
      ['filer:/export', target, 'hard,nfsvers=4.2,ro'],
    ]);
    expect((await mountOf(inputs))?.source).toBe(target);
    const plain = makePod('web', { volumes: [{ name: 'data', nfs: { server: 's', path: '/p', readOnly: true } }] });
    expect(await prepare(podInputs(), plain)).toBeUndefined();
    expect(mounted.at(-1)).toEqual(['s:/p', target, 'ro']);
  });

  it('that the node cannot mount is refused by its name', async () => {
    expect(await prepare(inputsOf({ type: 'unsupported', name: 'iscsi' }))).toBe(
      'this kind of persistent volume is not supported: iscsi',
    );
    expect(await prepare(inputsOf({ type: 'local', path: own() }, { volumeMode: 'Block' }))).toBe(
      'volume data has volumeMode Block, which is not supported',
    );
  });

  it('of another claim is not mounted', async () => {
    expect(await prepare(inputsOf({ type: 'local', path: own() }, { claimUid: 'c2' }))).toContain(
      'error processing PVC default/data: PV "pv" has claimRef.UID "c2", expected "c1"',
    );
  });
});
