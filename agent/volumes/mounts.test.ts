import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Container, VolumeMount } from '../../shared/generated/types.ts';
import { VolumesScene } from '../../test/support/file-volumes.ts';
import { guardedMounter } from '../../test/support/guarded-mounter.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { configMap, podFacts, podInputs } from '../../test/support/pod-inputs.ts';

let scene: VolumesScene;
const mounter = guardedMounter(() => scene.dir);
beforeEach(async () => {
  scene = await VolumesScene.make();
});
afterEach(() => scene.close());

const settings = (data: Record<string, string>) => podInputs(configMap('settings', data));
let inputs = settings({ a: '1', 'b.conf': '2' });
beforeEach(() => {
  inputs = settings({ a: '1', 'b.conf': '2' });
});

const pod = makePod('web', {
  volumes: [
    { name: 'data', emptyDir: {} },
    { name: 'conf', configMap: { name: 'settings' } },
  ],
});

const prepare = () => scene.volumes.prepare(pod, inputs, podFacts);
const mountsOf = (volumeMounts: VolumeMount[], more: Partial<Container> = {}, attempt = 0) =>
  scene.volumes.mounts(pod, container('app', { volumeMounts, ...more }), attempt, inputs, podFacts);
const ownTargets = ['/dev/termination-log', '/etc/hosts', '/etc/resolv.conf'];

describe('the mounts of a container', () => {
  it('have the permissions of the volume in each directory that several containers make at once', async () => {
    await prepare();
    await chmod(scene.volume('data'), 0o777);
    const made = Array.from({ length: 24 }, (_, i) => `made-${i % 3}/deep`);
    const mounting = made.map((subPath, i) => {
      const volumeMounts = [{ name: 'data', mountPath: '/data', subPath }];
      return scene.volumes.mounts(pod, container(`app-${i}`, { volumeMounts }), 0, inputs, podFacts);
    });
    await Promise.all(mounting);
    for (const path of new Set(made.flatMap((one) => [one, dirname(one)]))) {
      expect((await stat(join(scene.volume('data'), path))).mode & 0o777).toBe(0o777);
    }
  });

  it('are its volumes in their order, and its own files', async () => {
    await prepare();
    const mounts = await mountsOf([
      { name: 'conf', mountPath: '/conf' },
      { name: 'data', mountPath: 'data', readOnly: true },
      { name: 'data', mountPath: '/again', readOnly: false, mountPropagation: 'None' },
      { name: 'data', mountPath: '/slave', mountPropagation: 'HostToContainer' },
      { name: 'data', mountPath: '/shared', mountPropagation: 'Bidirectional' },
    ]);
    const source = scene.volume('data');
    expect(mounts.slice(0, 5)).toEqual([
      { source: scene.volume('conf'), target: '/conf', readOnly: true },
      { source, target: '/data', readOnly: true },
      { source, target: '/again', readOnly: false },
      { source, target: '/slave', readOnly: false, propagation: 'rslave' },
      { source, target: '/shared', readOnly: false, propagation: 'rshared' },
    ]);
    expect(mounts.slice(5).map(({ target }) => target)).toEqual(ownTargets);
  });

  it('are never written to where the agent writes the content', async () => {
    const volumes = [
      { name: 'map', configMap: { name: 'settings' } },
      { name: 'secret', secret: { secretName: 'none', optional: true } },
      { name: 'fields', downwardAPI: { items: [] } },
      { name: 'all', projected: { sources: [] } },
      { name: 'own', emptyDir: {} },
    ];
    const all = makePod('web', { volumes });
    expect(await scene.volumes.prepare(all, inputs, podFacts)).toEqual([]);
    const app = container('app', { volumeMounts: volumes.map(({ name }) => ({ name, mountPath: `/${name}` })) });
    const mounts = await scene.volumes.mounts(all, app, 0, inputs, podFacts);
    expect(mounts.slice(0, 5).map(({ readOnly }) => readOnly)).toEqual([true, true, true, true, false]);
  });

  it('take the container’s own for one of the agent’s files at the same place', async () => {
    await prepare();
    const volumeMounts = ownTargets.map((mountPath) => ({ name: 'data', mountPath }));
    const mounts = await mountsOf(volumeMounts);
    expect(mounts.map(({ source, target }) => [source, target])).toEqual(
      ownTargets.map((target) => [scene.volume('data'), target]),
    );
    const [message] = await mountsOf([], { terminationMessagePath: '/etc/hosts' });
    expect(message?.target).toBe('/etc/hosts');
    expect(await mountsOf([], { terminationMessagePath: '/etc/hosts' })).toHaveLength(2);
  });

  it('need the volume that they name', async () => {
    await prepare();
    await expect(mountsOf([{ name: 'none', mountPath: '/x' }])).rejects.toThrow('volume "none" not found');
    await expect(
      scene.volumes.mounts(
        makePod('bare'),
        container('app', { volumeMounts: [{ name: 'x', mountPath: '/x' }] }),
        0,
        inputs,
        podFacts,
      ),
    ).rejects.toThrow('volume "x" not found');
  });
});

