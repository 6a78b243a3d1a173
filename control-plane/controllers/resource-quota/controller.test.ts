import { afterEach, beforeEach, expect, it } from 'vitest';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createQuotaController } from './controller.ts';

const namespace = 'team';
let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createQuotaController);
  await room.client.create('Namespace', { metadata: { name: namespace } });
});
afterEach(() => room.stop());

async function quota(hard: Record<string, string>, name = 'q'): Promise<void> {
  await room.client.create('ResourceQuota', { metadata: { name, namespace }, spec: { hard } });
  await room.advance(1_000);
}
const read = (name = 'q') => room.client.get('ResourceQuota', name, namespace);
const used = async (name = 'q') => (await read(name)).status?.used;
const map = (name: string) => room.client.create('ConfigMap', { metadata: { name, namespace } });
function pod(name: string, cpu: string, more: object = {}) {
  const containers = [{ name: 'main', image: 'some:1', resources: { requests: { cpu }, limits: { cpu } } }];
  return room.client.create('Pod', { metadata: { name, namespace }, spec: { containers, ...more } });
}
const end = async (name: string) => {
  const body = { status: { phase: 'Succeeded' } };
  await room.client.patch('Pod', name, { type: 'merge', body }, { namespace, subresource: 'status' });
  await room.advance(1_000);
};

it('a new quota counts the existing objects, also none, in its namespace only', async () => {
  const own = (await room.client.list('ConfigMap', { namespace })).items.length;
  await map('a');
  await map('b');
  await room.client.create('ConfigMap', { metadata: { name: 'far', namespace: 'default' } });
  await quota({ configmaps: '10', 'count/secrets': '3', pods: '5' });
  expect((await read()).status).toEqual({
    hard: { configmaps: '10', 'count/secrets': '3', pods: '5' },
    used: { configmaps: `${own + 2}`, 'count/secrets': '0', pods: '0' },
  });
});

it('deleted objects are subtracted, and simultaneous deletions lead to one count', async () => {
  for (const name of ['a', 'b', 'c']) await map(name);
  await quota({ configmaps: '10' });
  const before = Number((await used())?.configmaps);
  for (const name of ['a', 'b', 'c']) await room.client.delete('ConfigMap', name, { namespace });
  await room.advance(1_000);
  expect(Number((await used())?.configmaps)).toBe(before - 3);
});

it('a pod that ends no longer counts', async () => {
  await pod('a', '200m');
  await pod('b', '300m');
  await quota({ pods: '5', 'requests.cpu': '2', 'limits.cpu': '2' });
  expect(await used()).toEqual({ pods: '2', 'requests.cpu': '500m', 'limits.cpu': '500m' });
  await end('a');
  expect(await used()).toEqual({ pods: '1', 'requests.cpu': '300m', 'limits.cpu': '300m' });
});

it('a pod whose node never confirms its end no longer counts one grace period after its deadline, as in Kubernetes', async () => {
  for (const [name, seconds] of [
    ['b', 60],
    ['a', 20],
    ['c', 40],
  ] as const) {
    await pod(name, '200m', { nodeName: 'n', terminationGracePeriodSeconds: seconds });
  }
  await quota({ 'requests.cpu': '2' });
  for (const name of ['b', 'a', 'c']) await room.client.delete('Pod', name, { namespace });
  await room.advance(39_000);
  expect(await used()).toEqual({ 'requests.cpu': '600m' });
  await room.advance(2_000);
  expect(await used()).toEqual({ 'requests.cpu': '400m' });
  await room.advance(40_000);
  expect(await used()).toEqual({ 'requests.cpu': '200m' });
  await room.advance(40_000);
  expect(await used()).toEqual({ 'requests.cpu': '0' });
});

it('a changed quota is counted again for its current resources', async () => {
  await map('a');
  await quota({ configmaps: '10' });
  const body = { spec: { hard: { configmaps: null, secrets: '4' } } };
  await room.client.patch('ResourceQuota', 'q', { type: 'merge', body }, { namespace });
  await room.advance(1_000);
  expect((await read()).status).toMatchObject({ hard: { secrets: '4' }, used: { secrets: '0' } });
  expect((await read()).status?.used).not.toHaveProperty('configmaps');
});

