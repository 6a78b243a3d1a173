import { afterEach, describe, expect, it } from 'vitest';
import { formatTime } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { Node, Pod } from '../../../shared/generated/types.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createNodeLifecycleController } from './controller.ts';

const namespace = 'default';
const leases = 'kube-node-lease';
const leaseMs = 5_000;
let room: ControllerRoom;
afterEach(() => room.stop());

async function start(startupMs = 0): Promise<void> {
  room = await ControllerRoom.start((deps) => createNodeLifecycleController(deps, { leaseMs, startupMs }));
}
const lease = (name = 'n') => room.client.create('Lease', { metadata: { name, namespace: leases }, spec: {} });
const dropLease = async (name = 'n', ms = 1_000) => {
  await room.client.delete('Lease', name, { namespace: leases });
  await room.advance(ms);
};
async function setReady(status: string, name = 'n', more: object = {}): Promise<void> {
  const lastTransitionTime = formatTime(room.clock.now());
  const body = { status: { conditions: [{ type: 'Ready', status, lastTransitionTime }], ...more } };
  await room.client.patch('Node', name, { type: 'merge', body }, { subresource: 'status' });
  await room.advance();
}
/** A ready node with a lease. */
async function join(name = 'n'): Promise<void> {
  await lease(name);
  await room.client.create('Node', { metadata: { name }, spec: {} });
  await setReady('True', name);
}
const node = (name = 'n'): Promise<Node> => room.client.get('Node', name);
const taints = async () =>
  ((await node()).spec.taints ?? []).map(({ key, effect }) => `${key.replace('node.kubernetes.io/', '')}:${effect}`);
const lostTaints = ['unreachable:NoSchedule', 'unreachable:NoExecute'];
const unreadyTaints = ['not-ready:NoSchedule', 'not-ready:NoExecute'];

const stays = { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' } as const;
/** The API gives pods a toleration of five minutes for unreachable and not-ready nodes, unless they have their own. */
const waits = (tolerationSeconds: number, key: string = stays.key) => ({ ...stays, key, tolerationSeconds });
async function place(name: string, tolerations: object[] = [], spec: object = {}, ready = true): Promise<Pod> {
  const containers = [{ name: 'main', image: 'some:1' }];
  const pod = await room.client.create('Pod', {
    metadata: { name, namespace },
    spec: { containers, nodeName: 'n', tolerations, ...spec } as never,
  });
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  await room.client.patch(
    'Pod',
    name,
    { type: 'merge', body: { status: { phase: 'Running', conditions } } },
    { namespace, subresource: 'status' },
  );
  return pod;
}
const names = async () =>
  (await room.client.list('Pod', { namespace })).items.map(({ metadata }) => metadata.name).sort();
const pod = (name: string) => room.client.get('Pod', name, namespace);

describe('a node whose lease expires', () => {
  it('is Unknown and tainted since its last heartbeat, and this is reported once', async () => {
    await start();
    await join();
    await room.advance(60_000);
    const heartbeat = room.clock.now();
    await dropLease();
    expect(await taints()).toEqual(lostTaints);
    expect((await node()).spec.taints?.[0]?.timeAdded).toBe(formatTime(heartbeat - leaseMs));
    expect((await node()).status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'Unknown',
    });
    const { resourceVersion } = (await node()).metadata;
    await room.advance(60_000);
    expect((await node()).metadata.resourceVersion).toBe(resourceVersion);
    expect(room.reasons('n')).toEqual(['RegisteredNode', 'NodeNotReady']);
  });

  it('has 0.3 seconds in which its session may move to another server', async () => {
    await start();
    await join();
    await dropLease('n', 250);
    expect(await taints()).toEqual([]);
    await lease();
    await room.advance(5_000);
    expect(await taints()).toEqual([]);
    await dropLease('n', 250);
    await lease();
    await room.advance(100);
    await dropLease('n', 250);
    expect(await taints()).toEqual([]);
    await room.advance(100);
    expect(await taints()).toEqual(lostTaints);
  });

  it('has a grace period after the start of the controller', async () => {
    await start(10_000);
    await room.client.create('Node', { metadata: { name: 'n' }, spec: {} });
    await room.advance(9_000);
    expect(await taints()).toEqual([]);
    await room.advance(1_500);
    expect(await taints()).toEqual(lostTaints);
  });

  it('has its reported status again when its lease is back', async () => {
    await start();
    await join();
    await dropLease();
    await lease();
    await room.advance();
    expect(await taints()).toEqual(unreadyTaints);
    await setReady('True');
    expect(await taints()).toEqual([]);
  });

  it('does not depend on leases of other holders', async () => {
    await start();
    await join();
    await room.client.create('Lease', { metadata: { name: 'n', namespace }, spec: {} });
    await room.client.delete('Lease', 'n', { namespace });
    await room.advance(1_000);
    expect(await taints()).toEqual([]);
  });
});

