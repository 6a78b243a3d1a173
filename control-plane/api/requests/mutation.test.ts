import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../shared/clock.ts';
import type { Deployment } from '../../../shared/generated/types.ts';
import { kindNamed } from '../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { systemRandom } from '../../../shared/random.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { BrakedStore } from '../../../test/support/braked-store.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { MemoryStore } from '../../store/memory.ts';
import type { AdmissionPlugin } from '../admission/plugin.ts';
import type { Api, MutateOptions, PatchBody, RequestContext } from '../api.ts';
import { Pipeline } from '../pipeline.ts';
import { WriteCore } from './write-core.ts';

let store: BrakedStore;
let server: TestApi;
beforeEach(async () => {
  store = new BrakedStore(new MemoryStore({ clock: systemClock }));
  server = await startTestApi({ store });
});
afterEach(() => server.stop());

/** Another server on the same store, which has only these plugins. */
function apiWith(...plugins: AdmissionPlugin[]): Api {
  const core = new WriteCore({
    store,
    cache: server.cache,
    authorizer: { authorize: () => ({ allowed: true }) },
    clock: systemClock,
    random: systemRandom,
    plugins,
    writeHooks: [],
  });
  return new Pipeline({ core, handlers: {}, subresources: {} });
}

function contextOf(): RequestContext {
  return { identity: { user: 'ann', groups: [] }, signal: new AbortController().signal, warnings: [] };
}

/** Adds a label that names the verb; `seen` records its calls. */
function labelling(sync: boolean, seen: [string, unknown][] = []): AdmissionPlugin {
  const mutate: AdmissionPlugin['mutate'] = ({ verb }, object, old) => {
    seen.push([verb, old?.metadata.name]);
    object.metadata.labels = { ...object.metadata.labels, mutated: verb };
  };
  return {
    name: 'Labelling',
    rules: [{ verbs: ['create', 'update'], kinds: ['ConfigMap'] }],
    mutates: ['create', 'update'],
    mutate: sync
      ? mutate
      : async (...all) => {
          await new Promise((resolve) => setImmediate(resolve));
          await mutate(...all);
        },
  };
}

const entry = kindNamed('ConfigMap');
const target = { entry, namespace: 'default', name: 'a' };
const configMap = (data: Record<string, string>) => ({
  apiVersion: 'v1' as const,
  kind: 'ConfigMap' as const,
  metadata: { name: 'a', namespace: 'default' },
  data,
});
const patches: Record<PatchBody['type'], PatchBody> = {
  merge: { type: 'merge', body: { data: { x: 'merge' } } },
  strategic: { type: 'strategic', body: { data: { x: 'strategic' } } },
  json: { type: 'json', body: [{ op: 'add', path: '/data', value: { x: 'json' } }] },
  apply: { type: 'apply', body: configMap({ x: 'apply' }) },
};

describe.each([
  ['at once', true],
  ['after a wait', false],
] as const)('a plugin that mutates %s', (_when, sync) => {
  test('mutates the stored object of a create, an update and every kind of patch', async () => {
    const seen: [string, unknown][] = [];
    const api = apiWith(labelling(sync, seen));
    const { object } = await api.create(contextOf(), { entry, namespace: 'default' }, configMap({}));
    expect(object).toMatchObject({ metadata: { labels: { mutated: 'create' } } });
    const updated = await api.update(contextOf(), target, configMap({ x: 'update' }));
    expect(updated.object).toMatchObject({ metadata: { labels: { mutated: 'update' } }, data: { x: 'update' } });
    for (const patch of Object.values(patches)) {
      // Only a mutation brings the label back.
      const unlabel = { type: 'merge', body: { metadata: { labels: null } } } as const;
      await server.client.patch('ConfigMap', 'a', unlabel, { namespace: 'default' });
      const options: MutateOptions = patch.type === 'apply' ? { fieldManager: 'm', force: true } : {};
      const patched = await api.patch(contextOf(), target, patch, options);
      expect(patched.object).toMatchObject({
        metadata: { labels: { mutated: 'update' } },
        data: { x: patch.type },
      });
    }
    expect(await server.client.get('ConfigMap', 'a', 'default')).toMatchObject({
      metadata: { labels: { mutated: 'update' } },
    });
    expect(seen[0]).toEqual(['create', undefined]);
    expect(new Set(seen.slice(1).map(String))).toEqual(new Set(['update,a']));
  });

  test('mutates again when the request is decided again after a conflict', async () => {
    const seen: [string, unknown][] = [];
    const api = apiWith(labelling(sync, seen));
    const created = await server.client.create('ConfigMap', configMap({ x: '1' }));
    await eventually(() => server.cache.get('ConfigMap', 'default/a') !== undefined);
    store.watches.hold();
    await server.client.update('ConfigMap', { ...created, data: { x: '2' } });
    const { object } = await api.patch(contextOf(), target, { type: 'merge', body: { data: { y: '3' } } });
    expect(object).toMatchObject({ data: { x: '2', y: '3' }, metadata: { labels: { mutated: 'update' } } });
    expect(seen).toHaveLength(2);
  });
});

describe('a mutation on update', () => {
  const setReplicas = (replicas: number): AdmissionPlugin => ({
    name: 'Replicas',
    rules: [{ verbs: ['update'], kinds: ['Deployment'] }],
    mutates: ['update'],
    mutate: (_request, object) => {
      (object as Deployment).spec.replicas = replicas;
    },
  });
  const deployment = {
    metadata: { name: 'd', namespace: 'default' },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'd' } },
      template: { metadata: { labels: { app: 'd' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  };
  const at = { entry: kindNamed('Deployment'), namespace: 'default', name: 'd' };
  const relabel: PatchBody = { type: 'merge', body: { metadata: { labels: { a: 'b' } } } };

  test('counts for the generation', async () => {
    await server.client.create('Deployment', deployment);
    const { object } = await apiWith(setReplicas(5)).patch(contextOf(), at, relabel);
    expect(object).toMatchObject({ metadata: { generation: 2, labels: { a: 'b' } }, spec: { replicas: 5 } });
  });

  test('is validated like the client’s object', async () => {
    await server.client.create('Deployment', deployment);
    await expect(apiWith(setReplicas(-1)).patch(contextOf(), at, relabel)).rejects.toMatchObject({
      reason: 'Invalid',
      message: expect.stringContaining('spec.replicas'),
    });
  });

  test('is not the client’s: its fields are tracked before', async () => {
    await server.client.create('Deployment', deployment, { fieldManager: 'creator' });
    const { object } = await apiWith(setReplicas(5)).patch(contextOf(), at, relabel, { fieldManager: 'patcher' });
    const { managedFields } = (object as KubeObject).metadata;
    const owned = managedFields?.find(({ manager }) => manager === 'patcher');
    expect(JSON.stringify(owned?.fieldsV1)).toContain('f:a');
    expect(JSON.stringify(owned?.fieldsV1)).not.toContain('f:replicas');
  });

  test('refuses the update when it throws, and nothing is stored', async () => {
    await server.client.create('Deployment', deployment);
    const refusing: AdmissionPlugin = {
      ...setReplicas(1),
      mutate: async () => {
        throw new Error('no');
      },
    };
    await expect(apiWith(refusing).patch(contextOf(), at, relabel)).rejects.toThrow('no');
    expect((await server.client.get('Deployment', 'd', 'default')).metadata.labels).toBeUndefined();
  });
});
