import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, lstat, mkdir, readdir, readlink, stat } from 'node:fs/promises';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header, type Pack, pack } from 'tar-stream';
import { ApiError } from '../../shared/errors.ts';
import type { Status } from '../../shared/generated/types.ts';
import type { Connection, TunnelFrame } from '../../shared/session.ts';
import type { Cluster } from '../cluster.ts';
import { UsageError } from '../io.ts';
import { type CopyPath, entryPath, parseCopyPath } from './copy-paths.ts';
import { containerOf, podOf } from './pods.ts';

type Stream = Connection<TunnelFrame, TunnelFrame>;
type PodPath = Extract<CopyPath, { type: 'pod' }>;

/** Characters of standard error that are kept. */
const maxStderr = 4_096;

/** Copies files to or from a pod, by the `tar` of the container. */
export async function copy(
  cluster: Cluster,
  args: { source: string; target: string; container?: string; noPreserve: boolean },
): Promise<void> {
  const source = parseCopyPath(args.source);
  const target = parseCopyPath(args.target);
  if (source.type === target.type) {
    throw new UsageError(
      source.type === 'pod' ? 'one of the two must be on this machine' : 'one of the two must be a pod’s',
    );
  }
  if (source.type === 'pod' && target.type === 'local') return download(cluster, source, target.path, args);
  if (source.type === 'local' && target.type === 'pod') return upload(cluster, source.path, target, args);
}

/** Runs commands in one container. */
class Shell {
  readonly #cluster: Cluster;
  readonly #pod: string;
  readonly #container: string;
  readonly #namespace: string;

  private constructor(cluster: Cluster, pod: string, container: string) {
    this.#cluster = cluster;
    this.#pod = pod;
    this.#container = container;
    this.#namespace = cluster.namespace;
  }

  static async of(cluster: Cluster, path: PodPath, container: string | undefined): Promise<Shell> {
    const target = { ...cluster, namespace: path.namespace ?? cluster.namespace };
    const pod = await podOf(target, path.pod);
    return new Shell(target, pod.metadata.name, containerOf(pod, container, cluster.io).name);
  }

