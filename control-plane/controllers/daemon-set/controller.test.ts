import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ControllerRevision, DaemonSet, Pod } from '../../../shared/generated/types.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createDaemonSetController } from './controller.ts';

const namespace = 'default';
const labels = { app: 'log' };
const template = (image: string, more: object = {}) => ({
  metadata: { labels },
  spec: { containers: [{ name: 'main', image }], ...more },
});

let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createDaemonSetController);
  for (const name of ['n1', 'n2']) await room.client.create('Node', { metadata: { name }, spec: {} });
});
afterEach(() => room.stop());

async function create(more: object = {}, image = 'some:1'): Promise<DaemonSet> {
  const spec = { selector: { matchLabels: labels }, template: template(image), ...more };
  const made = await room.client.create('DaemonSet', { metadata: { name: 'log', namespace }, spec });
  await room.advance();
  return made;
}
const read = () => room.client.get('DaemonSet', 'log', namespace);
const pods = async (): Promise<Pod[]> => (await room.client.list('Pod', { namespace })).items;
const revisions = async (): Promise<ControllerRevision[]> =>
  [...(await room.client.list('ControllerRevision', { namespace })).items].sort(
    (a, b) => (a.revision ?? 0) - (b.revision ?? 0),
  );
const setTemplate = async (image: string) => {
  await room.client.patch(
    'DaemonSet',
    'log',
    { type: 'merge', body: { spec: { template: template(image) } } },
    { namespace },
  );
  await room.until(async () => {
    await becomeReady();
    const { status, metadata } = await read();
    const updated = status?.updatedNumberScheduled === status?.desiredNumberScheduled;
    return (
      status?.observedGeneration === metadata.generation &&
      updated &&
      (status?.numberAvailable ?? 0) === status?.desiredNumberScheduled
    );
  }, `rollout of ${image}`);
};

/** Makes all pods ready, as their agents would. */
async function becomeReady(): Promise<void> {
  for (const pod of await pods()) {
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' }];
    await room.client.updateStatus('Pod', { ...pod, status: { ...pod.status, phase: 'Running', conditions } } as Pod);
  }
  await room.advance();
}

describe('a DaemonSet', () => {
  it('gets one pod for each node, which only that node may take, with the tolerations of daemon pods', async () => {
    await create();
    const made = await pods();
    const targets = made.map(
      ({ spec }) =>
        spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms[0]?.matchFields,
    );
    expect(targets).toHaveLength(2);
    expect(targets).toEqual(
      expect.arrayContaining(['n1', 'n2'].map((name) => [{ key: 'metadata.name', operator: 'In', values: [name] }])),
    );
    for (const { spec } of made) {
      const kept = spec.tolerations?.filter(({ effect }) => effect === 'NoExecute');
      expect(kept?.every(({ tolerationSeconds }) => tolerationSeconds === undefined)).toBe(true);
      expect(spec.tolerations?.some(({ key }) => key === 'node.kubernetes.io/unschedulable')).toBe(true);
    }
    expect((await read()).status).toMatchObject({
      desiredNumberScheduled: 2,
      currentNumberScheduled: 2,
      numberReady: 0,
    });
    await becomeReady();
    expect((await read()).status).toMatchObject({ numberReady: 2, numberAvailable: 2, updatedNumberScheduled: 2 });
  });

  it('follows nodes that join and change labels', async () => {
    await create({ template: template('some:1', { nodeSelector: { log: 'yes' } }) });
    expect(await pods()).toEqual([]);
    await room.client.patch('Node', 'n2', { type: 'merge', body: { metadata: { labels: { log: 'yes' } } } });
    await room.client.create('Node', { metadata: { name: 'n3', labels: { log: 'yes' } }, spec: {} });
    await room.advance();
    expect(await pods()).toHaveLength(2);
    await room.client.patch('Node', 'n2', { type: 'merge', body: { metadata: { labels: { log: null } } } });
    await room.advance();
    expect(await pods()).toHaveLength(1);
  });

  it('keeps each template as a revision with a patch that restores it, and numbers one that returns as the newest', async () => {
    await create();
    await setTemplate('some:2');
    const [first, second] = await revisions();
    expect([first?.revision, second?.revision]).toEqual([1, 2]);
    expect(first?.data).toMatchObject({
      spec: { template: { $patch: 'replace', spec: { containers: [{ image: 'some:1' }] } } },
    });
    const hashes = new Set((await pods()).map(({ metadata }) => metadata.labels?.['controller-revision-hash']));
    expect([...hashes]).toEqual([second?.metadata.labels?.['controller.kubernetes.io/hash']]);
    await room.client.patch('DaemonSet', 'log', { type: 'strategic', body: first?.data }, { namespace });
    await room.until(async () => (await revisions()).at(-1)?.metadata.name === first?.metadata.name, 'rollback');
    expect((await revisions()).map(({ revision }) => revision)).toEqual([2, 3]);
  });

  it('keeps as many old revisions as revisionHistoryLimit says', async () => {
    await create({ revisionHistoryLimit: 1 });
    for (const version of [2, 3, 4]) await setTemplate(`some:${version}`);
    await room.advance(1_000);
    expect((await revisions()).map(({ revision }) => revision)).toEqual([3, 4]);
  });

  it('counts a collision when another owner has the name of its revision, and goes on with another name', async () => {
    await create();
    const name = (await revisions())[0]?.metadata.name ?? '';
    await room.client.delete('DaemonSet', 'log', { namespace });
    await room.client.delete('ControllerRevision', name, { namespace });
    await room.client.create('ControllerRevision', {
      metadata: { name, namespace },
      data: { another: true },
      revision: 1,
    });
    await create();
    await room.advance(1_000);
    expect((await read()).status?.collisionCount).toBe(1);
    expect(await revisions()).toHaveLength(2);
    expect((await pods()).filter(({ metadata }) => !metadata.deletionTimestamp).length).toBeGreaterThanOrEqual(2);
  });

  it('adopts orphans that its selector matches, and releases a pod whose labels change', async () => {
    await create();
    const [one] = await pods();
    const name = one?.metadata.name ?? '';
    await room.client.patch(
      'Pod',
      name,
      { type: 'merge', body: { metadata: { labels: { app: 'other' } } } },
      { namespace },
    );
    await room.advance();
    expect((await room.client.get('Pod', name, namespace)).metadata.ownerReferences ?? []).toEqual([]);
    expect(await pods()).toHaveLength(3);
    await room.client.patch('Pod', name, { type: 'merge', body: { metadata: { labels } } }, { namespace });
    await room.advance();
    // The node has two of its pods again: the younger one goes.
    expect((await pods()).map(({ metadata }) => metadata.name)).toContain(name);
    expect(await pods()).toHaveLength(2);
  });

  it('replaces a failed pod with a backoff that grows, and says so', async () => {
    await create();
    const fail = async () => {
      const [one] = await pods();
      await room.client.updateStatus('Pod', { ...one, status: { phase: 'Failed' } } as Pod);
      await room.advance(50);
      return one?.metadata.uid;
    };
    const first = await fail();
    await room.until(async () => (await pods()).every(({ metadata }) => metadata.uid !== first), 'first replacement');
    expect(room.reasons('log')).toContain('FailedDaemonPod');
  });
});
