import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type Docker from 'dockerode';
import { run, tryRun } from '../cluster/run.ts';

/**
 * A base image for the Dockerfile, made of this machine's programs and their libraries, without a registry or package archive. All other
 * programs are busybox's.
 */

const programs = [
  'node',
  'etcd',
  'dockerd',
  'containerd',
  'containerd-shim-runc-v2',
  'runc',
  'ip',
  'nft',
  'nsenter',
  'unshare',
  'mount',
  'umount',
  'mountpoint',
  'setsid',
  // Busybox's do not stay on one file system, or fail on long paths.
  'rm',
  'du',
];
/** Optional programs. */
const optional = ['crun', 'ctr', 'iptables', 'iptables-nft', 'xtables-nft-multi', 'docker-init', 'sysctl'];

/** Imports the image under a name. Throws an Error that names the program that is not on this machine. */
export async function importBaseImage(engine: Docker, name: string): Promise<void> {
  const found: string[] = [];
  for (const program of [...programs, ...optional]) {
    const path = program === 'node' ? process.execPath : await which(program);
    if (path !== undefined) found.push(path);
    else if (!optional.includes(program))
      throw new Error(`the base image needs ${program}, which is not on this machine`);
  }
  const libraries = await Promise.all(found.map(librariesOf));
  const [repo = name, tag = 'latest'] = name.split(':');
  const skeleton = await makeSkeleton(found.map((path) => basename(path)));
  try {
    const tar = tarOf(skeleton, new Set([...found, ...libraries.flat()]));
    const said: Buffer[] = [];
    tar.stderr?.on('data', (part: Buffer) => said.push(part));
    const ended = new Promise<number | null>((done, reject) => tar.on('error', reject).on('close', done));
    if (tar.stdout === null) throw new Error('tar has no output');
    const answer = await engine.importImage(tar.stdout, { repo, tag });
    await new Promise<void>((done, reject) =>
      engine.modem.followProgress(answer, (error) => (error ? reject(error) : done())),
    );
    if ((await ended) !== 0) throw new Error(`tar: ${Buffer.concat(said).toString().trim()}`);
  } finally {
    rmSync(skeleton, { recursive: true, force: true });
  }
}

async function which(program: string): Promise<string | undefined> {
  const { status, stdout } = await tryRun('sh', ['-c', 'command -v "$1"', 'sh', program]);
  return status === 0 ? stdout.trim() : undefined;
}

/** The libraries that `ldd` lists, including the loader; none for a static program or a script. */
async function librariesOf(path: string): Promise<string[]> {
  const { stdout } = await tryRun('ldd', [path]);
  return [...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map((match) => match[1] ?? '');
}

/** The skeleton: folders, busybox with its links, accounts. */
async function makeSkeleton(taken: readonly string[]): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'coracle-base-'));
  for (const dir of [
    'usr/bin',
    'usr/sbin',
    'usr/lib',
    'usr/lib64',
    'etc',
    'root',
    'var/lib',
    'run',
    'proc',
    'sys',
    'dev',
    'mnt',
    'opt',
  ]) {
    mkdirSync(join(root, dir), { recursive: true });
  }
  mkdirSync(join(root, 'tmp'), { mode: 0o1777 });
  for (const dir of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${dir}`, join(root, dir));
  symlinkSync('/run', join(root, 'var/run'));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  writeFileSync(join(root, 'etc/os-release'), 'NAME="Coracle base"\nID=coracle\nPRETTY_NAME="Coracle base"\n');
  const busybox = realpathSync((await which('busybox')) ?? 'busybox');
  await run('cp', [busybox, join(root, 'usr/bin/busybox')]);
  for (const applet of (await run(busybox, ['--list'])).split('\n')) {
    if (applet !== '' && applet !== 'busybox' && !taken.includes(applet))
      symlinkSync('busybox', join(root, 'usr/bin', applet));
  }
  return root;
}

/** The skeleton and the files, at the machine's paths. Links are followed, names are kept. */
function tarOf(skeleton: string, files: ReadonlySet<string>): ChildProcess {
  // A library's folder may be a link (/lib is /usr/lib): the file goes to the link's target.
  const places = [...files].map((file) => ({
    from: realpathSync(file),
    to: join(realpathSync(dirname(resolve(file))), basename(file)),
  }));
  for (const { from, to } of places) {
    mkdirSync(join(skeleton, dirname(to)), { recursive: true });
    symlinkSync(from, join(skeleton, to));
  }
  // Of the links, only the machine's own files are followed: two archives, one after the other, make one.
  const relative = places.map(({ to }) => to.slice(1));
  const script = `set -e; cd "$1"; shift
    { printf '%s\\n' "$@" >.followed
      tar --exclude-from=.followed --exclude=./.followed --anchored -cf .rest.tar --exclude=./.rest.tar .
      tar -h -rf .rest.tar -T .followed
      cat .rest.tar; }`;
  return spawn('sh', ['-c', script, 'sh', skeleton, ...relative.map((path) => `./${path}`)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