  run(command: readonly string[], stdin: boolean): Stream {
    const { client, io } = this.#cluster;
    const request = { type: 'exec', container: this.#container, command, stdin, stdout: true, stderr: true } as const;
    return client.connect({ namespace: this.#namespace, name: this.#pod }, request, io.signal);
  }

  async succeeds(command: readonly string[]): Promise<boolean> {
    const stream = this.run(command, false);
    try {
      return (await outcome(stream, async () => undefined)).status.status === 'Success';
    } finally {
      stream.close();
    }
  }
}

/** Reads to the last frame and passes standard output to `take`. */
async function outcome(
  stream: Stream,
  take: (data: Uint8Array) => Promise<void>,
): Promise<{ status: Status; stderr: string }> {
  let stderr = '';
  for await (const { channel, data } of stream.incoming) {
    if (channel === 1) await take(data);
    else if (channel === 2 && stderr.length < maxStderr) stderr += Buffer.from(data).toString();
    else if (channel === 3) return { status: JSON.parse(Buffer.from(data).toString()) as Status, stderr };
  }
  throw new ApiError('ServiceUnavailable', 'the stream was closed before the copy was done');
}

function check({ status, stderr }: { status: Status; stderr: string }): void {
  if (status.status === 'Success') return;
  if (status.reason !== 'NonZeroExitCode') throw ApiError.fromStatus(status);
  throw new UsageError(stderr.trim() || `tar in the container failed: ${status.message}`);
}

async function upload(
  cluster: Cluster,
  source: string,
  target: PodPath,
  { container, noPreserve }: { container?: string; noPreserve: boolean },
): Promise<void> {
  const found = await lstat(source).catch(() => undefined);
  if (!found) throw new UsageError(`${source} doesn't exist in local filesystem`);
  const shell = await Shell.of(cluster, target, container);
  let to = posix.normalize(target.path).replace(/(.)\/+$/, '$1');
  if (await shell.succeeds(['test', '-d', to])) to = posix.join(to, basename(resolve(source)));
  const directory = posix.dirname(to);
  const flags = noPreserve ? ['--no-same-permissions', '--no-same-owner'] : [];
  const stream = shell.run(['tar', ...flags, '-xmf', '-', ...(directory === '.' ? [] : ['-C', directory])], true);
  const archive = pack();
  const filling = addTree(archive, resolve(source), posix.basename(to)).then(() => archive.finalize());
  filling.catch((error: Error) => archive.destroy(error));
  const sending = (async () => {
    for await (const data of archive) await stream.send({ channel: 0, data: data as Uint8Array, end: false });
    await stream.send({ channel: 0, data: new Uint8Array(), end: true });
  })();
  sending.catch(() => undefined);
  try {
    // First the error of tar, not the one of sending to it.
    check(await outcome(stream, async () => undefined));
    await Promise.all([filling, sending]);
  } finally {
    archive.destroy();
    stream.close();
  }
}

/** Adds a file, a link, or a directory with its content. Other types are skipped. */
async function addTree(archive: Pack, path: string, name: string): Promise<void> {
  const found = await lstat(path);
  const header = { name, mode: found.mode & 0o7777, mtime: found.mtime };
  if (found.isDirectory()) {
    await entry(archive, { ...header, name: `${name}/`, type: 'directory' });
    for (const child of (await readdir(path)).sort())
      await addTree(archive, join(path, child), posix.join(name, child));
  } else if (found.isSymbolicLink()) {
    await entry(archive, { ...header, type: 'symlink', linkname: await readlink(path) });
  } else if (found.isFile()) {
    await addFile(archive, path, { ...header, type: 'file', size: found.size });
  }
}

async function addFile(
  archive: Pack,
  path: string,
  header: Partial<Header> & { name: string; size: number },
): Promise<void> {
  if (header.size === 0) return entry(archive, header);
  const sink = archive.entry(header);
  // A file that grows meanwhile is copied up to its size in the header.
  await pipeline(createReadStream(path, { end: header.size - 1 }), sink);
}

function entry(archive: Pack, header: Partial<Header> & { name: string }): Promise<void> {
  return new Promise((resolvePromise, reject) => {
    // With an empty body: tar-stream waits for one of a file.
    archive.entry(header, '', (error) => (error ? reject(error) : resolvePromise()));
  });
}

async function download(
  cluster: Cluster,
  source: PodPath,
  target: string,
  { container, noPreserve }: { container?: string; noPreserve: boolean },
): Promise<void> {
  const { io } = cluster;
  const shell = await Shell.of(cluster, source, container);
  const isDirectory = (await stat(target).catch(() => undefined))?.isDirectory() ?? false;
  const name = posix.basename(posix.normalize(source.path));
  const root = resolve(isDirectory && name !== '' && name !== '.' && name !== '/' ? join(target, name) : target);
  const stream = shell.run(['tar', 'cf', '-', source.path], false);
  const bytes = new PassThrough();
  const unpacking = unpack(bytes, source.path, root, noPreserve, (warning) => io.err(`warning: ${warning}\n`));
  unpacking.catch((error: Error) => bytes.destroy(error));
  try {
    const ended = await outcome(stream, (data) => write(bytes, data));
    bytes.end();
    const files = await unpacking;
    check(ended);
    if (files === 0) throw new UsageError(`error: ${source.path} no such file or directory`);
  } finally {
    bytes.destroy();
    stream.close();
  }
}

function write(stream: PassThrough, data: Uint8Array): Promise<void> {
  return new Promise((done, reject) => stream.write(data, (error) => (error ? reject(error) : done())));
}

/**
 * Writes the archive below `root` and nothing outside of it: names that lead out are skipped, links are not created, and existing links are
 * not followed. Returns the number of entries.
 */
export async function unpack(
  archive: Readable,
  source: string,
  root: string,
  noPreserve: boolean,
  warn: (text: string) => void,
): Promise<number> {
  const reader = extract();
  const reading = pipeline(archive, reader);
  reading.catch(() => undefined);
  let entries = 0;
  for await (const one of reader) {
    const { name, type, mode = 0o644, linkname } = one.header;
    entries++;
    const place = entryPath(source, name);
    if (place === undefined) {
      warn(`file ${JSON.stringify(name)} is outside target destination, skipping`);
      one.resume();
      continue;
    }
    const path = join(root, place);
    const permissions = noPreserve ? undefined : mode & 0o777;
    if (type === 'directory') {
      await makeDirectory(root, place);
      one.resume();
    } else if (type === 'file' || type === 'contiguous-file') {
      if (place === '') await mkdir(dirname(root), { recursive: true });
      else await makeDirectory(root, posix.dirname(place));
      if (place !== '' && (await lstat(path).catch(() => undefined))?.isSymbolicLink()) throw escapes(path);
      await pipeline(one, createWriteStream(path));
      if (permissions !== undefined) await chmod(path, permissions);
    } else {
      const what = type === 'symlink' || type === 'link' ? `symlink: ${name} -> ${linkname}` : `${type}: ${name}`;
      warn(`skipping ${what}`);
      one.resume();
    }
  }
  await reading;
  return entries;
}

/** Creates the missing directories from `root` to `place`. Throws UsageError if one of them is a link. */
async function makeDirectory(root: string, place: string): Promise<void> {
  await mkdir(root, { recursive: true });
  let path = root;
  for (const part of place.split('/').filter((each) => each !== '' && each !== '.')) {
    path = join(path, part);
    const found = await lstat(path).catch(() => undefined);
    if (found?.isSymbolicLink()) throw escapes(path);
    if (!found) await mkdir(path);
  }
}

function escapes(path: string): UsageError {
  return new UsageError(`${path} is a link that leads out of the target: not written`);
}
