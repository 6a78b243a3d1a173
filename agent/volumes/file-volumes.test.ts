import { execFile } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConfigMap, Pod, Secret, VolumeMount } from '../../shared/generated/types.ts';
import { guardedMounter } from '../../test/support/guarded-mounter.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import type { PodFacts, PodInputs } from '../pod/inputs.ts';
import { fileVolumes } from './file-volumes.ts';
import type { PodVolumes } from './pod-volumes.ts';

const facts: PodFacts = {
  nodeName: 'node-1',
  hostIP: '192.0.2.1',
  podIP: '10.64.3.9',
  allocatable: { cpuMillis: 4000, memoryBytes: 8 * 2 ** 30, ephemeralBytes: 2 ** 30 },
};

let dir: string;
const mounter = guardedMounter(() => dir);
let volumes: PodVolumes;
const configMaps = new Map<string, ConfigMap>();
const secrets = new Map<string, Secret>();
const inputs: PodInputs = {
  configMap: (namespace, name) => configMaps.get(`${namespace}/${name}`),
  secret: (namespace, name) => secrets.get(`${namespace}/${name}`),
};

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-volumes-'));
  volumes = openVolumes();
});
afterEach(async () => {
  await volumes.remove('uid-web');
  await rm(dir, { recursive: true, force: true });
  configMaps.clear();
  secrets.clear();
});

function openVolumes(): PodVolumes {
  return fileVolumes({
    dir: join(dir, 'pods'),
    mounter,
    localRoot: join(dir, 'local-volumes'),
    dnsOf: () => ({ servers: ['192.0.2.53'], searches: ['example.org'], options: [] }),
  });
}

async function failures(pod: Pod): Promise<string[]> {
  return (await volumes.prepare(pod, inputs, facts)).map(({ message }) => message);
}