it('a Service that changes its type counts by its new type', async () => {
  const spec = { ports: [{ port: 80 }], type: 'NodePort' as const };
  await room.client.create('Service', { metadata: { name: 's', namespace }, spec });
  await quota({ 'services.nodeports': '3', services: '3' });
  expect(await used()).toEqual({ 'services.nodeports': '1', services: '1' });
  await room.client.patch('Service', 's', { type: 'merge', body: { spec: { type: 'ClusterIP' } } }, { namespace });
  await room.advance(1_000);
  expect(await used()).toEqual({ 'services.nodeports': '0', services: '1' });
});

it('usage added during a count is not lost', async () => {
  await map('a');
  await quota({ configmaps: '10', secrets: '10' });
  const before = await used();
  const held = room.braked.writes.hold({ match: ({ verb }) => verb === 'updateStatus' });
  await room.client.delete('ConfigMap', 'a', { namespace });
  await room.advance(1_000);
  await held.arrived;
  await room.client.create('Secret', { metadata: { name: 's', namespace } });
  held.release();
  await room.advance(5_000);
  expect(await used()).toEqual({
    configmaps: `${Number(before?.configmaps) - 1}`,
    secrets: `${Number(before?.secrets) + 1}`,
  });
});

it('changes that do not affect the usage cause no write', async () => {
  await pod('a', '200m');
  await map('m');
  await quota({ pods: '5', configmaps: '9' });
  const attempts: string[] = [];
  room.braked.writes.fail({ times: 0, match: ({ name }) => attempts.push(name) < 0 });
  await room.client.patch('Pod', 'a', { type: 'merge', body: { metadata: { labels: { x: 'y' } } } }, { namespace });
  await room.client.patch('ConfigMap', 'm', { type: 'merge', body: { data: { x: 'y' } } }, { namespace });
  await room.client.patch(
    'ResourceQuota',
    'q',
    { type: 'merge', body: { metadata: { labels: { x: 'y' } } } },
    { namespace },
  );
  await room.advance(5_000);
  expect(attempts).toEqual([]);
});

it('a scoped quota counts only objects in its scope', async () => {
  await pod('sized', '200m');
  const containers = [{ name: 'main', image: 'some:1' }];
  await room.client.create('Pod', { metadata: { name: 'plain', namespace }, spec: { containers } });
  const spec = { hard: { pods: '5' }, scopes: ['BestEffort'] };
  await room.client.create('ResourceQuota', { metadata: { name: 'q', namespace }, spec: spec as never });
  await room.advance(1_000);
  expect(await used()).toEqual({ pods: '1' });
});

it('counts run at most five times a second', async () => {
  for (let index = 0; index < 20; index++) await map(`m${index}`);
  await quota({ configmaps: '50' });
  let writes = 0;
  room.braked.writes.fail({ times: 0, match: () => ++writes < 0 });
  for (let index = 0; index < 20; index++) {
    await room.client.delete('ConfigMap', `m${index}`, { namespace });
    await room.advance(50);
  }
  await room.advance(1_000);
  expect(writes).toBeGreaterThanOrEqual(4);
  expect(writes).toBeLessThanOrEqual(7);
  expect(Number((await used())?.configmaps)).toBe((await room.client.list('ConfigMap', { namespace })).items.length);
});

it('informers that missed deletions lead to a correct count once they list again', async () => {
  await map('a');
  await quota({ configmaps: '10' });
  const before = Number((await used())?.configmaps);
  const lost = room.braked.watches.lose();
  await room.client.delete('ConfigMap', 'a', { namespace });
  await room.advance(1_000);
  expect(Number((await used())?.configmaps)).toBe(before);
  lost();
  await room.advance(2_000);
  expect(Number((await used())?.configmaps)).toBe(before - 1);
});

it('a quota with the name of an earlier one is counted immediately', async () => {
  await quota({ pods: '5' });
  await room.client.patch(
    'ResourceQuota',
    'q',
    { type: 'merge', body: { spec: { hard: { pods: '6' } } } },
    { namespace },
  );
  await room.advance(20);
  await room.client.delete('ResourceQuota', 'q', { namespace });
  await room.client.create('ResourceQuota', { metadata: { name: 'q', namespace }, spec: { hard: { pods: '7' } } });
  await room.advance(20);
  expect((await read()).status).toMatchObject({ hard: { pods: '7' }, used: { pods: '0' } });
});
