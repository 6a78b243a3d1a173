import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError, type Reason } from '../../../shared/errors.ts';
import type { Deployment, Pod, ReplicaSet } from '../../../shared/generated/types.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createReplicaController } from '../replica-set/controller.ts';
import { createDeploymentController } from './controller.ts';
import { templateHash } from './plan.ts';

const namespace = 'default';
const labels = { app: 'web' };
const revision = 'deployment.kubernetes.io/revision';
const template = (image: string) => ({ metadata: { labels }, spec: { containers: [{ name: 'main', image }] } });

let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createDeploymentController, (deps) => createReplicaController('ReplicaSet', deps));
});
afterEach(() => room.stop());

async function create(replicas: number, more: object = {}, metadata: object = {}): Promise<Deployment> {
  const spec = { replicas, selector: { matchLabels: labels }, template: template('some:1'), ...more };
  const made = await room.client.create('Deployment', { metadata: { name: 'web', namespace, ...metadata }, spec });
  await room.advance();
  return made;
}
const read = () => room.client.get('Deployment', 'web', namespace);
const pods = async () => (await room.client.list('Pod', { namespace })).items;
const sets = async () => (await room.client.list('ReplicaSet', { namespace })).items;
const imageOf = ({ spec }: ReplicaSet) => spec.template?.spec?.containers[0]?.image;
const setOf = async (image: string): Promise<ReplicaSet> => {
  const found = (await sets()).find((set) => imageOf(set) === image);
  if (!found) throw new Error(`no ReplicaSet of ${image}`);
  return found;
};
const sizes = async () => Object.fromEntries((await sets()).map((set) => [imageOf(set), set.spec.replicas]));
const condition = async (type: string) => (await read()).status?.conditions?.find((one) => one.type === type);
async function patch(kind: 'Deployment' | 'ReplicaSet', name: string, body: object): Promise<void> {
  await room.client.patch(kind, name, { type: 'merge', body }, { namespace });
  await room.advance();
}
const change = (spec: object) => patch('Deployment', 'web', { spec });
async function setStatus({ metadata }: Pod, phase: 'Running' | 'Failed'): Promise<void> {
  const conditions = [{ type: 'Ready', status: phase === 'Running' ? 'True' : 'False' }];
  const options = { namespace, subresource: 'status' } as const;
  await room.client.patch('Pod', metadata.name, { type: 'merge', body: { status: { phase, conditions } } }, options);
}
/** Makes all pending pods ready. */
async function serve(): Promise<void> {
  for (const pod of await pods()) if ((pod.status?.phase ?? 'Pending') === 'Pending') await setStatus(pod, 'Running');
  await room.advance();
}
/** Reconciles until nothing is left to do; returns the result of `look` after each step. */
async function rollOut(image: string, look: () => Promise<void> = async () => undefined): Promise<void> {
  for (let step = 0; step < 40; step++) {
    await look();
    await serve();
    const now = await sizes();
    if (
      now[image] === (await read()).spec.replicas &&
      Object.entries(now).every(([one, size]) => one === image || size === 0)
    )
      return;
  }
  throw new Error('the rollout did not end');
}

