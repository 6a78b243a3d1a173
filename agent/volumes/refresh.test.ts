import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConfigMap, Secret, Volume } from '../../shared/generated/types.ts';
import { VolumesScene } from '../../test/support/file-volumes.ts';
import { makePod } from '../../test/support/hollow-agent.ts';
import { configMap, podFacts, podInputs, secret } from '../../test/support/pod-inputs.ts';

let scene: VolumesScene;
beforeEach(async () => {
  scene = await VolumesScene.make();
});
afterEach(() => scene.close());

/** What the volume shows when these objects are there; or why it could not be brought up to date. */
async function shown(volume: Omit<Volume, 'name'>, ...objects: Array<ConfigMap | Secret>) {
  const pod = makePod('web', { volumes: [{ name: 'it', ...volume }] });
  const failures = await scene.volumes.prepare(pod, podInputs(...objects), podFacts);
  const place = scene.volume('it');
  const names = (await readdir(place).catch(() => [])).filter((name) => !name.startsWith('..'));
  const files = await Promise.all(
    names.map(async (name): Promise<[string, string]> => [name, await readFile(join(place, name), 'utf8')]),
  );
  return { files: Object.fromEntries(files), failures: failures.map(({ mounted }) => mounted) };
}

describe('a volume whose object', () => {
  it('is deleted keeps what it shows, and follows the object that comes back under its name', async () => {
    const volume = { configMap: { name: 'settings' } };
    expect(await shown(volume, configMap('settings', { a: '1', b: '1' }))).toEqual({
      files: { a: '1', b: '1' },
      failures: [],
    });
    expect(await shown(volume)).toEqual({ files: { a: '1', b: '1' }, failures: [true] });
    expect(await shown(volume, configMap('settings', { a: '2' }))).toEqual({ files: { a: '2' }, failures: [] });
  });

  it('is optional shows nothing while it is away, and its keys once it is there', async () => {
    const volume = { secret: { secretName: 'keys', optional: true } };
    expect(await shown(volume)).toEqual({ files: {}, failures: [] });
    expect(await shown(volume, secret('keys', { a: '1' }))).toEqual({ files: { a: '1' }, failures: [] });
    expect(await shown(volume)).toEqual({ files: {}, failures: [] });
  });

  it('loses a selected key keeps all of its content until the key is back', async () => {
    const items = ['a', 'b'].map((key) => ({ key, path: key }));
    const volume = { configMap: { name: 'settings', items } };
    await shown(volume, configMap('settings', { a: '1', b: '1' }));
    expect(await shown(volume, configMap('settings', { a: '2' }))).toEqual({
      files: { a: '1', b: '1' },
      failures: [true],
    });
    const both = configMap('settings', { a: '3', b: '3' });
    expect(await shown(volume, both)).toEqual({ files: { a: '3', b: '3' }, failures: [] });
    const optional = { configMap: { name: 'settings', items, optional: true } };
    expect(await shown(optional, configMap('settings', { a: '4' }))).toEqual({ files: { a: '4' }, failures: [] });
  });

  it('is one of several sources is not shown in part', async () => {
    const volume = { projected: { sources: [{ configMap: { name: 'settings' } }, { secret: { name: 'keys' } }] } };
    expect(await shown(volume, configMap('settings', { a: '1' }))).toEqual({ files: {}, failures: [false] });
    const all = [configMap('settings', { a: '1' }), secret('keys', { b: '1' })];
    expect(await shown(volume, ...all)).toEqual({ files: { a: '1', b: '1' }, failures: [] });
    expect(await shown(volume, configMap('settings', { a: '2' }))).toEqual({
      files: { a: '1', b: '1' },
      failures: [true],
    });
  });
});
