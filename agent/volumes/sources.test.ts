import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ConfigMap, Pod, PodSpec, Secret, Volume, VolumeProjection } from '../../shared/generated/types.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { configMap, podFacts, podInputs, secret } from '../../test/support/pod-inputs.ts';
import { ConfigError, type PodInputs } from '../pod/inputs.ts';
import { type Mounter, systemMounter } from './mounter.ts';
import type { Payload } from './payload.ts';
import { contentOf, sourceOf } from './sources.ts';

type Source = Partial<Volume>;

const payloadOf = (pod: Pod, volume: Volume, inputs: PodInputs): Payload | undefined =>
  contentOf(volume, { pod, inputs, facts: podFacts });

/** Path → text and mode. */
function filesOf(
  volume: Source,
  objects: ReadonlyArray<ConfigMap | Secret> = [],
  spec: Partial<PodSpec> = {},
  more: Partial<PodInputs> = {},
): Record<string, [string, string, number?]> | undefined {
  const pod = makePod('web', spec, { labels: { tier: 'a' } });
  const payload = payloadOf(pod, { name: 'it', ...volume }, { ...podInputs(...objects), ...more });
  const files = [...(payload ?? [])].map(([path, { data, mode, owner }]) => [
    path,
    [data.toString(), mode.toString(8), ...(owner === undefined ? [] : [owner])],
  ]);
  return payload && Object.fromEntries(files);
}

const projected = (...sources: VolumeProjection[]): Source => ({ projected: { sources } });
const settings = configMap('settings', { a: '1', b: '2' });
const keys = secret('keys', { c: '3', d: '4' });
const token: VolumeProjection = { serviceAccountToken: { path: 'token' } };
const tokens = { token: () => 'hidden' };