describe('a Deployment', () => {
  it('creates a ReplicaSet of its template, named and labelled by its hash, that is removed with it', async () => {
    const made = await create(3, { minReadySeconds: 4 }, { annotations: { note: 'x', [revision]: '9' } });
    const [set] = await sets();
    const hash = templateHash(made.spec.template, 0);
    expect(set?.metadata).toMatchObject({
      name: `web-${hash}`,
      labels: { app: 'web', 'pod-template-hash': hash },
      annotations: {
        note: 'x',
        [revision]: '1',
        'deployment.kubernetes.io/desired-replicas': '3',
        'deployment.kubernetes.io/max-replicas': '4',
      },
      ownerReferences: [{ kind: 'Deployment', name: 'web', uid: made.metadata.uid, controller: true }],
    });
    expect(set?.spec).toMatchObject({
      replicas: 3,
      minReadySeconds: 4,
      selector: { matchLabels: { app: 'web', 'pod-template-hash': hash } },
    });
    expect((await pods()).every(({ metadata }) => metadata.labels?.['pod-template-hash'] === hash)).toBe(true);
    expect((await read()).metadata.annotations?.[revision]).toBe('1');
    expect(room.events.find(({ reason }) => reason === 'ScalingReplicaSet')?.message).toBe(
      `Scaled up replica set web-${hash} from 0 to 3`,
    );
  });

  it('without pods does not report that none were created', async () => {
    await create(0);
    expect(await sizes()).toEqual({ 'some:1': 0 });
    expect(room.reasons('web')).toEqual([]);
  });

  it('rolls out within its bounds, and rolls back as the newest revision', async () => {
    await create(4, { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } } });
    await serve();
    await change({ template: template('some:2') });
    await rollOut('some:2', async () => {
      const all = await pods();
      expect(all.length).toBeLessThanOrEqual(5);
      expect(all.filter(({ status }) => status?.phase === 'Running').length).toBeGreaterThanOrEqual(3);
    });
    expect(await sizes()).toEqual({ 'some:1': 0, 'some:2': 4 });
    expect((await setOf('some:2')).metadata.annotations?.[revision]).toBe('2');
    await change({ template: template('some:1') });
    await rollOut('some:1');
    expect((await setOf('some:1')).metadata.annotations?.[revision]).toBe('3');
    expect((await read()).metadata.annotations?.[revision]).toBe('3');
    expect(await condition('Progressing')).toMatchObject({ status: 'True', reason: 'NewReplicaSetAvailable' });
  });

  it('scales its ReplicaSet, and annotates it with the new number', async () => {
    await create(2);
    await change({ replicas: 5 });
    expect(await pods()).toHaveLength(5);
    expect((await setOf('some:1')).metadata.annotations).toMatchObject({
      'deployment.kubernetes.io/desired-replicas': '5',
      'deployment.kubernetes.io/max-replicas': '7',
    });
    await change({ replicas: 1 });
    expect(await pods()).toHaveLength(1);
    expect(
      room.events
        .filter(({ reason }) => reason === 'ScalingReplicaSet')
        .map(({ message }) => message.replace(/web-\w+/, 'X')),
    ).toEqual([
      'Scaled up replica set X from 0 to 2',
      'Scaled up replica set X from 2 to 5',
      'Scaled down replica set X from 5 to 1',
    ]);
  });

  it('is scaled but not rolled out while it is paused', async () => {
    await create(2);
    await serve();
    await change({ paused: true, template: template('some:2') });
    await change({ replicas: 3 });
    expect(await sizes()).toEqual({ 'some:1': 3 });
    expect(await condition('Progressing')).toMatchObject({ status: 'Unknown', reason: 'DeploymentPaused' });
    await change({ paused: false });
    await rollOut('some:2');
    expect(await sizes()).toEqual({ 'some:1': 0, 'some:2': 3 });
  });

  it('scales up its latest ReplicaSet when it is paused without pods', async () => {
    await create(0);
    await change({ paused: true, template: template('some:2') });
    await change({ replicas: 2 });
    expect(await sizes()).toEqual({ 'some:1': 2 });
  });

  it('with Recreate creates no new pod before the last old one is removed, except for old pods that have ended', async () => {
    const placed = template('some:1');
    await create(2, {
      strategy: { type: 'Recreate' },
      template: { ...placed, spec: { ...placed.spec, nodeName: 'n' } },
    });
    await serve();
    const [ended] = await pods();
    await setStatus(ended as Pod, 'Failed');
    await room.advance();
    await change({ template: template('some:2') });
    await room.advance(1_000);
    expect(await sizes()).toEqual({ 'some:1': 0 });
    const old = await pods();
    for (const { metadata } of old.filter(({ metadata: { name } }) => name !== ended?.metadata.name)) {
      expect(await sizes()).toEqual({ 'some:1': 0 });
      await room.client.delete('Pod', metadata.name, { namespace, gracePeriodSeconds: 0 });
      await room.advance();
    }
    expect(await sizes()).toEqual({ 'some:1': 0, 'some:2': 2 });
  });

  it('with Recreate rolls back to an existing ReplicaSet in the same way', async () => {
    await create(1, { strategy: { type: 'Recreate' } });
    await change({ template: template('some:2') });
    await change({ template: { ...template('some:1'), spec: { ...template('some:1').spec, nodeName: 'n' } } });
    await serve();
    await change({ template: { ...template('some:2'), spec: { ...template('some:2').spec, nodeName: null } } });
    await room.advance(1_000);
    expect((await setOf('some:2')).spec.replicas).toBe(0);
    const [old] = await pods();
    await room.client.delete('Pod', old?.metadata.name ?? '', { namespace, gracePeriodSeconds: 0 });
    await room.advance(1_000);
    expect((await setOf('some:2')).spec.replicas).toBe(1);
  });

  it('copies its annotations to its newest ReplicaSet, except those about itself', async () => {
    await create(1);
    await patch('Deployment', 'web', {
      metadata: {
        annotations: { 'kubernetes.io/change-cause': 'x', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
      },
    });
    const annotations = (await setOf('some:1')).metadata.annotations ?? {};
    expect(annotations).toMatchObject({ 'kubernetes.io/change-cause': 'x', [revision]: '1' });
    expect(annotations).not.toHaveProperty(['kubectl.kubernetes.io/last-applied-configuration']);
  });

  it('deletes ReplicaSets beyond its history limit only after a rollout is complete', async () => {
    await create(1, { revisionHistoryLimit: 1 });
    await serve();
    await change({ template: template('some:2') });
    await rollOut('some:2');
    await change({ template: template('some:3') });
    expect(Object.keys(await sizes()).sort()).toEqual(['some:1', 'some:2', 'some:3']);
    await rollOut('some:3');
    expect(Object.keys(await sizes()).sort()).toEqual(['some:2', 'some:3']);
  });

  it('in its desired state writes nothing when it or its pods change', async () => {
    await create(1, {}, { annotations: { note: 'x' } });
    await serve();
    await change({ replicas: 2 });
    await serve();
    const attempts: string[] = [];
    room.braked.writes.fail({ times: 0, match: ({ verb, kind }) => attempts.push(`${verb} ${kind}`) < 0 });
    await patch('Deployment', 'web', { metadata: { labels: { touched: 'yes' } } });
    await patch('ReplicaSet', (await setOf('some:1')).metadata.name, { metadata: { annotations: { touched: 'yes' } } });
    expect(attempts).toEqual([]);
  });

  it('rolls out nothing and adopts nothing while it is being deleted', async () => {
    await create(1, {}, { finalizers: ['example.org/hold'] });
    await room.client.delete('Deployment', 'web', { namespace });
    await change({ template: template('some:2'), replicas: 4 });
    expect(await sizes()).toEqual({ 'some:1': 1 });
    expect((await read()).status).toMatchObject({ observedGeneration: (await read()).metadata.generation });
  });
});

