import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { type Pack, pack } from 'tar-stream';

/**
 * Images made of the machine's programs, without a registry or builder: archives for `docker load`. The same content has the same image
 * id on every engine.
 */
export interface ImageSpec {
  /** `coracle-demo/web:1` */
  readonly name: string;
  readonly files: readonly ImageFile[];
  readonly config: {
    readonly Cmd?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Env?: readonly string[];
    readonly WorkingDir?: string;
    readonly User?: string;
    readonly StopSignal?: string;
  };
}

export type ImageFile =
  | { readonly path: string; readonly content: Buffer | string; readonly mode?: number }
  | { readonly path: string; readonly link: string }
  | { readonly path: string; readonly directory: true; readonly mode?: number };

/** Only a static busybox: a shell, `httpd`, `nc` and so on. 2 MB. */
export function busyboxImage(name: string, cmd: readonly string[] = ['sh']): ImageSpec {
  return {
    name,
    files: [
      ...busyboxFiles(),
      { path: 'tmp', directory: true, mode: 0o1777 },
      { path: 'www', directory: true },
      ...accounts(),
    ],
    config: { Cmd: cmd, Env: ['PATH=/bin'], WorkingDir: '/' },
  };
}

/** The images of the demo and of the examples. `web` serves /www on port 8080; `shell` runs a command. */
export function demoImages(version = '1'): ImageSpec[] {
  return [
    busyboxImage(`coracle-demo/web:${version}`, ['httpd', '-f', '-p', '8080', '-h', '/www']),
    busyboxImage(`coracle-demo/shell:${version}`),
  ];
}

/** The archive, whole. */
export async function imageArchive(spec: ImageSpec): Promise<Buffer> {
  const layer = await tarOf((tar) => {
    for (const file of spec.files) addFile(tar, file);
  });
  const digest = createHash('sha256').update(layer).digest('hex');
  const config = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    // A fixed time: the image id is the digest of this text.
    created: '2026-01-01T00:00:00Z',
    config: spec.config,
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
    history: [{ created: '2026-01-01T00:00:00Z', created_by: 'coracle' }],
  });
  const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
  return tarOf((tar) => {
    tar.entry({ name: configName, mtime: epoch }, config);
    tar.entry({ name: `${digest}/layer.tar`, mtime: epoch }, layer);
    const manifest = [{ Config: configName, RepoTags: [spec.name], Layers: [`${digest}/layer.tar`] }];
    tar.entry({ name: 'manifest.json', mtime: epoch }, JSON.stringify(manifest));
  });
}

/** An archive that can be read several times. */
export function streamOf(archive: Buffer): Readable {
  return Readable.from(chunks(archive));
}

const epoch = new Date(0);

function busyboxFiles(): ImageFile[] {
  const binary = execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim();
  const applets = execFileSync(binary, ['--list'], { encoding: 'utf8' }).split('\n');
  return [
    { path: 'bin/busybox', content: readFileSync(binary), mode: 0o755 },
    ...applets
      .filter((applet) => applet !== '' && applet !== 'busybox')
      .map((applet): ImageFile => ({ path: `bin/${applet}`, link: 'busybox' })),
  ];
}

function accounts(): ImageFile[] {
  return [
    { path: 'etc/passwd', content: 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' },
    { path: 'etc/group', content: 'root:x:0:\nnogroup:x:65534:\n' },
  ];
}

function addFile(tar: Pack, file: ImageFile): void {
  if ('link' in file) tar.entry({ name: file.path, type: 'symlink', linkname: file.link, mtime: epoch });
  else if ('directory' in file)
    tar.entry({ name: file.path, type: 'directory', mode: file.mode ?? 0o755, mtime: epoch });
  else tar.entry({ name: file.path, mode: file.mode ?? 0o644, mtime: epoch }, file.content);
}

async function tarOf(fill: (tar: Pack) => void): Promise<Buffer> {
  const tar = pack();
  fill(tar);
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function* chunks(buffer: Buffer, size = 1 << 20): Generator<Buffer> {
  for (let at = 0; at < buffer.length; at += size) yield buffer.subarray(at, at + size);
}