describe('the files of a volume', () => {
  it('are all keys of a ConfigMap or Secret, readable by all unless it says otherwise', () => {
    expect(filesOf({ configMap: { name: 'settings' } }, [settings])).toEqual({ a: ['1', '644'], b: ['2', '644'] });
    expect(filesOf({ secret: { secretName: 'keys' } }, [keys])).toEqual({ c: ['3', '644'], d: ['4', '644'] });
    expect(filesOf({ secret: { secretName: 'keys', defaultMode: 0o400 } }, [keys])).toEqual({
      c: ['3', '400'],
      d: ['4', '400'],
    });
    expect(filesOf({ configMap: { name: 'settings', defaultMode: 0 } }, [settings])).toMatchObject({ a: ['1', '0'] });
  });

  it('are the bytes of a ConfigMap’s binary keys beside its texts', () => {
    const binaryData = { raw: Buffer.from([0, 255, 128]).toString('base64') };
    const volume = { name: 'it', configMap: { name: 'settings' } };
    const payload = payloadOf(makePod('web'), volume, podInputs({ ...settings, binaryData }));
    expect([...(payload ?? []).keys()]).toEqual(['a', 'b', 'raw']);
    expect([...(payload?.get('raw')?.data ?? [])]).toEqual([0, 255, 128]);
    const { data: _, ...binary } = { ...settings, binaryData };
    expect([...(payloadOf(makePod('web'), volume, podInputs(binary)) ?? []).keys()]).toEqual(['raw']);
  });

  it('are only the items that are named, at their paths and with their modes', () => {
    const items = [
      { key: 'a', path: 'deep/one', mode: 0o600 },
      { key: 'a', path: 'two', mode: 0 },
      { key: 'b', path: 'three' },
    ];
    expect(filesOf({ configMap: { name: 'settings', items, defaultMode: 0o640 } }, [settings])).toEqual({
      'deep/one': ['1', '600'],
      two: ['1', '0'],
      three: ['2', '640'],
    });
    expect(filesOf({ secret: { secretName: 'keys', items: [{ key: 'd', path: 'x', mode: 0o440 }] } }, [keys])).toEqual({
      x: ['4', '440'],
    });
    expect(filesOf({ configMap: { name: 'settings', items: [] } }, [settings])).toMatchObject({ a: ['1', '644'] });
  });

  it('need their object and its keys, each unless it is optional', () => {
    const items = [
      { key: 'gone', path: 'x' },
      { key: 'a', path: 'y' },
      { key: 'c', path: 'z' },
    ];
    const map = (more: object) => filesOf({ configMap: { name: 'settings', ...more } }, [settings]);
    const key = (more: object) => filesOf({ secret: { secretName: 'keys', ...more } }, [keys]);
    expect(() => map({ items })).toThrow('references non-existent config key: gone');
    expect(() => key({ items, optional: false })).toThrow('references non-existent config key: gone');
    expect(map({ items, optional: true })).toEqual({ y: ['1', '644'] });
    expect(key({ items, optional: true })).toEqual({ z: ['3', '644'] });
    expect(() => map({ name: 'none' })).toThrow('configmap "none" not found');
    expect(() => key({ secretName: 'none', optional: false })).toThrow('secret "none" not found');
    expect(map({ name: 'none', optional: true, items })).toEqual({});
    expect(key({ secretName: 'none', optional: true })).toEqual({});
  });

  it('are those of objects of the pod’s namespace, also of ones that hold nothing', () => {
    const elsewhere = [configMap('settings', { a: '1' }, 'other'), secret('keys', { c: '1' }, 'other')];
    expect(() => filesOf({ configMap: { name: 'settings' } }, elsewhere)).toThrow('not found');
    expect(() => filesOf({ secret: { secretName: 'keys' } }, elsewhere)).toThrow('not found');
    const { data: _, ...map } = settings;
    const { data: __, ...bare } = keys;
    expect(filesOf({ configMap: { name: 'settings' } }, [map])).toEqual({});
    expect(filesOf({ secret: { secretName: 'keys' } }, [bare])).toEqual({});
  });

  it('show fields and resources, each with its mode', () => {
    const items = [
      { path: 'tier', fieldRef: { fieldPath: "metadata.labels['tier']" } },
      { path: 'cpu', resourceFieldRef: { containerName: 'app', resource: 'limits.cpu' }, mode: 0o400 },
      { path: 'zero', fieldRef: { fieldPath: 'metadata.name' }, mode: 0 },
    ];
    expect(filesOf({ downwardAPI: { items, defaultMode: 0o604 } })).toEqual({
      tier: ['a', '604'],
      cpu: ['4', '400'],
      zero: ['web', '0'],
    });
    expect(filesOf({ downwardAPI: {} })).toEqual({});
    expect(() =>
      filesOf({ downwardAPI: { items: [{ path: 'x', resourceFieldRef: { resource: 'limits.cpu' } }] } }),
    ).toThrow(ConfigError);
  });

  it('are those of all sources of a projected volume, the later one’s where two have the same path', () => {
    const sources: VolumeProjection[] = [
      { configMap: { name: 'settings' } },
      { secret: { name: 'keys', items: [{ key: 'c', path: 'a', mode: 0o400 }] } },
      { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
      token,
    ];
    expect(filesOf({ projected: { sources, defaultMode: 0o640 } }, [settings, keys], {}, tokens)).toEqual({
      a: ['3', '400'],
      b: ['2', '640'],
      name: ['web', '640'],
      token: ['hidden', '640'],
    });
    expect(filesOf({ projected: {} })).toEqual({});
    const optional = projected({ configMap: { name: 'none', optional: true } }, { secret: { name: 'keys' } });
    expect(filesOf(optional, [keys])).toEqual({ c: ['3', '644'], d: ['4', '644'] });
    expect(() => filesOf(projected({ secret: { name: 'keys' } }, { secret: { name: 'none' } }), [keys])).toThrow(
      'secret "none" not found',
    );
  });

  it('are none of a volume that shows no objects', () => {
    expect(filesOf({ emptyDir: {} })).toBeUndefined();
    expect(filesOf({ hostPath: { path: '/srv' } })).toBeUndefined();
  });

  it.each(['/x', '../x', 'a/../x', './x', 'a//x', 'a/', '', '.', '..', '..x', '..data/x'])(
    'never lie outside of it, nor where the volume keeps its own: %j',
    (path) => {
      const fieldRef = { fieldPath: 'metadata.name' };
      expect(() => filesOf({ configMap: { name: 'settings', items: [{ key: 'a', path }] } }, [settings])).toThrow(
        'invalid',
      );
      expect(() => filesOf({ downwardAPI: { items: [{ path, fieldRef }] } })).toThrow('invalid path');
      expect(() => filesOf(projected({ serviceAccountToken: { path } }), [], {}, tokens)).toThrow('invalid path');
      expect(() => filesOf({ configMap: { name: 'odd' } }, [configMap('odd', { [path]: 'x' })])).toThrow(
        'invalid path',
      );
    },
  );

  it('may have dots in their names', () => {
    const items = ['a..b', '.hidden', 'deep/..x', 'a.b/c'].map((path) => ({ key: 'a', path }));
    expect(Object.keys(filesOf({ configMap: { name: 'settings', items } }, [settings]) ?? {})).toHaveLength(4);
  });
});

describe('a token in a volume', () => {
  const tokenFile = (spec: Partial<PodSpec>, mode?: number) =>
    filesOf({ projected: { sources: [token], ...(mode === undefined ? {} : { defaultMode: mode }) } }, [], spec, tokens)
      ?.token;
  const as = (...users: Array<number | undefined>) =>
    users.map((runAsUser, i) => container(`c${i}`, runAsUser === undefined ? {} : { securityContext: { runAsUser } }));

  it('is readable as the volume says where it is not known who has to read it', () => {
    expect(tokenFile({})).toEqual(['hidden', '644']);
    expect(tokenFile({}, 0o440)).toEqual(['hidden', '440']);
    expect(tokenFile({ containers: as(7, 8) })).toEqual(['hidden', '644']);
    expect(tokenFile({ containers: as(7, undefined) })).toEqual(['hidden', '644']);
    expect(tokenFile({ initContainers: as(undefined), containers: as(7) })).toEqual(['hidden', '644']);
    expect(tokenFile({ containers: as(7), ephemeralContainers: as(8) })).toEqual(['hidden', '644']);
  });

  it('belongs to the user that all containers run as, and no other may read it', () => {
    expect(tokenFile({ containers: as(7, 7) })).toEqual(['hidden', '600', 7]);
    expect(tokenFile({ containers: as(undefined, 7), securityContext: { runAsUser: 7 } })).toEqual([
      'hidden',
      '600',
      7,
    ]);
    expect(tokenFile({ initContainers: as(7), containers: as(7), ephemeralContainers: as(7) }, 0o644)).toEqual([
      'hidden',
      '600',
      7,
    ]);
    expect(tokenFile({ containers: as(0) })).toEqual(['hidden', '600', 0]);
    expect(tokenFile({ containers: as(7, 8), securityContext: { runAsUser: 7 } })).toEqual(['hidden', '644']);
  });

  it('is for the pod’s group alone where it has one', () => {
    expect(tokenFile({ securityContext: { fsGroup: 9 } })).toEqual(['hidden', '600']);
    expect(tokenFile({ containers: as(7, 8), securityContext: { fsGroup: 0 } })).toEqual(['hidden', '600']);
  });

  it('is left out where the pod goes without, and refused by a node that has none', () => {
    expect(filesOf(projected(token), [], {}, { token: () => undefined })).toEqual({});
    expect(filesOf(projected(token), [], {}, { token: () => '' })).toEqual({ token: ['', '644'] });
    expect(() => filesOf(projected(token))).toThrow('failed to fetch token: this node has none for the pod');
  });
});

it('secrets and projected volumes belong into memory, ConfigMaps and fields do not', async () => {
  const path = await mkdtemp(join(tmpdir(), 'coracle-sources-'));
  try {
    const of = async (source: Source) => {
      const mounted: string[] = [];
      const mounter: Mounter = {
        ...systemMounter,
        below: async () => [],
        tmpfs: async (point) => void mounted.push(point),
        unmount: () => Promise.reject(new Error('nothing is mounted')),
      };
      const volume: Volume = { name: 'it', ...source };
      const { kind, source: given } = sourceOf(volume);
      const inputs = podInputs(configMap('settings', {}), secret('keys', {}));
      await kind.prepare(given, {
        pod: makePod('web'),
        inputs,
        facts: podFacts,
        path: join(path, 'it'),
        mounter,
        name: 'it',
        localRoot: '/none',
      });
      await rm(join(path, 'it'), { recursive: true });
      return mounted.length > 0;
    };
    expect([await of({ secret: { secretName: 'keys' } }), await of({ projected: {} })]).toEqual([true, true]);
    expect([
      await of({ configMap: { name: 'settings' } }),
      await of({ downwardAPI: {} }),
      await of({ emptyDir: {} }),
    ]).toEqual([false, false, false]);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
});

it('a source that the agent does not have is named', () => {
  expect(() => sourceOf({ name: 'it', flocker: { datasetName: 'x' } })).toThrow('flocker');
  expect(() => sourceOf({ name: 'it' })).toThrow('not supported: none');
});
