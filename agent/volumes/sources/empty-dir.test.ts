import { chmod, mkdir, mkdtemp, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EmptyDirVolumeSource, PodSpec } from '../../../shared/generated/types.ts';
import { guardedMounter, unmountBelow } from '../../../test/support/guarded-mounter.ts';
import { makePod } from '../../../test/support/hollow-agent.ts';
import { podFacts, podInputs } from '../../../test/support/pod-inputs.ts';
import type { Mounter } from '../mounter.ts';
import { mountTmpfs } from '../tmpfs.ts';
import { emptyDir, memoryBytes } from './empty-dir.ts';

let dir: string;
const prepare = (mounter: Mounter, path: string, spec: PodSpec, source: EmptyDirVolumeSource): Promise<void> => {
  const facts = { ...podFacts, allocatable: { ...podFacts.allocatable, memoryBytes: allocatable } };
  return emptyDir.prepare(source, {
    pod: makePod('web', spec),
    inputs: podInputs(),
    facts,
    path,
    mounter,
    name: 'it',
    localRoot: '/none',
  });
};
const mounter = guardedMounter(() => dir);
const mib = 2 ** 20;
const allocatable = 512 * mib;
const container = (memory?: string) => ({
  name: 'app',
  image: 'app:1',
  ...(memory ? { resources: { limits: { memory } } } : {}),
});

describe('an emptyDir in memory', () => {
  let place: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coracle-empty-dir-'));
    place = join(dir, 'data');
  });
  afterEach(async () => {
    await unmountBelow(dir);
    await rm(dir, { recursive: true, force: true });
  });

  it('has its fsGroup from the first moment on, and again after a reboot', async () => {
    const spec: PodSpec = { containers: [container()], securityContext: { fsGroup: 4242 } };
    const make = () => prepare(mounter, place, spec, { medium: 'Memory', sizeLimit: '1Mi' });
    const look = async () => {
      const { mode, gid } = await stat(place);
      return [mode & 0o7777, gid];
    };
    await make();
    expect(await look()).toEqual([0o2777, 4242]);
    await make();
    expect(await mounter.below(place)).toEqual([place]);
    // A reboot takes the mount, and leaves the directory.
    await mounter.unmount(place);
    await make();
    expect(await look()).toEqual([0o2777, 4242]);
    const { blocks, bsize } = await statfs(place);
    expect(blocks * bsize).toBe(mib);
  });

  it('is bounded by the pod’s memory limit, and else by what the node has for pods', () => {
    const of = (spec: Partial<PodSpec>, sizeLimit?: string) =>
      memoryBytes({ containers: [container('64Mi')], ...spec }, sizeLimit, allocatable) / mib;
    expect(of({})).toBe(64);
    expect(of({ containers: [container('64Mi'), container('32Mi')] })).toBe(96);
    expect(of({ containers: [container('64Mi'), container()] })).toBe(512);
    expect(of({ initContainers: [container()] })).toBe(512);
    expect(of({ initContainers: [container('256Mi')] })).toBe(256);
    expect(of({ containers: [container()], resources: { limits: { memory: '128Mi' } } })).toBe(128);
    expect(of({ resources: {} }, '0')).toBe(64);
    expect(of({ containers: [{ ...container(), resources: {} }], resources: { limits: {} } })).toBe(512);
    expect(of({ containers: [container('0')] })).toBe(512);
    expect(of({}, '16Mi')).toBe(16);
    expect(of({}, '128Mi')).toBe(64);
    expect(of({ containers: [container()] }, '1Gi')).toBe(512);
    expect(() => memoryBytes({ containers: [container()] }, undefined, 0)).toThrow('not known yet');
  });
});

describe('an emptyDir', () => {
  let place: string;
  const mounted: Array<[string, object]> = [];
  const noted: Mounter = { ...mounter, below: async () => [], tmpfs: async (...args) => void mounted.push(args) };
  const spec: PodSpec = { containers: [container()] };
  beforeEach(async () => {
    mounted.length = 0;
    dir = await mkdtemp(join(tmpdir(), 'coracle-empty-dir-'));
    place = join(dir, 'data');
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const look = async () => {
    const { mode, uid, gid } = await stat(place);
    return [mode & 0o7777, uid, gid];
  };

  it('is open to all, on the disk unless it asks for memory', async () => {
    await prepare(noted, place, spec, {});
    expect(await look()).toEqual([0o777, 0, 0]);
    await prepare(noted, place, spec, { medium: '' });
    expect(mounted).toEqual([]);
    await prepare(noted, place, spec, { medium: 'Memory', sizeLimit: '1Mi' });
    expect(mounted).toEqual([[place, { sizeBytes: mib, mode: '777', group: undefined }]]);
  });

  it('has the root group where that is the pod’s, with all its files', async () => {
    const grouped = { ...spec, securityContext: { fsGroup: 0 } };
    await prepare(noted, place, grouped, { medium: 'Memory' });
    expect(await look()).toEqual([0o2777, 0, 0]);
    expect(mounted).toEqual([[place, { sizeBytes: allocatable, mode: '2777', group: 0 }]]);
  });

  it('is made whole after a write that was cut off, and shows nothing of that', async () => {
    await mkdir(join(dir, '.data', 'half'), { recursive: true });
    await prepare(noted, place, spec, {});
    expect(await readdir(place)).toEqual([]);
    expect(await readdir(dir)).toEqual(['data']);
  });

  it('in memory is not mounted over what containers have open, be it a mount or files on disk', async () => {
    await mkdir(place);
    await mountTmpfs({ ...noted, below: async () => [place] }, place, { mode: '0755' });
    expect(mounted).toEqual([]);
    await mountTmpfs({ ...noted, below: async () => [join(place, 'deep')] }, place, { mode: '0755' });
    expect(mounted).toEqual([[place, { mode: '0755' }]]);
    await writeFile(join(place, 'file'), '');
    await mountTmpfs(noted, place, { mode: '0755' });
    expect(mounted).toHaveLength(1);
  });

  it('cannot be made where its directory’s own is a file', async () => {
    await writeFile(place, '');
    await expect(prepare(noted, join(place, 'below'), spec, {})).rejects.toThrow('ENOTDIR');
  });
});

describe('an emptyDir on disk', () => {
  it('has its group and mode when it has its name, and keeps what its pod makes of them', async () => {
    dir = await mkdtemp(join(tmpdir(), 'coracle-empty-dir-'));
    try {
      const place = join(dir, 'data');
      const spec: PodSpec = { containers: [container()], securityContext: { fsGroup: 4242 } };
      await prepare(mounter, place, spec, {});
      const made = await stat(place);
      expect([made.mode & 0o7777, made.gid]).toEqual([0o2777, 4242]);
      await chmod(place, 0o2700);
      await writeFile(join(place, 'kept'), '');
      await prepare(mounter, place, spec, {});
      expect((await stat(place)).mode & 0o7777).toBe(0o2700);
      await stat(join(place, 'kept'));
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