describe('the pods of a lost node', () => {
  it('are set to not ready immediately, those of other nodes are not', async () => {
    await start();
    await join();
    await place('serving', [stays]);
    await place('waiting', [stays], {}, false);
    await place('elsewhere', [stays], { nodeName: 'm' });
    await dropLease();
    const ready = async (name: string) => (await pod(name)).status?.conditions?.find(({ type }) => type === 'Ready');
    expect(await ready('serving')).toMatchObject({ status: 'False', reason: 'NodeNotReady' });
    expect((await ready('waiting'))?.reason).toBeUndefined();
    expect(
      room.events
        .filter(({ reason, type }) => reason === 'NodeNotReady' && type === 'Warning')
        .map(({ about }) => about),
    ).toEqual(['serving']);
  });

  it('are evicted permanently after their toleration, counted from the last heartbeat', async () => {
    await start();
    await join();
    await place('at-once', [waits(0)]);
    await place('later', [waits(30)]);
    await place('never', [stays]);
    await room.advance(60_000);
    await dropLease();
    expect(await names()).toEqual(['later', 'never']);
    // 5 seconds of its lease and one of this test have passed.
    await room.advance(23_000);
    expect(await names()).toEqual(['later', 'never']);
    await room.advance(2_000);
    expect(await names()).toEqual(['never']);
    expect(room.reasons('later')).toEqual(['NodeNotReady', 'TaintManagerEviction']);
  });

  it('are kept when they have ended, and are removed after their grace period when they were being deleted', async () => {
    await start();
    await join();
    await place('ended');
    await room.client.patch(
      'Pod',
      'ended',
      { type: 'merge', body: { status: { phase: 'Succeeded' } } },
      { namespace, subresource: 'status' },
    );
    await place('going', [stays], { terminationGracePeriodSeconds: 20 });
    await room.client.delete('Pod', 'going', { namespace });
    await dropLease();
    expect(await names()).toEqual(['ended', 'going']);
    await room.advance(20_000);
    expect(await names()).toEqual(['ended']);
  });

  it('that are deleted while the node is lost are removed after their grace period', async () => {
    await start();
    await join();
    await place('stays', [stays], { terminationGracePeriodSeconds: 10 });
    await dropLease();
    await room.client.delete('Pod', 'stays', { namespace });
    await room.advance(5_000);
    expect(await names()).toEqual(['stays']);
    await room.advance(6_000);
    expect(await names()).toEqual([]);
  });

  it('of which two must never run stay Terminating until the node is back, out of service or deleted', async () => {
    await start();
    await join();
    const owner = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 'u', controller: true };
    for (const name of ['db-0', 'db-1']) {
      await place(name, [waits(0)]);
      const metadata = { ownerReferences: [owner] };
      await room.client.patch('Pod', name, { type: 'merge', body: { metadata } }, { namespace });
    }
    const claim = { accessModes: ['ReadWriteOncePod'], resources: { requests: { storage: '1Gi' } } };
    await room.client.create('PersistentVolumeClaim', { metadata: { name: 'data', namespace }, spec: claim });
    await place('single', [waits(0)], { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] });
    await place('other', [waits(0)]);
    await dropLease();
    await room.advance(60_000);
    expect(await names()).toEqual(['db-0', 'db-1', 'single']);
    expect((await pod('db-0')).metadata.deletionTimestamp).toBeDefined();
    const taint = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' };
    const present = (await node()).spec.taints ?? [];
    await room.client.patch('Node', 'n', { type: 'merge', body: { spec: { taints: [...present, taint] } } });
    await room.advance(1_000);
    expect(await names()).toEqual([]);
  });

  it('are kept when the node is back in time, and an event reports it', async () => {
    await start();
    await join();
    await place('later', [waits(30), waits(300, 'node.kubernetes.io/not-ready')]);
    await dropLease();
    await lease();
    await setReady('True');
    await room.advance(60_000);
    expect(await names()).toEqual(['later']);
    expect(room.events.find(({ reason }) => reason === 'TaintManagerEviction')?.message).toBe(
      'Cancelling deletion of Pod default/later',
    );
  });

  it('are reported and removed later when a write is refused', async () => {
    await start();
    await join();
    await place('a', [waits(0)]);
    await place('b', [stays]);
    room.braked.writes.fail({
      times: 2,
      match: ({ kind }) => kind === 'Pod',
      error: new ApiError('InternalError', 'x'),
    });
    room.braked.writes.fail({
      match: ({ kind, verb }) => kind === 'Pod' && verb === 'updateStatus',
      error: new ApiError('NotFound', 'x'),
    });
    await dropLease();
    await room.advance(2_000);
    expect(await names()).toEqual(['b']);
    expect((await pod('b')).status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('False');
  });
});

