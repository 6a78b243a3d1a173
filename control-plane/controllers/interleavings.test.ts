import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Patch, PatchOptions } from '../../shared/client.ts';
import { systemClock } from '../../shared/clock.ts';
import type { DeleteOptions, Kind, KindMap, OwnerReference } from '../../shared/generated/types.ts';
import { startTestApi, type TestApi } from '../../test/support/api-server.ts';
import { ControllerRoom } from '../../test/support/controller-room.ts';
import { startControllers } from '../../test/support/controllers.ts';
import { eventually } from '../../test/support/eventually.ts';
import { component } from '../api/auth/identity.ts';
import { LocalClient } from '../api/local-client.ts';
import { createGarbageCollector } from './garbage-collector/controller.ts';
import { createNamespaceController } from './namespace/controller.ts';
import { createNodeLifecycleController } from './node-lifecycle/controller.ts';

type Slip = (verb: string, kind: Kind, name: string) => Promise<unknown> | undefined;

/** A controller's client that lets another client write just before a write of the controller. */
class Overtaken extends LocalClient {
  readonly #slip: Slip;

  constructor(server: TestApi, slip: Slip) {
    super({ api: server.api, identity: component('test'), clock: systemClock });
    this.#slip = slip;
  }

  override async delete(kind: Kind, name: string, options?: DeleteOptions & { namespace?: string }): Promise<void> {
    await this.#slip('delete', kind, name);
    return super.delete(kind, name, options);
  }

  override async patch<K extends Kind>(kind: K, name: string, patch: Patch, options?: PatchOptions) {
    await this.#slip('patch', kind, name);
    return super.patch(kind, name, patch, options);
  }

  override async updateStatus<K extends Kind>(kind: K, object: KindMap[K]): Promise<KindMap[K]> {
    await this.#slip('updateStatus', kind, object.metadata?.name ?? '');
    return super.updateStatus(kind, object);
  }
}

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

/** Another client's write, once, just before the controller's. */
function once(verb: string, kind: Kind, name: string, write: () => Promise<unknown>): Slip {
  let done = false;
  return (...call) => {
    if (done || call.join() !== [verb, kind, name].join()) return undefined;
    done = true;
    return write();
  };
}

const namespace = 'default';
const spec = { containers: [{ name: 'main', image: 'some:1' }] };

it('an object that loses its owner reference just before it is collected is kept', async () => {
  const { client } = server;
  const gone: OwnerReference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: 'gone' };
  const slip = once('delete', 'ConfigMap', 'let-go', () =>
    client.patch(
      'ConfigMap',
      'let-go',
      { type: 'merge', body: { metadata: { ownerReferences: null } } },
      { namespace },
    ),
  );
  const stop = await startControllers(new Overtaken(server, slip), createGarbageCollector);
  try {
    const owned = (name: string) =>
      client.create('ConfigMap', { metadata: { name, namespace, ownerReferences: [gone] } });
    await owned('let-go');
    await owned('other');
    await eventually(
      async () =>
        !(await client.list('ConfigMap', { namespace })).items.some(({ metadata }) => metadata.name === 'other'),
    );
    await owned('later');
    await eventually(
      async () =>
        !(await client.list('ConfigMap', { namespace })).items.some(({ metadata }) => metadata.name === 'later'),
    );
    expect((await client.get('ConfigMap', 'let-go', namespace)).metadata.ownerReferences ?? []).toEqual([]);
  } finally {
    await stop();
  }
});

it('a namespace is kept when a finalizer is added just before its release', async () => {
  const { client } = server;
  const hold = 'example.org/hold';
  const slip = once('patch', 'Namespace', 'team', () =>
    client.patch(
      'Namespace',
      'team',
      { type: 'merge', body: { spec: { finalizers: ['kubernetes', hold] } } },
      { subresource: 'finalize' },
    ),
  );
  const stop = await startControllers(new Overtaken(server, slip), createNamespaceController);
  try {
    await client.create('Namespace', { metadata: { name: 'team' } });
    await client.delete('Namespace', 'team');
    await eventually(async () => (await client.get('Namespace', 'team')).spec?.finalizers?.join() === hold);
  } finally {
    await stop();
  }
});

it('a pod that changes just before its node is found lost is still set to not ready', async () => {
  const { client } = server;
  const lifecycle = (slip: Slip) =>
    startControllers(new Overtaken(server, slip), (deps) =>
      createNodeLifecycleController(deps, { leaseMs: 0, startupMs: 0 }),
    );
  await client.create('Node', { metadata: { name: 'lost' }, spec: {} });
  const stopFirst = await lifecycle(() => undefined);
  await eventually(async () => ((await client.get('Node', 'lost')).spec.taints ?? []).length >= 2);
  await stopFirst();
  await client.create('Pod', { metadata: { name: 'web', namespace }, spec: { ...spec, nodeName: 'lost' } });
  const ready = { type: 'Ready', status: 'True' };
  const options = { namespace, subresource: 'status' } as const;
  await client.patch('Pod', 'web', { type: 'strategic', body: { status: { conditions: [ready] } } }, options);
  const stop = await lifecycle(
    once('updateStatus', 'Pod', 'web', () =>
      client.patch('Pod', 'web', { type: 'merge', body: { metadata: { labels: { changed: 'yes' } } } }, { namespace }),
    ),
  );
  try {
    await eventually(async () => {
      const { status } = await client.get('Pod', 'web', namespace);
      return status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'False');
    });
  } finally {
    await stop();
  }
});

it('a pod that takes the name of one evicted from a lost node, just before that one is deleted, is kept', async () => {
  const room = await ControllerRoom.start((deps) =>
    createNodeLifecycleController(deps, { leaseMs: 0, startupMs: 3_600_000 }),
  );
  try {
    const place = (nodeName: string) =>
      room.client.create('Pod', { metadata: { name: 'web', namespace }, spec: { ...spec, nodeName } });
    await room.client.create('Node', { metadata: { name: 'there' }, spec: {} });
    const held = room.braked.writes.hold({ match: ({ verb }) => verb === 'delete' });
    await place('lost');
    await room.advance();
    expect(await held.arrived).toMatchObject({ kind: 'Pod', name: 'web' });
    await room.client.delete('Pod', 'web', { namespace, gracePeriodSeconds: 0 });
    const { metadata } = await place('there');
    held.release();
    await room.advance(1_000);
    expect((await room.client.get('Pod', 'web', namespace)).metadata.uid).toBe(metadata.uid);
  } finally {
    await room.stop();
  }
});