function putConfigMap(data: Record<string, string>): void {
  const metadata = { name: 'settings', namespace: 'default', uid: 'c', resourceVersion: '1', creationTimestamp: '' };
  configMaps.set('default/settings', { apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
}

const volumeDir = (name: string): string => join(dir, 'pods', 'uid-web', 'volumes', name);

async function mountsOf(pod: Pod, volumeMounts: VolumeMount[], attempt = 0) {
  return volumes.mounts(pod, container('app', { volumeMounts }), attempt, inputs, facts);
}

describe('volumes', () => {
  it('keep an emptyDir through every preparation, and remove it with the pod', async () => {
    const pod = makePod('web', { volumes: [{ name: 'data', emptyDir: {} }] });
    await volumes.prepare(pod, inputs, facts);
    await writeFile(join(volumeDir('data'), 'kept'), 'x');
    await volumes.prepare(pod, inputs, facts);
    expect(await readFile(join(volumeDir('data'), 'kept'), 'utf8')).toBe('x');
    expect((await stat(volumeDir('data'))).mode & 0o777).toBe(0o777);
    expect(await volumes.list()).toEqual(['uid-web']);
    await volumes.remove('uid-web');
    expect(await volumes.list()).toEqual([]);
  });

  it('hold an emptyDir of medium Memory, secrets and tokens in memory', async () => {
    const metadata = { name: 'key', namespace: 'default', uid: 's', resourceVersion: '1', creationTimestamp: '' };
    const data = { token: Buffer.from('hidden').toString('base64') };
    secrets.set('default/key', { apiVersion: 'v1', kind: 'Secret', metadata, data });
    const pod = makePod('web', {
      volumes: [
        { name: 'fast', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
        { name: 'key', secret: { secretName: 'key', defaultMode: 0o400 } },
        { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
      ],
    });
    await volumes.prepare(pod, { ...inputs, token: () => 'hidden' }, facts);
    await volumes.prepare(pod, { ...inputs, token: () => 'hidden' }, facts);
    const points = await mounter.below(join(dir, 'pods'));
    expect(points.sort()).toEqual([volumeDir('fast'), volumeDir('key'), volumeDir('token')]);
    expect(await readFile(join(volumeDir('key'), 'token'), 'utf8')).toBe('hidden');
    expect((await stat(join(volumeDir('key'), 'token'))).mode & 0o777).toBe(0o400);
    await volumes.remove('uid-web');
    expect(await mounter.below(join(dir, 'pods'))).toEqual([]);
  });

  it('swap a ConfigMap’s files all at once when it changes', async () => {
    putConfigMap({ a: '1', gone: 'x' });
    const pod = makePod('web', { volumes: [{ name: 'conf', configMap: { name: 'settings' } }] });
    await volumes.prepare(pod, inputs, facts);
    const first = await lstat(join(volumeDir('conf'), '..data'));
    expect(first.isSymbolicLink()).toBe(true);
    const held = await readdir(join(volumeDir('conf'), '..data'));
    expect(held.sort()).toEqual(['a', 'gone']);
    putConfigMap({ a: '2', b: '3' });
    await volumes.prepare(pod, inputs, facts);
    expect(await readFile(join(volumeDir('conf'), 'a'), 'utf8')).toBe('2');
    expect((await readdir(volumeDir('conf'))).filter((name) => !name.startsWith('..')).sort()).toEqual(['a', 'b']);
    expect((await readdir(volumeDir('conf'))).filter((name) => name.startsWith('..'))).toHaveLength(2);
  });

  it('say which object or key is missing, unless it is optional', async () => {
    const of = (configMap: object) =>
      makePod('web', { volumes: [{ name: 'conf', configMap: { name: 'settings', ...configMap } }] });
    expect(await volumes.prepare(of({}), inputs, facts)).toEqual([
      { message: 'MountVolume.SetUp failed for volume "conf" : configmap "settings" not found', mounted: false },
    ]);
    expect(await volumes.prepare(of({ optional: true }), inputs, facts)).toEqual([]);
    putConfigMap({ a: '1' });
    const items = [{ key: 'other', path: 'x' }];
    expect(await failures(of({ items }))).toEqual([
      'MountVolume.SetUp failed for volume "conf" : references non-existent config key: other',
    ]);
  });

  it('keep what they show when their object is gone, also for the next agent, and bring the others up to date', async () => {
    putConfigMap({ a: '1' });
    const items = [{ path: 'tier', fieldRef: { fieldPath: "metadata.labels['tier']" } }];
    const labelled = (tier: string) =>
      makePod(
        'web',
        {
          volumes: [
            { name: 'conf', configMap: { name: 'settings' } },
            { name: 'info', downwardAPI: { items } },
          ],
        },
        { labels: { tier } },
      );
    expect(await volumes.prepare(labelled('a'), inputs, facts)).toEqual([]);
    configMaps.clear();
    volumes = openVolumes();
    expect(await volumes.prepare(labelled('b'), inputs, facts)).toEqual([
      { message: 'MountVolume.SetUp failed for volume "conf" : configmap "settings" not found', mounted: true },
    ]);
    expect(await readFile(join(volumeDir('conf'), 'a'), 'utf8')).toBe('1');
    expect(await readFile(join(volumeDir('info'), 'tier'), 'utf8')).toBe('b');
  });

  it('refuse keys and paths that lead out of the volume', async () => {
    putConfigMap({ a: '1' });
    for (const path of ['../x', '/x', 'a/../../x', '..data']) {
      const items = [{ key: 'a', path }];
      const pod = makePod('web', { volumes: [{ name: 'conf', configMap: { name: 'settings', items } }] });
      expect(await failures(pod)).toEqual([expect.stringContaining('invalid path')]);
    }
  });

  it('show fields of the pod by the downward API', async () => {
    const items = [
      { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
      { path: 'deep/cpu', resourceFieldRef: { containerName: 'app', resource: 'limits.cpu' } },
    ];
    const pod = makePod(
      'web',
      { volumes: [{ name: 'info', downwardAPI: { items } }] },
      { labels: { app: 'web', tier: 'a' } },
    );
    await volumes.prepare(pod, inputs, facts);
    expect(await readFile(join(volumeDir('info'), 'labels'), 'utf8')).toBe('app="web"\ntier="a"');
    expect(await readFile(join(volumeDir('info'), 'deep/cpu'), 'utf8')).toBe('4');
  });

  it('show what a subPath leads to, and never by a link out of the volume', async () => {
    const pod = makePod('web', { volumes: [{ name: 'data', emptyDir: {} }] });
    await volumes.prepare(pod, inputs, facts);
    const [mount] = await mountsOf(pod, [{ name: 'data', mountPath: '/data', subPath: 'a/b' }]);
    await writeFile(join(volumeDir('data'), 'a/b/file'), 'x');
    expect(await readFile(join(mount?.source ?? '', 'file'), 'utf8')).toBe('x');
    await mkdir(join(dir, 'host', 'ssl'), { recursive: true });
    await symlink(join(dir, 'host'), join(volumeDir('data'), 'evil'));
    await expect(mountsOf(pod, [{ name: 'data', mountPath: '/data', subPath: 'evil' }])).rejects.toThrow(
      'symbolic link',
    );
    await expect(mountsOf(pod, [{ name: 'data', mountPath: '/data', subPath: 'evil/ssl' }])).rejects.toThrow(
      'symbolic link',
    );
    await expect(mountsOf(pod, [{ name: 'data', mountPath: '/data', subPath: '../..' }])).rejects.toThrow(
      'without ".."',
    );
  });

  it('are not mounted read-only to their depths, and say so to who asks for it', async () => {
    const pod = makePod('web', { volumes: [{ name: 'data', emptyDir: {} }] });
    await volumes.prepare(pod, inputs, facts);
    const mount = { name: 'data', mountPath: '/data', readOnly: true };
    await mountsOf(pod, [{ ...mount, recursiveReadOnly: 'IfPossible' }]);
    await expect(mountsOf(pod, [{ ...mount, recursiveReadOnly: 'Enabled' }])).rejects.toThrow(
      'volume "data" requested recursive read-only mode, but it is not supported by the runtime',
    );
  });

  it('remove a pod without touching what its subPaths of the host lead to', async () => {
    const host = join(dir, 'host');
    await mkdir(join(host, 'sub'), { recursive: true });
    await writeFile(join(host, 'sub', 'precious'), 'x');
    const pod = makePod('web', { volumes: [{ name: 'host', hostPath: { path: host } }] });
    await volumes.prepare(pod, inputs, facts);
    await mountsOf(pod, [{ name: 'host', mountPath: '/host', subPath: 'sub' }]);
    await volumes.remove('uid-web');
    expect(await readFile(join(host, 'sub', 'precious'), 'utf8')).toBe('x');
  });

  it('go with their pod however deep it has made them', async () => {
    const pod = makePod('web', { volumes: [{ name: 'data', emptyDir: {} }] });
    await volumes.prepare(pod, inputs, facts);
    const name = 'd'.repeat(200);
    const script = `cd "$0"; for i in $(seq 40); do mkdir ${name} && cd -P ${name}; done; touch "$(seq 1)"`;
    await promisify(execFile)('/bin/busybox', ['sh', '-c', script, volumeDir('data')]);
    await volumes.remove('uid-web');
    expect(await volumes.list()).toEqual([]);
  });

  it('check the type of a hostPath, or make what is missing', async () => {
    const of = (type: 'Directory' | 'DirectoryOrCreate' | 'File' | 'FileOrCreate') =>
      makePod('web', { volumes: [{ name: 'host', hostPath: { path: join(dir, 'place'), type } }] });
    expect(await failures(of('Directory'))).toEqual([expect.stringContaining('is not a directory')]);
    await volumes.prepare(of('DirectoryOrCreate'), inputs, facts);
    expect((await stat(join(dir, 'place'))).isDirectory()).toBe(true);
    expect(await failures(of('File'))).toEqual([expect.stringContaining('is not a file')]);
  });
});

describe('a container’s own files', () => {
  it('are the hosts, the resolver and a message of its attempt, unless it mounts its own', async () => {
    const pod = makePod('web', {
      hostAliases: [{ ip: '192.0.2.7', hostnames: ['db', 'db.example'] }],
      volumes: [{ name: 'data', emptyDir: {} }],
    });
    await volumes.prepare(pod, inputs, facts);
    const mounts = await mountsOf(pod, [{ name: 'data', mountPath: '/etc/resolv.conf' }]);
    const source = (target: string): string => mounts.find((mount) => mount.target === target)?.source ?? '';
    const hosts = await readFile(source('/etc/hosts'), 'utf8');
    expect(hosts).toContain('10.64.3.9\tweb\n');
    expect(hosts).toContain('192.0.2.7\tdb\tdb.example\n');
    expect(source('/etc/resolv.conf')).toBe(volumeDir('data'));
    await writeFile(source('/dev/termination-log'), 'it broke');
    expect(await volumes.terminationMessage('uid-web', 'app', 0)).toBe('it broke');
    expect(await volumes.terminationMessage('uid-web', 'app', 1)).toBeUndefined();
  });
});
