import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Deployment, Node, Pod, ReplicaSet } from '../../shared/generated/types.ts';
import type { Draft } from '../../shared/object.ts';
import { type CliScene, deploymentYaml, pod, startCliScene } from '../support/cli-scene.ts';
import { eventually } from '../support/eventually.ts';

let cli: CliScene;

beforeAll(async () => {
  cli = await startCliScene();
});
afterAll(() => cli?.stop());

test('scale sets the replicas, also to none', async () => {
  await cli.applied(deploymentYaml('sized'));
  expect(await cli.ok('scale', 'deploy/sized', '--replicas=0')).toBe('deployment.apps/sized scaled\n');
  expect((await cli.grpc.client.get('Deployment', 'sized', 'default')).spec.replicas).toBe(0);
  expect((await cli.coracle('scale', 'deploy/sized', '--replicas=2', '--current-replicas=7')).code).toBe(1);
  expect((await cli.coracle('scale', 'cm/x', '--replicas=2')).err).toBe('error: a ConfigMap cannot be scaled\n');
});

describe('rollout', () => {
  async function deploymentWithHistory(name: string): Promise<Deployment> {
    await cli.applied(deploymentYaml(name, { image: 'web:2' }));
    const made = await cli.grpc.client.get('Deployment', name, 'default');
    const annotations = { ...made.metadata.annotations, 'deployment.kubernetes.io/revision': '2' };
    const deployment = await cli.grpc.client.update('Deployment', {
      ...made,
      metadata: { ...made.metadata, annotations },
    });
    for (const revision of [1, 2]) {
      const labels = { app: name, 'pod-template-hash': `h${revision}` };
      await cli.grpc.client.create('ReplicaSet', {
        metadata: {
          name: `${name}-h${revision}`,
          namespace: 'default',
          labels,
          annotations: { 'deployment.kubernetes.io/revision': String(revision) },
          ownerReferences: [
            { apiVersion: 'apps/v1', kind: 'Deployment', name, uid: made.metadata.uid, controller: true },
          ],
        },
        spec: {
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: 'web', image: `web:${revision}` }] } },
        },
      } as Draft<ReplicaSet>);
    }
    return deployment;
  }

  test('history lists the versions; undo brings the one before back, and only its template', async () => {
    await deploymentWithHistory('history');
    expect(await cli.ok('rollout', 'history', 'deploy/history')).toMatch(
      /REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>/,
    );
    expect(await cli.ok('rollout', 'history', 'deploy/history', '--revision=1')).toContain('web:1');
    expect(await cli.ok('rollout', 'undo', 'deploy/history')).toBe('deployment.apps/history rolled back\n');
    const { spec } = await cli.grpc.client.get('Deployment', 'history', 'default');
    expect(spec.template.spec?.containers.map(({ image }) => image)).toEqual(['web:1']);
    expect(spec.template.metadata?.labels).toEqual({ app: 'history' });
    expect((await cli.coracle('rollout', 'undo', 'deploy/history', '--to-revision=9')).err).toContain(
      'unable to find specified revision 9',
    );
  });

  test.each(['DaemonSet', 'StatefulSet'] as const)(
    'history and undo of a %s read its ControllerRevisions',
    async (kind) => {
      const name = `old-${kind.toLowerCase()}`;
      const template = (image: string) => ({
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'main', image }] },
      });
      const spec = { selector: { matchLabels: { app: name } }, serviceName: name, template: template('some:2') };
      if (kind === 'DaemonSet') Reflect.deleteProperty(spec, 'serviceName');
      const made = await cli.grpc.client.create(kind, { metadata: { name, namespace: 'default' }, spec });
      const { uid, generation } = made.metadata;
      const body = { status: { observedGeneration: generation } };
      await cli.grpc.client.patch(kind, name, { type: 'merge', body }, { namespace: 'default', subresource: 'status' });
      for (const revision of [1, 2]) {
        await cli.grpc.client.create('ControllerRevision', {
          metadata: {
            name: `${name}-${revision}`,
            namespace: 'default',
            annotations: { 'kubernetes.io/change-cause': `cause ${revision}` },
            ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid, controller: true }],
          },
          data: { spec: { template: { ...made.spec.template, ...template(`some:${revision}`), $patch: 'replace' } } },
          revision,
        });
      }
      const target = `${kind.toLowerCase()}/${name}`;
      expect(await cli.ok('rollout', 'history', target)).toMatch(/REVISION +CHANGE-CAUSE\n1 +cause 1\n2 +cause 2/);
      expect(await cli.ok('rollout', 'history', target, '--revision=1')).toContain('some:1');
      expect(await cli.ok('rollout', 'undo', target)).toBe(`${kind.toLowerCase()}.apps/${name} rolled back\n`);
      const { spec: after } = await cli.grpc.client.get(kind, name, 'default');
      expect(after.template.spec?.containers.map(({ image }) => image)).toEqual(['some:1']);
      expect(after.template).not.toHaveProperty('$patch');
    },
  );

  test('restart changes the template and nothing else', async () => {
    const before = await deploymentWithHistory('again');
    await cli.ok('rollout', 'restart', 'deploy/again');
    const { spec } = await cli.grpc.client.get('Deployment', 'again', 'default');
    expect(spec.template.metadata?.annotations).toHaveProperty(['kubectl.kubernetes.io/restartedAt']);
    expect(spec.template.spec).toEqual(before.spec.template.spec);
  });

  test('status waits until the newest version is out, and fails when it missed its deadline', async () => {
    await cli.applied(deploymentYaml('out'));
    const run = cli.start('rollout', 'status', 'deploy/out');
    await eventually(() => run.out().includes('Waiting for deployment spec update to be observed'));
    const done = { replicas: 1, updatedReplicas: 1, availableReplicas: 1, readyReplicas: 1 };
    const report = async (status: Deployment['status']) => {
      const made = await cli.grpc.client.get('Deployment', 'out', 'default');
      await cli.grpc.client.updateStatus('Deployment', {
        ...made,
        status: { observedGeneration: made.metadata.generation, ...status },
      });
    };
    await report({ ...done, availableReplicas: 0 });
    await eventually(() => run.out().includes('0 of 1 updated replicas are available'));
    await report(done);
    expect((await run.done).out).toContain('deployment "out" successfully rolled out\n');
    const late = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' };
    await report({ ...done, availableReplicas: 0, conditions: [late] } as Deployment['status']);
    expect(await cli.coracle('rollout', 'status', 'deploy/out')).toMatchObject({
      code: 1,
      err: 'error: deployment "out" exceeded its progress deadline\n',
    });
  });
});