describe('a node that reports not ready', () => {
  it('is tainted, and its pods are evicted gracefully after their toleration', async () => {
    await start();
    await join();
    await place('at-once', [waits(0, 'node.kubernetes.io/not-ready')]);
    await place('later', [waits(10, 'node.kubernetes.io/not-ready')]);
    await setReady('False');
    expect(await taints()).toEqual(unreadyTaints);
    expect((await pod('at-once')).metadata.deletionTimestamp).toBeDefined();
    expect((await pod('at-once')).metadata.deletionGracePeriodSeconds).toBe(30);
    expect((await pod('later')).metadata.deletionTimestamp).toBeUndefined();
    expect((await pod('later')).status?.conditions?.[0]).toMatchObject({ status: 'True' });
    await room.advance(11_000);
    expect((await pod('later')).metadata.deletionTimestamp).toBeDefined();
    const { resourceVersion } = (await pod('at-once')).metadata;
    await room.advance(60_000);
    expect((await pod('at-once')).metadata.resourceVersion).toBe(resourceVersion);
    expect(room.reasons('at-once')).toEqual(['TaintManagerEviction']);
  });

  it('evicts pods that are bound to it later', async () => {
    await start();
    await join();
    await setReady('False');
    await place('new', [waits(0, 'node.kubernetes.io/not-ready')]);
    await room.advance();
    expect((await pod('new')).metadata.deletionTimestamp).toBeDefined();
  });
});

describe('taints set by users', () => {
  it('evict pods by their toleration, counted from when the taint was observed', async () => {
    await start();
    await join();
    await room.advance(60_000);
    await place('later', [waits(10, 'mine')]);
    await place('never', [{ ...stays, key: 'mine' }]);
    await room.client.patch('Node', 'n', {
      type: 'merge',
      body: { spec: { taints: [{ key: 'mine', effect: 'NoExecute' }] } },
    });
    await room.advance(9_000);
    expect((await pod('later')).metadata.deletionTimestamp).toBeUndefined();
    await room.advance(2_000);
    expect((await pod('later')).metadata.deletionTimestamp).toBeDefined();
    expect((await pod('never')).metadata.deletionTimestamp).toBeUndefined();
    expect((await node()).spec.taints).toEqual([{ key: 'mine', effect: 'NoExecute' }]);
  });

  it('that are removed and set again restart the toleration', async () => {
    await start();
    await join();
    await place('later', [waits(10, 'mine')]);
    const set = async (list: object[] | null) => {
      await room.client.patch('Node', 'n', { type: 'merge', body: { spec: { taints: list } } });
      await room.advance(8_000);
    };
    await set([{ key: 'mine', effect: 'NoExecute' }]);
    await set(null);
    await set([{ key: 'mine', effect: 'NoExecute' }]);
    expect((await pod('later')).metadata.deletionTimestamp).toBeUndefined();
    await room.advance(3_000);
    expect((await pod('later')).metadata.deletionTimestamp).toBeDefined();
  });

  it('are kept beside the taint of a cordon, which is set and removed with it, and an event reports it', async () => {
    await start();
    await join();
    const set = async (unschedulable: boolean | null) => {
      await room.client.patch('Node', 'n', { type: 'merge', body: { spec: { unschedulable } } });
      await room.advance();
    };
    await set(true);
    expect(await taints()).toEqual(['unschedulable:NoSchedule']);
    await set(null);
    expect(await taints()).toEqual([]);
    expect((await node()).spec.taints).toBeUndefined();
    expect(room.reasons('n').slice(1)).toEqual(['NodeNotSchedulable', 'NodeSchedulable']);
  });
});

