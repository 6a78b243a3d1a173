import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { pack } from 'tar-stream';
import { eventually } from './eventually.ts';

const run = promisify(execFile);

export interface TestDocker {
  /** Path of the engine's socket. */
  readonly socket: string;
  /** Everything of the engine lies under it; tests may put what the engine must see there too. */
  readonly directory: string;
  readonly pid: number;
  /** Ends the engine, its containers and mounts, and removes its directory. */
  stop(): Promise<void>;
}

export interface TestDockerOptions {
  /** Path of a network namespace for the engine to live in; the test's own when absent. */
  readonly netns?: string;
  /** What runs the containers; the engine's default when absent. */
  readonly ociRuntime?: 'runc' | 'crun';
  /** Address and prefix length of a bridge for containers that are not pods (`172.31.0.1/24`); absent: none. Only with `netns`. */
  readonly bridge?: string;
}

/**
 * A Docker engine of the test's own: own data, own socket, no bridge, none of the machine's firewall. Skip a suite
 * with `dockerMissing` where there is none.
 */
export async function startTestDocker(options: TestDockerOptions = {}): Promise<TestDocker> {
  const directory = await mkdtemp(join(tmpdir(), 'coracle-docker-'));
  const socket = join(directory, 'docker.sock');
  const log = await open(join(directory, 'dockerd.log'), 'w');
  const dockerd = [
    ...(options.netns ? ['nsenter', `--net=${options.netns}`] : []),
    ...(options.ociRuntime === 'crun' ? withoutUnifiedCgroups : []),
    'dockerd',
    '--data-root',
    join(directory, 'data'),
    '--exec-root',
    join(directory, 'exec'),
    '--pidfile',
    join(directory, 'docker.pid'),
    '-H',
    `unix://${socket}`,
    ...(options.bridge ? ['--bip', options.bridge] : ['--bridge=none']),
    '--iptables=false',
    '--ip6tables=false',
    '--userland-proxy=false',
    '--cgroup-parent',
    `/${directory.slice(directory.lastIndexOf('/') + 1)}`,
    '--storage-driver',
    await storageDriver(directory),
    ...(options.ociRuntime === 'crun' ? ['--add-runtime', 'crun=/usr/bin/crun', '--default-runtime', 'crun'] : []),
  ];
  const [command = '', ...args] = dockerd;
  const child = spawn(command, args, { stdio: ['ignore', log.fd, log.fd] });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  await log.close();
  const docker = new Docker({ socketPath: socket });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      await removeContainers(docker);
      child.kill('SIGTERM');
      const kill = setTimeout(() => child.kill('SIGKILL'), 20_000);
      await ended;
      clearTimeout(kill);
    }
    await unmountUnder(directory);
    await removeCgroups(directory.slice(directory.lastIndexOf('/') + 1));
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await eventually(
      async () => {
        if (child.exitCode !== null) throw new Error(await readFile(join(directory, 'dockerd.log'), 'utf8'));
        await docker.ping();
        return true;
      },
      { timeoutMs: 30_000, everyMs: 50 },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { socket, directory, pid: child.pid ?? 0, stop };
}

/** crun refuses machines that have both kinds of control groups mounted; the engine gets to see the first kind only. */
const withoutUnifiedCgroups = [
  'unshare',
  '--mount',
  '--propagation',
  'private',
  'sh',
  '-c',
  'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"',
  'sh',
];

/** Why no engine can be started here; undefined when one can. */
export async function dockerMissing(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'not root';
  try {
    await run('dockerd', ['--version']);
    await run('/bin/busybox', ['true']);
    return undefined;
  } catch (error) {
    return String(error);
  }
}

export const testImage = 'coracle-test/busybox:latest';

/** Imports `coracle-test/busybox`: the machine's static busybox with its applets, and nothing else. No registry is asked. */
export async function buildTestImages(socket: string): Promise<void> {
  const docker = new Docker({ socketPath: socket });
  const busybox = await readFile('/bin/busybox');
  const { stdout } = await run('/bin/busybox', ['--list']);
  const archive = pack();
  for (const name of ['bin', 'etc', 'home', 'root', 'tmp', 'var']) {
    archive.entry({ name, type: 'directory', mode: name === 'tmp' ? 0o1777 : 0o755 });
  }
  archive.entry(
    { name: 'etc/passwd' },
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1001::/:/bin/sh\n',
  );
  archive.entry({ name: 'etc/group' }, 'root:x:0:\nnobody:x:65534:\napp:x:1001:\nmedia:x:4000:nobody,app\n');
  archive.entry({ name: 'bin/busybox', mode: 0o755 }, busybox);
  for (const applet of stdout.split('\n').filter((each) => each !== '' && each !== 'busybox')) {
    archive.entry({ name: `bin/${applet}`, type: 'symlink', linkname: 'busybox' });
  }
  archive.finalize();
  const [repo, tag] = testImage.split(':');
  const changes = ['ENV PATH=/bin', 'CMD ["/bin/sh"]'];
  const answer = await docker.importImage((await buffer(archive)) as never, { repo, tag, changes });
  const words = (await buffer(answer)).toString();
  if (words.includes('errorDetail')) throw new Error(words);
}

async function removeContainers(docker: Docker): Promise<void> {
  const containers = await docker.listContainers({ all: true });
  await Promise.all(containers.map((each) => docker.getContainer(each.Id).remove({ force: true, v: true })));
}

/** overlay2 where the directory's file system carries it, else copies of everything. */
async function storageDriver(directory: string): Promise<string> {
  const at = (name: string) => join(directory, 'try', name);
  for (const name of ['lower', 'upper', 'work', 'merged']) await mkdir(at(name), { recursive: true });
  const layers = `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`;
  try {
    await run('mount', ['-t', 'overlay', 'overlay', '-o', layers, at('merged')]);
    await run('umount', [at('merged')]);
    return 'overlay2';
  } catch {
    return 'vfs';
  } finally {
    await rm(join(directory, 'try'), { recursive: true, force: true });
  }
}

async function unmountUnder(directory: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((target) => target.startsWith(`${directory}/`));
  for (const target of mounts.reverse()) await run('umount', ['--lazy', target]);
}

/** The engine leaves the group it made for its containers' groups. */
async function removeCgroups(name: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '');
  for (const mount of new Set(mounts))
    await run('find', [join(mount, name), '-depth', '-type', 'd', '-delete']).catch(ignoreMissing);
}

/** `find` fails where there is no such group, and in the kernel's files that go with their directory. */
function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error)) throw error;
}