describe('nodes', () => {
  const node = (name: string) => ({
    metadata: { name, labels: { disk: 'hdd' } },
    status: {
      allocatable: { cpu: '1', memory: '1Gi', pods: '10' },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  });

  async function createNode(name: string): Promise<void> {
    const made = await cli.grpc.client.create('Node', node(name) as unknown as Draft<Node>);
    await cli.grpc.client.updateStatus('Node', { ...made, status: node(name).status as unknown as Node['status'] });
  }

  test('cordon and uncordon say what they did, and what was so already', async () => {
    await createNode('c1');
    expect(await cli.ok('cordon', 'c1')).toBe('node/c1 cordoned\n');
    expect((await cli.grpc.client.get('Node', 'c1')).spec?.unschedulable).toBe(true);
    expect(await cli.ok('cordon', 'node/c1')).toBe('node/c1 already cordoned\n');
    expect(await cli.ok('get', 'nodes', 'c1')).toContain('SchedulingDisabled');
    expect(await cli.ok('uncordon', 'c1')).toBe('node/c1 uncordoned\n');
    expect((await cli.grpc.client.get('Node', 'c1')).spec?.unschedulable).toBeFalsy();
  });

  test('drain refuses before it has moved anything, then moves all and waits for them', async () => {
    await createNode('d1');
    const owner = (kind: string) => [{ apiVersion: 'apps/v1', kind, name: 'o', uid: 'o', controller: true }];
    const placed = async (name: string, ownerKind?: string) =>
      cli.grpc.client.create('Pod', {
        ...pod(name, { nodeName: 'd1', terminationGracePeriodSeconds: 0 }),
        metadata: { name, namespace: 'default', ...(ownerKind ? { ownerReferences: owner(ownerKind) } : {}) },
      });
    await placed('owned', 'ReplicaSet');
    await placed('alone');
    await placed('daemon', 'DaemonSet');
    const refused = await cli.coracle('drain', 'd1');
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('default/alone: no controller would make it again (use --force to delete it)');
    expect(refused.err).toContain('default/daemon: managed by a DaemonSet');
    expect((await cli.grpc.client.get('Pod', 'owned', 'default')).metadata.deletionTimestamp).toBeUndefined();

    const out = await cli.ok('drain', 'd1', '--force', '--ignore-daemonsets', '--grace-period=0');
    expect(out).toContain('node/d1 already cordoned');
    expect(out).toContain('pod/owned evicted');
    expect(out).toContain('node/d1 drained');
    expect(await cli.ok('get', 'pods', '--field-selector', 'spec.nodeName=d1', '-o', 'name')).toBe('pod/daemon\n');
    await cli.ok('delete', 'pod', 'daemon', '--force');
  });

  test('why explains for each node, with numbers, why a pod does not fit', async () => {
    await createNode('w1');
    await createNode('w2');
    await cli.ok('cordon', 'w2');
    const requests = { cpu: '800m', memory: '128Mi' };
    const asking = (name: string, more: Partial<Pod['spec']>) =>
      cli.grpc.client.create(
        'Pod',
        pod(name, { containers: [{ name: 'main', image: 'i', resources: { requests } }], ...more }),
      );
    await asking('taker', { nodeName: 'w1' });
    await asking('waiter', { nodeSelector: { disk: 'ssd' } });
    const out = await cli.ok('why', 'waiter');
    expect(out).toContain('default/waiter waits for a node');
    expect(out).toContain('asks for 800m cpu and 128Mi memory, and for a node with disk=ssd');
    expect(out).toMatch(/^w1 +200m\/1 .*has not the label disk=ssd; cpu: asks 800m, free 200m of 1$/m);
    expect(out).toMatch(/^w2 .*cordoned/m);
    expect(await cli.ok('why', 'pod/taker')).toMatch(/^default\/taker is on node w1/);
    for (const name of ['taker', 'waiter']) await cli.ok('delete', 'pod', name, '--force');
  });
});
