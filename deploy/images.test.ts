import { createHash } from 'node:crypto';
import { extract } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { type ImageSpec, imageArchive, streamOf } from './images.ts';

const spec: ImageSpec = {
  name: 'a/b:1',
  files: [
    { path: 'bin/run', content: '#!/bin/sh\n', mode: 0o755 },
    { path: 'bin/again', link: 'run' },
    { path: 'www', directory: true },
  ],
  config: { Cmd: ['run'], Env: ['A=1'] },
};

describe('imageArchive', () => {
  it('makes the same bytes of the same content, so that every engine knows the image by one id', async () => {
    expect(Buffer.compare(await imageArchive(spec), await imageArchive(structuredClone(spec)))).toBe(0);
  });

  it('names its config and its layer by their digests, as an engine checks', async () => {
    const entries = await read(await imageArchive(spec));
    const [image] = JSON.parse(entries.get('manifest.json')?.toString() ?? '[]') as [
      { Config: string; RepoTags: string[]; Layers: [string] },
    ];
    const config = entries.get(image.Config) ?? Buffer.alloc(0);
    const layer = entries.get(image.Layers[0]) ?? Buffer.alloc(0);
    expect(image.RepoTags).toEqual(['a/b:1']);
    expect(image.Config).toBe(`${sha256(config)}.json`);
    expect(JSON.parse(config.toString())).toMatchObject({
      config: { Cmd: ['run'], Env: ['A=1'] },
      rootfs: { diff_ids: [`sha256:${sha256(layer)}`] },
    });
    expect([...(await read(layer)).keys()]).toEqual(['bin/run', 'bin/again', 'www']);
  });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function read(tar: Buffer): Promise<Map<string, Buffer>> {
  const entries = new Map<string, Buffer>();
  const reader = streamOf(tar).pipe(extract());
  for await (const entry of reader) {
    const parts: Buffer[] = [];
    for await (const part of entry) parts.push(part as Buffer);
    entries.set(entry.header.name, Buffer.concat(parts));
  }
  return entries;
}