describe('adoption', () => {
  const orphan = (image: string, metadata: object = {}) =>
    room.client.create('ReplicaSet', {
      metadata: { name: 'orphan', namespace, labels, ...metadata },
      spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template: template(image) },
    });
  const ownersOf = async (name: string) =>
    ((await room.client.get('ReplicaSet', name, namespace)).metadata.ownerReferences ?? []).map(({ uid }) => uid);

  it('takes an orphaned ReplicaSet with the same template as the newest one', async () => {
    await orphan('some:1', { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'm', uid: 'm' }] });
    const { metadata } = await create(2);
    expect(await ownersOf('orphan')).toEqual(['m', metadata.uid]);
    expect(await sizes()).toEqual({ 'some:1': 2 });
    expect((await sets()).map(({ metadata: { name } }) => name)).toEqual(['orphan']);
  });

  it('takes an orphan that is created or labelled later', async () => {
    const { metadata } = await create(1);
    await orphan('some:0', { labels: { app: 'other' } });
    await room.advance();
    expect(await ownersOf('orphan')).toEqual([]);
    await patch('ReplicaSet', 'orphan', { metadata: { labels } });
    expect(await ownersOf('orphan')).toEqual([metadata.uid]);
  });

  it('releases a ReplicaSet whose labels no longer match, and creates another', async () => {
    await create(1);
    const [set] = await sets();
    await patch('ReplicaSet', set?.metadata.name ?? '', { metadata: { labels: { app: 'other' } } });
    await room.advance(1_000);
    expect(await ownersOf(set?.metadata.name ?? '')).toEqual([]);
    expect((await read()).status?.collisionCount).toBe(1);
    expect(await sets()).toHaveLength(2);
  });

  it('does not happen for a Deployment that has been replaced by another of the same name', async () => {
    await create(0, { paused: true });
    const end = room.braked.watches.lose(({ kind }) => kind === 'Deployment');
    await room.client.delete('Deployment', 'web', { namespace });
    await create(0, {
      selector: { matchLabels: { app: 'x' } },
      template: { ...template('x'), metadata: { labels: { app: 'x' } } },
    });
    await orphan('some:9');
    await room.advance();
    expect(await ownersOf('orphan')).toEqual([]);
    end();
    await room.advance(1_000);
    expect(await ownersOf('orphan')).toEqual([]);
  });
});