describe('a subPath', () => {
  it('of a ConfigMap shows the file of the version that was there when the container was made', async () => {
    await prepare();
    const [file] = await mountsOf([{ name: 'conf', mountPath: '/b.conf', subPath: 'b.conf' }]);
    expect(file).toMatchObject({ target: '/b.conf', readOnly: true });
    expect(await readFile(file?.source ?? '', 'utf8')).toBe('2');
    inputs = settings({ a: '1', 'b.conf': '3' });
    await prepare();
    const [next] = await mountsOf([{ name: 'conf', mountPath: '/b.conf', subPath: 'b.conf' }], {}, 1);
    expect(await readFile(next?.source ?? '', 'utf8')).toBe('3');
  });

  it('has a place of its own for each mount of each container', async () => {
    await prepare();
    const volumeMounts = ['x', 'y'].map((subPath) => ({ name: 'data', mountPath: `/${subPath}`, subPath }));
    const [x, y] = await mountsOf(volumeMounts);
    const [other] = await scene.volumes.mounts(pod, container('other', { volumeMounts }), 0, inputs, podFacts);
    expect(new Set([x?.source, y?.source, other?.source]).size).toBe(3);
    await writeFile(join(x?.source ?? '', 'file'), '');
    expect(await readdir(scene.volume('data'))).toEqual(['x', 'y']);
    expect(await readdir(other?.source ?? '')).toEqual(['file']);
    expect(await readdir(y?.source ?? '')).toEqual([]);
  });

  it('is made anew with each attempt, whatever the last one left at its place, and touches nothing behind it', async () => {
    await prepare();
    const mount = (subPath: string) => [{ name: 'data', mountPath: '/x', subPath }];
    await mkdir(join(scene.volume('data'), 'dir'));
    await writeFile(join(scene.volume('data'), 'dir', 'kept'), '');
    await writeFile(join(scene.volume('data'), 'file'), 'x');
    const look = async (subPath: string, attempt: number) =>
      (await mountsOf(mount(subPath), {}, attempt))[0]?.source ?? '';
    expect(await readdir(await look('dir', 0))).toEqual(['kept']);
    expect(await readFile(await look('file', 1), 'utf8')).toBe('x');
    expect(await readdir(await look('dir', 2))).toEqual(['kept']);
    const place = await look('file', 3);
    expect(await mounter.below(place)).toEqual([place]);
    expect(await readdir(join(scene.volume('data'), 'dir'))).toEqual(['kept']);
    expect(await readFile(join(scene.volume('data'), 'file'), 'utf8')).toBe('x');
    // A reboot takes the mounts, and leaves what they were mounted on.
    await mounter.unmount(place);
    expect(await readFile(await look('file', 4), 'utf8')).toBe('x');
  });

  it('is made of the container’s variables where it is an expression, which all need a value', async () => {
    await prepare();
    const env = [
      { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'EMPTY', value: '' },
    ];
    const at = (subPathExpr: string) => mountsOf([{ name: 'data', mountPath: '/x', subPathExpr }], { env });
    const [mount] = await at('logs/$(POD)');
    await writeFile(join(mount?.source ?? '', 'file'), '');
    expect(await readdir(join(scene.volume('data'), 'logs', 'web'))).toEqual(['file']);
    await expect(at('$(EMPTY)')).rejects.toThrow('missing value for EMPTY');
    await expect(at('$(NONE)')).rejects.toThrow('missing value for NONE');
    expect(await readdir(scene.volume('data'))).toEqual(['logs']);
  });

  it('is refused before anything is made when it leads up', async () => {
    await prepare();
    const env = [{ name: 'UP', value: '..' }];
    for (const subPath of ['..', 'a/../..', '/etc']) {
      await expect(mountsOf([{ name: 'data', mountPath: '/x', subPath }])).rejects.toThrow('must be relative');
    }
    await expect(mountsOf([{ name: 'data', mountPath: '/x', subPathExpr: '$(UP)/x' }], { env })).rejects.toThrow(
      'must be relative',
    );
    expect(await readdir(scene.volume('data'))).toEqual([]);
  });

  it('that cannot be cleared away is not mounted over', async () => {
    await prepare();
    const place = join(scene.dir, 'pods', 'uid-web', 'sub-paths', 'app', '0');
    await mkdir(place, { recursive: true });
    await writeFile(join(place, 'unknown'), '');
    await expect(mountsOf([{ name: 'data', mountPath: '/x', subPath: 'x' }])).rejects.toThrow('ENOTEMPTY');
  });
});

