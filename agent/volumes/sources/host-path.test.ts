import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { VolumesScene } from '../../../test/support/file-volumes.ts';
import { container, makePod } from '../../../test/support/hollow-agent.ts';
import { podFacts, podInputs } from '../../../test/support/pod-inputs.ts';

let scene: VolumesScene;
/** One path of each sort; `none` exists nowhere. */
let places: Record<'directory' | 'file' | 'socket' | 'character' | 'block' | 'none', string>;
const server = createServer();

beforeAll(async () => {
  scene = await VolumesScene.make();
  const at = (name: string): string => join(scene.dir, name);
  places = {
    directory: at('directory'),
    file: at('file'),
    socket: at('socket'),
    character: '/dev/null',
    block: at('block'),
    none: at('none'),
  };
  await mkdir(places.directory);
  await writeFile(places.file, 'x');
  await promisify(execFile)('mknod', [places.block, 'b', '7', '0']);
  await new Promise<void>((resolve) => server.listen(places.socket, resolve));
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await scene.close();
});
beforeEach(() => rm(places.none, { recursive: true, force: true }));

async function failure(path: string, type?: string): Promise<string | undefined> {
  const pod = makePod('web', { volumes: [{ name: 'host', hostPath: { path, ...(type ? { type } : {}) } }] } as never);
  const [first] = await scene.volumes.prepare(pod, podInputs(), podFacts);
  return first?.message.replace('MountVolume.SetUp failed for volume "host" : hostPath type check failed: ', '');
}

describe('a path of the host', () => {
  // Kubernetes, "hostPath volume types".
  it.each([
    ['Directory', 'directory', 'a directory'],
    ['DirectoryOrCreate', 'directory', 'a directory'],
    ['File', 'file', 'a file'],
    ['FileOrCreate', 'file', 'a file'],
    ['Socket', 'socket', 'a socket file'],
    ['CharDevice', 'character', 'a character device'],
    ['BlockDevice', 'block', 'a block device'],
  ] as const)('of type %s is a %s, and nothing else', async (type, right, what) => {
    for (const [sort, path] of Object.entries(places)) {
      if (sort === 'none') continue;
      expect(await failure(path, type)).toBe(sort === right ? undefined : `${path} is not ${what}`);
    }
    expect(await readFile(places.file, 'utf8')).toBe('x');
  });

  it('without a type is whatever is there', async () => {
    for (const [sort, path] of Object.entries(places)) if (sort !== 'none') expect(await failure(path)).toBeUndefined();
  });

  it('that is not there is made where its type says so, with all directories on the way', async () => {
    const deep = join(places.none, 'deep');
    for (const type of [undefined, 'DirectoryOrCreate']) {
      expect(await failure(deep, type)).toBeUndefined();
      expect((await stat(deep)).isDirectory()).toBe(true);
      await rm(places.none, { recursive: true });
    }
    expect(await failure(places.none, 'FileOrCreate')).toBeUndefined();
    expect((await stat(places.none)).isFile()).toBe(true);
  });

  it('that is not there, nor can be made, is refused', async () => {
    for (const type of ['Directory', 'File', 'Socket', 'CharDevice', 'BlockDevice']) {
      expect(await failure(places.none, type)).toMatch(/ is not a /);
    }
    expect(await failure(join(places.none, 'file'), 'FileOrCreate')).toMatch(/ENOENT/);
    expect(await failure(join(places.file, 'below'), 'Directory')).toMatch(/ENOTDIR/);
    expect(await readdir(scene.dir)).not.toContain('none');
  });

  it('of another type, or that leads up, is refused by name', async () => {
    expect(await failure(places.directory, 'Tape')).toBe(`${places.directory} is not supported`);
    expect(await failure('/tmp/../etc')).toBe('/tmp/../etc is not supported');
    expect(await failure('/..')).toBe('/.. is not supported');
    const dots = join(places.directory, 'a..b');
    expect(await failure(dots)).toBeUndefined();
    await rm(dots, { recursive: true });
  });

  it('is looked at through links, and mounted by its plain path', async () => {
    const link = join(scene.dir, 'link');
    await symlink(places.directory, link);
    expect(await failure(link, 'Directory')).toBeUndefined();
    const pod = makePod('web', { volumes: [{ name: 'host', hostPath: { path: `${scene.dir}//./directory/` } }] });
    const app = container('app', { volumeMounts: [{ name: 'host', mountPath: '/host' }] });
    const [mount] = await scene.volumes.mounts(pod, app, 0, podInputs(), podFacts);
    expect(mount).toEqual({ source: `${places.directory}/`, target: '/host', readOnly: false });
  });
});