describe('a refused write', () => {
  const isSet = ({ verb, kind }: { verb: string; kind: string }) => verb === 'create' && kind === 'ReplicaSet';

  it.each<Reason>(['Forbidden', 'InternalError'])(
    'of a ReplicaSet, with %s, is reported and retried',
    async (reason) => {
      room.braked.writes.fail({ match: isSet, times: 4, error: new ApiError(reason, 'full') });
      await create(1);
      const progressing = await condition('Progressing');
      const name = `web-${templateHash((await read()).spec.template, 0)}`;
      expect(room.events[0]).toMatchObject({ type: 'Warning', reason: 'ReplicaSetCreateError' });
      if (progressing?.reason === 'ReplicaSetCreateError') {
        expect(progressing).toMatchObject({
          status: 'False',
          message: `Failed to create new replica set "${name}": full`,
        });
      }
      await room.advance(5_000);
      expect(await sizes()).toEqual({ 'some:1': 1 });
      expect(room.reasons('web').filter((one) => one === 'ReplicaSetCreateError')).toHaveLength(4);
      expect(await condition('Progressing')).toMatchObject({ status: 'True' });
    },
  );

  it('keeps its condition and transition time while it fails again, and the conditions of others', async () => {
    room.braked.writes.fail({ match: isSet, times: 100, error: new ApiError('Forbidden', 'full') });
    await create(1);
    const progressing = await condition('Progressing');
    expect(progressing).toMatchObject({ status: 'False', reason: 'ReplicaSetCreateError' });
    const { resourceVersion } = (await read()).metadata;
    await room.advance(5_000);
    expect((await read()).metadata.resourceVersion).toBe(resourceVersion);
  });

  it('in a namespace that is being deleted is not reported', async () => {
    const details = { causes: [{ reason: 'NamespaceTerminating', message: 'x' }] };
    room.braked.writes.fail({ match: isSet, times: 100, error: new ApiError('Forbidden', 'no', details) });
    await create(1);
    expect(room.reasons('web')).toEqual([]);
    expect((await read()).status?.conditions ?? []).toEqual([]);
  });

  it('because a ReplicaSet of another owner has the name leads to a new name and a new collision count', async () => {
    const { spec } = await create(2, { paused: true });
    const other = { metadata: { labels: { app: 'x' } }, spec: { containers: [{ name: 'main', image: 'x' }] } };
    for (const count of [0, 1]) {
      const metadata = { name: `web-${templateHash(spec.template, count)}`, namespace };
      const taken = { replicas: 0, selector: { matchLabels: { app: 'x' } }, template: other };
      await room.client.create('ReplicaSet', { metadata, spec: taken });
    }
    await change({ paused: false });
    await room.advance(2_000);
    expect((await read()).status?.collisionCount).toBe(2);
    expect((await setOf('some:1')).metadata.name).toBe(`web-${templateHash(spec.template, 2)}`);
    expect(await pods()).toHaveLength(2);
  });

  it('of the status keeps conditions that others add meanwhile', async () => {
    const held = room.braked.writes.hold({
      match: ({ verb, kind, name }) => verb === 'patch' && kind === 'Deployment' && name === 'web',
    });
    await create(1);
    await held.arrived;
    const condition = { type: 'Odd', status: 'True' } as const;
    const options = { namespace, subresource: 'status' } as const;
    await room.client.patch(
      'Deployment',
      'web',
      { type: 'merge', body: { status: { conditions: [condition] } } },
      options,
    );
    held.release();
    await room.advance(1_000);
    await serve();
    const { status } = await read();
    expect(status?.conditions?.map(({ type }) => type).sort()).toEqual(['Available', 'Odd', 'Progressing']);
    expect(status).toMatchObject({ replicas: 1, availableReplicas: 1 });
  });
});

describe('stale informers', () => {
  it('do not lead to a second ReplicaSet or a second scaling', async () => {
    room.braked.writes.fail({
      match: ({ kind, verb }) => kind === 'Deployment' && verb === 'patch',
      error: new ApiError('Timeout', 'x'),
    });
    const held = room.braked.writes.hold({ match: ({ kind, verb }) => kind === 'ReplicaSet' && verb === 'create' });
    await create(2);
    await held.arrived;
    const release = room.braked.watches.hold();
    held.release();
    await room.advance(1_000);
    expect(await sets()).toHaveLength(1);
    expect((await read()).status?.collisionCount).toBeUndefined();
    release();
    await room.advance(1_000);
    expect(await sizes()).toEqual({ 'some:1': 2 });
    expect((await read()).status).toMatchObject({ replicas: 2 });
  });

  it('that missed a created ReplicaSet lead to finding it by its name', async () => {
    const end = room.braked.watches.lose(({ kind }) => kind === 'ReplicaSet');
    await create(2);
    await patch('Deployment', 'web', { metadata: { labels: { touched: 'yes' } } });
    await room.advance(500);
    expect(await sets()).toHaveLength(1);
    expect((await read()).status?.collisionCount).toBeUndefined();
    end();
    await room.advance(2_000);
    expect(await pods()).toHaveLength(2);
    expect((await read()).status).toMatchObject({ replicas: 2 });
  });
});
