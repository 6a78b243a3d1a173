import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import { type AccountFiles, RuntimeError } from '../runtime.ts';
import { type Engine, isConflict } from './engine.ts';
import { scratchLabels } from './labels.ts';

/** The most bytes of an account file. */
const maxBytes = 256 * 1024;
const maxLinks = 8;
/** The most images whose files are cached. */
const maxKept = 32;

/**
 * The account files of images. The engine shows an image's files only through a container: one is created, read and removed without a
 * start. `list` removes those that a former process has left.
 */
export class ImageAccounts {
  readonly #engine: Engine;
  readonly #scope: string;
  /** By image id; failures are not kept. */
  readonly #kept = new Map<string, Promise<AccountFiles>>();

  constructor(engine: Engine, scope: string) {
    this.#engine = engine;
    this.#scope = scope;
  }

  /** Throws RuntimeError: `ImageNotFound`, `Unavailable`, and `Start` for a file that is too long. */
  async of(image: string, signal?: AbortSignal): Promise<AccountFiles> {
    const id = (await this.#engine.findImage(image, signal))?.Id;
    if (id === undefined) throw new RuntimeError('ImageNotFound', `no such image: ${image}`);
    const cached = this.#kept.get(id);
    if (cached) return cached;
    if (this.#kept.size >= maxKept) this.#kept.clear();
    const files = this.#read(id);
    this.#kept.set(id, files);
    files.catch(() => this.#kept.delete(id));
    return files;
  }

  async #read(image: string): Promise<AccountFiles> {
    const id = await this.#create(image);
    try {
      return { passwd: await this.#file(id, '/etc/passwd'), group: await this.#file(id, '/etc/group') };
    } finally {
      await this.#remove(id);
    }
  }

  async #create(image: string): Promise<string> {
    const config = {
      name: `coracle_accounts_${this.#scope}_${image.replace(/[^a-z0-9]/g, '_')}`,
      Image: image,
      Entrypoint: ['/'],
      Labels: { ...scratchLabels(this.#scope) },
      HostConfig: { NetworkMode: 'none' },
    };
    const { docker } = this.#engine;
    const create = () =>
      this.#engine.work('create container', (abortSignal) => docker.createContainer({ ...config, abortSignal }), {});
    try {
      return (await create()).id;
    } catch (error) {
      if (!isConflict(error)) throw error;
      await this.#remove(config.name);
      return (await create()).id;
    }
  }

  async #remove(container: string): Promise<void> {
    await this.#engine.find('remove container', () =>
      this.#engine.docker.getContainer(container).remove({ force: true, v: true }),
    );
  }

  /** The text of a file; links are followed within the container. Empty when there is none. */
  async #file(container: string, path: string): Promise<string> {
    let current = path;
    for (let links = 0; links <= maxLinks; links++) {
      const found = await this.#engine.find('read from image', async (abortSignal) =>
        firstEntry(
          await this.#engine.docker.getContainer(container).getArchive({ path: current, abortSignal } as never),
        ),
      );
      if (found === undefined) return '';
      if ('text' in found) return found.text;
      current = posix.resolve(posix.dirname(current), found.link);
    }
    throw new RuntimeError('Start', `${path} of the image: too many levels of symbolic links`);
  }
}

/** The only file of an archive; undefined when it is neither a file nor a link. */
async function firstEntry(archive: NodeJS.ReadableStream): Promise<{ text: string } | { link: string } | undefined> {
  const entries = extract();
  (archive as Readable).on('error', (error) => entries.destroy(error)).pipe(entries);
  try {
    for await (const entry of entries) {
      const { type, linkname, name, size = 0 } = entry.header;
      if (type === 'symlink') return { link: linkname ?? '' };
      if (type !== 'file') return undefined;
      if (size > maxBytes) throw new RuntimeError('Start', `${name} of the image has more than ${maxBytes} bytes`);
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry) chunks.push(chunk as Uint8Array);
      return { text: Buffer.concat(chunks).toString('utf8') };
    }
    return undefined;
  } finally {
    (archive as Readable).destroy();
  }
}