describe('the files of a pod', () => {
  it('are counted by volume, without those that are not there', async () => {
    await prepare();
    await writeFile(join(scene.volume('data'), 'file'), Buffer.alloc(100_000));
    const used = await scene.volumes.usage('uid-web', ['data', 'none', 'conf'], new AbortController().signal);
    expect(used.get('data')).toBeGreaterThanOrEqual(100_000);
    expect(used.get('conf')).toBeLessThan(100_000);
    expect([...used.keys()].sort()).toEqual(['conf', 'data']);
  });

  it('stay when something is still mounted among them, and go when the removal is tried again', async () => {
    let stuck = true;
    const unmount = async (path: string) => {
      if (!stuck) await guardedMounter(() => held.dir).unmount(path);
    };
    const held: VolumesScene = await VolumesScene.make({ unmount });
    try {
      const host = join(held.dir, 'host');
      await mkdir(host);
      await writeFile(join(host, 'precious'), '');
      const mounted = makePod('web', { volumes: [{ name: 'host', hostPath: { path: held.dir } }] });
      await held.volumes.prepare(mounted, inputs, podFacts);
      const app = container('app', { volumeMounts: [{ name: 'host', mountPath: '/x', subPath: 'host' }] });
      const [mount] = await held.volumes.mounts(mounted, app, 0, inputs, podFacts);
      await expect(held.volumes.remove('uid-web')).rejects.toThrow(`still mounted: ${mount?.source}`);
      expect(await held.volumes.list()).toEqual(['uid-web']);
      stuck = false;
      await held.volumes.remove('uid-web');
      expect(await held.volumes.list()).toEqual([]);
      expect(await readdir(host)).toEqual(['precious']);
      await held.volumes.remove('uid-web');
    } finally {
      stuck = false;
      await held.close();
    }
  });

  it('are listed by pod, and there are none before the first pod', async () => {
    expect(await scene.volumes.list()).toEqual([]);
    await prepare();
    // Only secrets are kept from the disk.
    expect(await mounter.below(scene.dir)).toEqual([]);
    await scene.volumes.prepare(makePod('bare'), inputs, podFacts);
    expect((await scene.volumes.list()).sort()).toEqual(['uid-bare', 'uid-web']);
    await scene.close();
    await writeFile(scene.dir, '');
    await expect(scene.volumes.list()).rejects.toThrow('ENOTDIR');
  });

  it('never lie outside of the directory of all pods', async () => {
    for (const uid of ['..', '../x', 'a/b', '']) {
      await expect(scene.volumes.prepare(makePod('x', {}, { uid }), inputs, podFacts)).rejects.toThrow(
        'part of a path',
      );
      await expect(scene.volumes.remove(uid)).rejects.toThrow('part of a path');
    }
    const named = makePod('web', { volumes: [{ name: '../../x', emptyDir: {} }] });
    await expect(scene.volumes.prepare(named, inputs, podFacts)).rejects.toThrow('part of a path');
  });

  it('are refused by name where the agent has no such volume', async () => {
    const volumes = [
      { name: 'claim', flocker: { datasetName: 'x' } },
      { name: 'huge', emptyDir: { medium: 'HugePages' as const } },
      { name: 'data', emptyDir: { medium: '' as const } },
    ];
    const failures = await scene.volumes.prepare(makePod('web', { volumes }), inputs, podFacts);
    expect(failures.map(({ message, mounted }) => [message, mounted])).toEqual([
      ['MountVolume.SetUp failed for volume "claim" : this kind of volume is not supported: flocker', false],
      ['MountVolume.SetUp failed for volume "huge" : emptyDir: the medium HugePages is not supported', false],
    ]);
    expect(await readdir(join(scene.dir, 'pods', 'uid-web', 'volumes'))).toEqual(['data']);
  });

  it('belong to the pod’s group where it has one', async () => {
    const grouped = makePod('web', { ...pod.spec, securityContext: { fsGroup: 4242 } });
    await scene.volumes.prepare(grouped, inputs, podFacts);
    const group = async (path: string) => (await stat(path)).gid;
    expect(await group(join(scene.volume('conf'), 'a'))).toBe(4242);
    expect(await group(scene.volume('data'))).toBe(4242);
  });
});