describe('a node’s object', () => {
  it('that is deleted leads to the deletion of its pods, and an event reports it', async () => {
    await start();
    await join();
    await join('m');
    await place('a', [stays]);
    await place('elsewhere', [], { nodeName: 'm' });
    await room.client.delete('Node', 'n');
    await room.advance();
    expect(await names()).toEqual(['elsewhere']);
    expect(room.reasons('n')).toEqual(['RegisteredNode', 'RemovingNode']);
  });

  it('that never existed leads to the deletion of the pods that name it', async () => {
    await start();
    await place('a');
    await room.advance();
    expect(await names()).toEqual([]);
  });

  it('that the API has but the informers do not show keeps its pods', async () => {
    await start();
    const end = room.braked.watches.lose(({ kind }) => kind === 'Node');
    await join();
    await place('a');
    await room.advance(1_000);
    expect(await names()).toEqual(['a']);
    end();
    await room.advance(1_000);
    expect(await names()).toEqual(['a']);
  });

  it('that is created again starts anew: it is registered, and its taints are observed from then on', async () => {
    await start();
    await join();
    await dropLease();
    await room.client.delete('Node', 'n');
    await room.advance();
    await join();
    expect(await taints()).toEqual([]);
    expect(room.reasons('n')).toEqual(['RegisteredNode', 'NodeNotReady', 'RemovingNode', 'RegisteredNode']);
  });

  it('with another boot id leads to a reboot event', async () => {
    await start();
    await join();
    const fields = ['machineID', 'systemUUID', 'kernelVersion', 'osImage', 'containerRuntimeVersion', 'kubeletVersion'];
    const all = [...fields, 'kubeProxyVersion', 'operatingSystem', 'architecture'].map((field) => [field, 'x']);
    const info = (bootID: string) => setReady('True', 'n', { nodeInfo: { ...Object.fromEntries(all), bootID } });
    await info('one');
    await info('one');
    expect(room.reasons('n')).toEqual(['RegisteredNode']);
    await info('two');
    expect(room.events.at(-1)).toMatchObject({
      type: 'Warning',
      reason: 'Rebooted',
      message: 'Node n has been rebooted, boot id: two',
    });
  });

  it('keeps what others write at the same time', async () => {
    await start();
    await join();
    const held = room.braked.writes.hold({ match: ({ kind, verb }) => kind === 'Node' && verb === 'patch' });
    await setReady('False');
    await held.arrived;
    await room.client.patch('Node', 'n', {
      type: 'merge',
      body: { spec: { taints: [{ key: 'mine', effect: 'NoSchedule' }] } },
    });
    held.release();
    await room.advance(1_000);
    expect(await taints()).toEqual(['mine:NoSchedule', ...unreadyTaints]);
  });
});

it('informers that missed the expiry of a lease lead to the node being found lost once they list again', async () => {
  await start();
  await join();
  const end = room.braked.watches.lose();
  await dropLease('n', 5_000);
  expect(await taints()).toEqual([]);
  end();
  await room.advance(2_000);
  expect(await taints()).toEqual(lostTaints);
});
