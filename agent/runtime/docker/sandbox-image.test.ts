import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import type { Engine } from './engine.ts';
import { ensureSandboxImage, sandboxImage } from './sandbox-image.ts';

const ours = `sha256:${'a'.repeat(64)}`;

/** An engine that has these images by name, and imports. */
function engineWith(images: Record<string, { Id: string; layers: readonly string[] }>) {
  const imported: Buffer[] = [];
  const engine = {
    async findImage(name: string) {
      const found = images[name];
      return found && { Id: found.Id, RootFS: { Type: 'layers', Layers: [...found.layers] } };
    },
    call: (_what: string, request: (signal: AbortSignal) => Promise<unknown>) => request(new AbortController().signal),
    docker: {
      async importImage(tar: Buffer) {
        imported.push(tar);
        return Readable.from([Buffer.from(`{"status":"${ours}"}\r\n`)]);
      },
    },
  };
  return { imported, engine: engine as unknown as Engine };
}

it('a sandbox runs the program that is made here, whatever image a pod had pulled under its name', async () => {
  const { name } = sandboxImage('x86_64');
  const first = engineWith({});
  expect(await ensureSandboxImage(first.engine, 'x86_64')).toBe(ours);
  const [tar] = first.imported;
  const layer = `sha256:${createHash('sha256')
    .update(tar ?? '')
    .digest('hex')}`;

  for (const layers of [['sha256:evil'], [layer, 'sha256:evil'], []]) {
    const pulled = engineWith({ [name]: { Id: 'sha256:pulled', layers } });
    expect(await ensureSandboxImage(pulled.engine, 'x86_64')).toBe(ours);
    expect(pulled.imported).toHaveLength(1);
  }
  const there = engineWith({ [name]: { Id: 'sha256:there', layers: [layer] } });
  expect(await ensureSandboxImage(there.engine, 'x86_64')).toBe('sha256:there');
  expect(there.imported).toEqual([]);
});

it('an import that the engine refuses makes no sandbox', async () => {
  const { engine } = engineWith({});
  engine.docker.importImage = async () => Readable.from([Buffer.from('{"errorDetail":{"message":"no space"}}')]);
  await expect(ensureSandboxImage(engine, 'x86_64')).rejects.toMatchObject({ code: 'ImagePull' });
});
