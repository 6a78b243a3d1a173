import { afterEach, beforeEach, expect, it } from 'vitest';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createClusterRoleAggregation } from './controller.ts';

const rule = (resource: string) => ({ apiGroups: [''], resources: [resource], verbs: ['get'] });
const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { part: 'yes' } }] };
let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createClusterRoleAggregation);
  await room.client.create('ClusterRole', { metadata: { name: 'whole' }, aggregationRule });
});
afterEach(() => room.stop());

const rules = async (name = 'whole') => (await room.client.get('ClusterRole', name)).rules ?? [];
const part = async (name: string, resource: string, labels: Record<string, string> = { part: 'yes' }) => {
  await room.client.create('ClusterRole', { metadata: { name, labels }, rules: [rule(resource)] });
  await room.advance();
};

it('an aggregated role follows the roles that it selects', async () => {
  await part('b', 'pods');
  await part('a', 'secrets');
  await part('other', 'nodes', { part: 'no' });
  expect(await rules()).toEqual([rule('secrets'), rule('pods')]);
  await room.client.delete('ClusterRole', 'a');
  await room.advance();
  expect(await rules()).toEqual([rule('pods')]);
  await room.client.patch('ClusterRole', 'b', { type: 'merge', body: { rules: [rule('events')] } });
  await room.advance();
  expect(await rules()).toEqual([rule('events')]);
});

it('rules written by hand are replaced, and correct rules are not written again', async () => {
  await part('a', 'pods');
  await room.client.patch('ClusterRole', 'whole', { type: 'merge', body: { rules: [rule('secrets')] } });
  await room.advance();
  expect(await rules()).toEqual([rule('pods')]);
  const attempts: string[] = [];
  room.braked.writes.fail({ times: 0, match: ({ name }) => attempts.push(name) < 0 });
  await part('other', 'nodes', {});
  await room.client.create('ClusterRole', {
    metadata: { name: 'empty' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: 'none' } }] },
  });
  await room.advance();
  expect(attempts).toEqual([]);
});

it('a role without aggregation, or that is being deleted, is not changed', async () => {
  const body = { metadata: { finalizers: ['example.org/hold'] } };
  await room.client.patch('ClusterRole', 'whole', { type: 'merge', body });
  await room.client.delete('ClusterRole', 'whole');
  await part('a', 'pods');
  await room.advance(1_000);
  expect(await rules()).toEqual([]);
  expect(await rules('a')).toEqual([rule('pods')]);
});
